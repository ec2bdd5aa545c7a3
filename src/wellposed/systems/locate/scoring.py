"""What is measured of a located scene: hits, counts, and errors beside their bound."""

import torch

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.surface import before_chains
from wellposed.engine.system import Item
from wellposed.metrics.bounds.fisher import Fisher, deterministic
from wellposed.metrics.bounds.observations import SOLID
from wellposed.metrics.bounds.surface import uncertain_channel
from wellposed.metrics.detection import Detection, detection
from wellposed.metrics.placing import placing
from wellposed.systems.locate.refine import State

METRICS = {
    "f1": "higher",
    "precision": "higher",
    "recall": "higher",
    "count_right": "higher",
    "log_ratio": "lower",
    "angle_error_deg": "lower",
    "range_error_m": "lower",
}
"""Better directions; none of them is a loss. log_ratio: natural logarithm of RMSE / CRB of a
scene whose sources were all hit."""


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
    """Squared errors over bounds `(3, sources)`; None unless as many were found, all hits."""
    found = hits(state, item)
    truth = truth_of(item)[0]
    if not found.hits == found.there == found.found:
        return None
    bound = bound_of(elements, item).deviations(found.there)
    if not bool(torch.isfinite(bound).all()):
        return None
    return torch.stack(placing(state.places, truth)[:3]).square() / bound.square()


def score_state(state: State, item: Item, elements: Array) -> dict[str, float | None]:
    """Score one scene; None where a metric has no meaning for it."""
    found = hits(state, item)
    truth = truth_of(item)[0]
    row: dict[str, float | None] = {
        "f1": found.f1,
        "precision": found.precision if found.found else None,
        "recall": found.recall,
        "count_right": float(found.found == found.there),
        "log_ratio": None,
        "angle_error_deg": None,
        "range_error_m": None,
    }
    if found.pairs:
        mine, theirs = (torch.tensor(each) for each in zip(*found.pairs, strict=True))
        error = placing(
            Places(*(each[mine] for each in state.places)),
            Places(*(each[theirs] for each in truth)),
        )
        row["angle_error_deg"] = float(torch.rad2deg(error.angle.square().mean().sqrt()))
        row["range_error_m"] = float(error.range.square().mean().sqrt())
    squared = ratios(state, item, elements)
    if squared is not None:
        row["log_ratio"] = float(squared.mean().log() / 2)
    return row
