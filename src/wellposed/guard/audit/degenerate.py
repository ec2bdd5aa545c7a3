"""Gradients where signals degenerate: silence, a constant, an impulse, pauses, silent targets.

Are they finite, and does one such item outweigh a batch of ordinary ones?
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..findings import Severity
from .asked import Slope
from .bench import Bench
from .gains import FAINT
from .verdict import Answer, Part, bad, times


@dataclass(frozen=True)
class Point:
    """An estimate and a reference, and which of the two degenerates."""

    name: str
    estimate: Tensor
    reference: Tensor
    target: bool = False
    items: int | None = None
    """How many items degenerate, the first ones; None: all."""
    met: bool = True
    """Whether training meets it: quieter than the quietest file is met at the start at most."""


def points(bench: Bench) -> list[Point]:
    """The degenerate points; what is silent is exactly zero."""
    good, reference, level = bench.good, bench.reference, bench.probes.level
    silence = torch.zeros_like(good)
    impulse = silence.clone()
    impulse[:, good.shape[-1] // 2] = level[:, 0]
    first_half = torch.arange(good.shape[-1]) < good.shape[-1] // 2
    one_silent = reference.clone()
    one_silent[0] = 0
    zero_is_met = bench.quietest_db == -math.inf
    return [
        Point("a silent estimate", silence, reference, met=zero_is_met),
        Point("an estimate at -120 dB", 1e-6 * good, reference, met=bench.quietest_db <= -120),
        Point("the reference itself", reference, reference),
        # A loss that removes the mean takes it for silence.
        Point("a constant", level.expand_as(good).clone(), reference, met=zero_is_met),
        Point("an impulse", impulse, reference),
        Point("a pause of exact silence", good * first_half, reference),
        Point("a pause at -120 dB", good * torch.where(first_half, 1.0, 1e-6), reference),
        Point("a silent target", good, silence, target=True),
        Point("both silent", silence, silence, target=True),
        Point("one silent target of the batch", good, one_silent, target=True, items=1),
        Point("a target at -100 dB", good, 1e-5 * reference, target=True),
    ]


def degenerate_part(bench: Bench) -> Part:
    """Ask for the gradient at every point."""
    asked = [(each, bench.asked.slope(each.estimate, each.reference)) for each in points(bench)]
    weight = {point.name: bench.outweighs(slope, point.items) for point, slope in asked}
    numbers = {f"gradient_at_{name.replace(' ', '_')}": each for name, each in weight.items()}
    answers = [
        _finite(asked),
        _steep(bench, [each for each in asked if not each[0].target]),
        _hijack(bench, [each for each in asked if each[0].target]),
    ]
    stuck = _stuck(bench, asked)
    return Part([*answers, *([] if stuck is None else [stuck])], numbers)


def _finite(asked: list[tuple[Point, Slope]]) -> Answer:
    values = [point.name for point, slope in asked if not math.isfinite(slope.value)]
    slopes = [point.name for point, slope in asked if not bool(slope.gradient.isfinite().all())]
    if values:
        return _not_finite("WP301", "the loss", values)
    if slopes:
        return _not_finite("WP302", "the gradient", slopes)
    return Answer("stability", f"finite, with finite gradients, at all {len(asked)} edge cases")


def _not_finite(code: str, what: str, names: list[str]) -> Answer:
    return bad(
        "stability",
        code,
        Severity.FAIL,
        f"{what} is not finite at: {', '.join(names)}",
        {"subject": "edge cases", "points": ", ".join(names), "count": len(names)},
        suspects=(
            ("a root, norm or logarithm of silence", "add 1e-8 inside it and audit again"),
            ("a division by the level of the reference", "audit with sounds of no silent item"),
        ),
        advice="a floor inside the root, logarithm or division, relative to the usual level",
    )


def _steep(bench: Bench, asked: list[tuple[Point, Slope]]) -> Answer:
    """Estimates that degenerate, in part or whole, while the target does not."""
    batch = len(bench.reference)
    weight = {point.name: _weight(bench, point, slope) for point, slope in asked}
    worst = max(weight, key=lambda name: weight[name])
    if weight[worst] <= batch:
        return Answer("stability", "no degenerate estimate has a gradient that outweighs a batch")
    # Speech has pauses: estimates that are silent in part are met in every batch. The median item
    # tells: in a single one the pause may have taken all there was.
    ordinary = bench.scale.gradient
    met = any(
        float(slope.rows.median()) > batch * ordinary
        for point, slope in asked
        if "pause" in point.name
    )
    # A loss that is blind to the level does not even say where it is steep, and has no bound.
    endless = met and bench.blind_to_gain
    return bad(
        "stability",
        "WP307",
        _gravity(bench, endless),
        f"the gradient at {worst} is {times(weight[worst])} an ordinary one, a batch has {batch}",
        {"subject": "estimate", "point": worst, "ratio": weight[worst], "items": batch},
        suspects=(
            ("an angle of what is nearly zero", "weigh the angle by the magnitude"),
            ("a logarithm or root without a floor", "add a floor at -60 dB and audit again"),
        ),
        advice="complex or cosine distances weighted by magnitude; floors relative to the level",
    )


def _hijack(bench: Bench, asked: list[tuple[Point, Slope]]) -> Answer:
    """Targets that degenerate: whether this happens is for the data to say."""
    batch = len(bench.reference)
    weight = {point.name: _weight(bench, point, slope) for point, slope in asked}
    worst = max(weight, key=lambda name: weight[name])
    if weight[worst] <= batch:
        return Answer("stability", "no silent target outweighs a batch of ordinary ones")
    return bad(
        "stability",
        "WP314",
        Severity.WARN,
        f"{worst} pulls {times(weight[worst])} as hard as an ordinary item, a batch has {batch}",
        {"subject": "target", "point": worst, "ratio": weight[worst], "items": batch},
        suspects=(("a division by the target's level", "count silent targets: data check"),),
        advice="leave silent targets out, or divide by the level of the mixture instead",
    )


def _stuck(bench: Bench, asked: list[tuple[Point, Slope]]) -> Answer | None:
    """Whole estimates without any gradient although the reference costs less."""
    found = []
    for point, slope in asked:
        if point.target or point.name == "the reference itself" or not slope.connected:
            continue
        target = bench.asked.value(point.reference, point.reference)
        better = target < slope.value - bench.scale.tolerance
        # The audit of gains judges levels; here the quiet ones are only told.
        if better and bool((slope.gradient.isfinite()).all()) and bench.outweighs(slope) < FAINT:
            found.append(point)
    if not found:
        return None
    met = any(point.met for point in found)
    listed = ", ".join(point.name for point in found)
    return bad(
        "existence",
        "WP103",
        _gravity(bench, met),
        f"no gradient leads on from {listed}",
        {"subject": "edge cases", "points": listed, "count": len(found)},
        suspects=(("a clamp, or a mean that is removed", "audit with it taken out"),),
        advice="matters if a network starts there: see the level of its first output",
    )


def _weight(bench: Bench, point: Point, slope: Slope) -> float:
    weight = bench.outweighs(slope, point.items)
    return 0.0 if math.isnan(weight) else weight


def _gravity(bench: Bench, certain: bool) -> Severity:
    """A whole objective fails where training is certain to meet the point."""
    if certain:
        return bench.severity(Severity.FAIL, Severity.WARN)
    return bench.severity(Severity.WARN, Severity.INFO)
