"""What is measured of a located scene: hits, counts, and errors beside their bound."""

import math

import torch
from scipy.optimize import linear_sum_assignment

from wellposed.dsp.arrays.wavefront import Coordinate, Places
from wellposed.engine.system import Item
from wellposed.metrics.detection import ANGLE_DEG, RANGE, Detection, detection
from wellposed.metrics.placing import between, placing
from wellposed.systems.locate.front import Front
from wellposed.systems.locate.refine import State
from wellposed.systems.locate.truth import truth_of

HIT: dict[Coordinate, float] = {
    "azimuth": math.radians(ANGLE_DEG), "elevation": math.radians(ANGLE_DEG), "range": RANGE
}  # fmt: skip
"""Errors at which a hit ends."""
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


def hits(state: State, item: Item) -> Detection:
    """Which sources were found within 5 degrees and 1 m."""
    return detection(state.places, truth_of(item)[0])


def squared_errors(
    state: State, item: Item, front: Front
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Squared errors `(wanted, sources)`, which sources were hit, and bounds on the variances.

    One that was not hit has the errors at which a hit ends.
    """
    found, truth = hits(state, item), truth_of(item)[0]
    errors = torch.tensor([HIT[name] for name in front.wanted]).double()
    errors = errors[:, None].repeat(1, found.there)
    there = torch.zeros(found.there, dtype=torch.bool)
    for mine, theirs in found.pairs:
        one = Places(*(each[mine : mine + 1] for each in state.places))
        other = Places(*(each[theirs : theirs + 1] for each in truth))
        errors[:, theirs] = error_of(one, other, front)
        there[theirs] = True
    return errors.square(), there, front.bound(item).deviations(found.there).square()


def error_of(found: Places, truth: Places, front: Front) -> torch.Tensor:
    """Errors `(wanted,)` of one estimate."""
    placed = placing(found, truth)
    known = {"azimuth": placed.azimuth, "elevation": placed.elevation, "range": placed.range}
    return torch.cat([known[name] for name in front.wanted])


def score_state(state: State, item: Item, front: Front) -> dict[str, float | None]:
    """Score one scene; None only where its places are not determined."""
    found = hits(state, item)
    squared, _, bound = squared_errors(state, item, front)
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
    away = torch.where(one.range == other.range, 0.0, (one.range - other.range).abs() / RANGE)
    distance = angle.maximum(away).clamp(max=1).numpy()
    rows, columns = linear_sum_assignment(distance)
    return float((distance[rows, columns].sum() + max(counts) - min(counts)) / max(counts))
