"""Straight ways to the reference: does the loss fall, and does its gradient point along?"""

from torch import Tensor

from ..findings import Severity
from .bench import Bench
from .verdict import Answer, Part, bad

POINTS = 5
"""Points on a path, in the middle of equal parts."""

WRONG_SHARE = 0.25
"""Of a path. Losses that are not convex may rise over a short part of it."""


def starts(bench: Bench) -> dict[str, Tensor]:
    """Where the paths begin."""
    return {
        "silence": 0 * bench.reference,
        "noise": bench.probes.noise(98),
        "-10 dB SNR": bench.probes.noisy(-10, 1),
        "5 dB SNR": bench.probes.noisy(5, 1),
        "half the level": 0.5 * bench.reference,
    }


def descent_part(bench: Bench) -> Part:
    """Walk every path."""
    shares = {name: _wrong_share(bench, start) for name, start in starts(bench).items()}
    numbers = {f"wrong_way_from_{name.replace(' ', '_')}": each for name, each in shares.items()}
    wrong = [name for name, share in shares.items() if share > WRONG_SHARE]
    if not wrong:
        return Part([Answer("existence", f"falls along {len(shares)} straight paths")], numbers)
    worst = max(wrong, key=lambda name: shares[name])
    answer = bad(
        "existence",
        "WP112",
        bench.severity(Severity.FAIL, Severity.INFO),
        f"rises on the straight way to the reference from {', '.join(wrong)} "
        f"({shares[worst]:.0%} of the path from {worst})",
        {"subject": "path", **{f"from {name}": shares[name] for name in wrong}},
        suspects=(
            ("a term that falls with the level", "audit the terms one by one"),
            ("a comparison that ignores content", "see the worth of noise and of a constant"),
        ),
        advice="add a convex distance (absolute, squared) so that a way down exists everywhere",
    )
    return Part([answer], numbers)


def _wrong_share(bench: Bench, start: Tensor) -> float:
    """Share of points after which the loss rises, or whose gradient promises that it will."""
    reference, tolerance = bench.reference, bench.scale.tolerance
    wrong, before = 0, None
    for number in range(POINTS):
        estimate = start + (number + 0.5) / POINTS * (reference - start)
        slope = bench.asked.slope(estimate, reference)
        # What the loss would change by on the rest of the way, if it went on like this.
        promised = float((slope.gradient * (reference - estimate)).double().sum())
        rose = before is not None and slope.value > before + tolerance
        wrong += rose or promised > tolerance
        before = slope.value
    return wrong / POINTS
