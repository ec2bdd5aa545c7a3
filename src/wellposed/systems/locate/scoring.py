"""What is measured of a located scene: hits, counts, and errors beside their bound."""

import math

import torch
from scipy.optimize import linear_sum_assignment

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.surface import before_chains
from wellposed.engine.system import Item
from wellposed.metrics.bounds.fisher import Fisher, deterministic
from wellposed.metrics.bounds.observations import SOLID
from wellposed.metrics.bounds.surface import uncertain_channel
from wellposed.metrics.detection import ANGLE_DEG, RANGE, Detection, detection
from wellposed.metrics.placing import between, placing
from wellposed.systems.locate.refine import State

METRICS = {
    "f1": "higher",
    "precision": "higher",
    "recall": "higher",
    "count_right": "higher",
    "log_ratio": "lower",
    "ospa": "lower",
}
"""Better directions; none of them is a loss, and every scene has all of them. log_ratio: natural
logarithm of RMSE / CRB, a source that was not found counting with 5 degrees and 1 m. ospa: mean
distance of estimates and sources, 0 to 1, one too many or too few counting 1 (Schuhmacher, Vo and
Vo, IEEE Trans. SP 56 (2008), first order)."""


def truth_of(item: Item) -> tuple[Places, torch.Tensor]:
    """Places `(sources,)` and symbols `(sources,)` of a scene, double precision."""
    count = int(item["count"])
    azimuth, elevation, inverse = item["places"][:count].double().unbind(-1)
    symbols = torch.view_as_complex(item["symbols"][:count].double().contiguous())
    return Places(azimuth, elevation, 1 / inverse), symbols


def bound_of(elements: Array, item: Item) -> Fisher:
    """Information on the places, H known to within its error."""
    places, symbols = truth_of(item)
    channel, codes = (
        torch.view_as_complex(item[name].double().contiguous()) for name in ("channel", "codes")
    )
    noise, error = item["noise"].double(), item["channel_error"].double()
    response, slopes = elements.response(places), elements.derivatives(places, SOLID)
    if float(error) > 0:
        return uncertain_channel(codes, channel, response, slopes, symbols, noise, error)
    array = before_chains(elements, channel, codes)
    powers = symbols[:, None] * symbols[None].conj()
    return deterministic(array.response(places), array.derivatives(places, SOLID), powers, noise)


def hits(state: State, item: Item) -> Detection:
    """Which sources were found within 5 degrees and 1 m."""
    return detection(state.places, truth_of(item)[0])


def ratios(state: State, item: Item, elements: Array) -> torch.Tensor | None:
    """Squared errors over bounds `(3, sources)` of the sources that were hit.

    None where no bound is finite, or nothing was hit.
    """
    squared, there, bound = squared_errors(state, item, elements)
    if not bool(there.any()) or not bool(torch.isfinite(bound).all()):
        return None
    return (squared / bound)[:, there]


def squared_errors(
    state: State, item: Item, elements: Array
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Squared errors `(3, sources)`, which sources were hit, and bounds on the variances.

    One that was not hit has the errors at which a hit ends.
    """
    found, truth = hits(state, item), truth_of(item)[0]
    angle = math.radians(ANGLE_DEG)
    errors = torch.tensor([angle, angle, RANGE]).double()[:, None].repeat(1, found.there)
    there = torch.zeros(found.there, dtype=torch.bool)
    for mine, theirs in found.pairs:
        one = Places(*(each[mine : mine + 1] for each in state.places))
        other = Places(*(each[theirs : theirs + 1] for each in truth))
        errors[:, theirs] = torch.stack(placing(one, other)[:3])[:, 0]
        there[theirs] = True
    return errors.square(), there, bound_of(elements, item).deviations(found.there).square()


def score_state(state: State, item: Item, elements: Array) -> dict[str, float | None]:
    """Score one scene; None only where its places are not determined."""
    found = hits(state, item)
    squared, _, bound = squared_errors(state, item, elements)
    ratio = (squared / bound).mean()
    return {
        "f1": found.f1,
        "precision": found.precision,
        "recall": found.recall,
        "count_right": float(found.found == found.there),
        "log_ratio": float(ratio.log() / 2) if float(ratio) > 0 else None,
        "ospa": ospa(state.places, truth_of(item)[0]),
    }


def ospa(found: Places, truth: Places) -> float:
    """Mean distance of the best pairing; angle by 5 degrees and range by 1 m, the larger, below 1.

    Nothing found where nothing is: 0.
    """
    counts = len(found.azimuth), len(truth.azimuth)
    if not all(counts):
        return float(max(counts) > 0)
    one = Places(*(each[:, None] for each in found))
    other = Places(*(each[None] for each in truth))
    angle = between(one, other) / math.radians(ANGLE_DEG)
    away = (one.range - other.range).abs() / RANGE
    distance = angle.maximum(away).clamp(max=1).numpy()
    rows, columns = linear_sum_assignment(distance)
    return float((distance[rows, columns].sum() + max(counts) - min(counts)) / max(counts))
