"""The loss over nine decades of level: best gain, dead zones, an end without a bottom."""

import math
from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

from ..findings import Severity
from .asked import Slope
from .bench import FLAT, Bench
from .verdict import Answer, Part, bad

DECADES = (-6, 3)
PER_DECADE, FINER = 2, 4
"""Gains per decade; between a tenth and ten `FINER` times as many, where the best one is sought."""

SLOPES_DB = (-120, -100, -60, -50, -40, -30, -20, -10, 6, 20, 40)
"""Gains whose gradient is asked [dB], beside that of the quietest estimate."""

FAINT = 1e-7
"""A gradient below this share of an ordinary one is lost when float32 adds them (2 ** -24)."""


def gain_part(bench: Bench) -> Part:
    """Follow the good estimate over all gains."""
    levels = sorted({*SLOPES_DB, bench.quietest_db}) if bench.quietest_db > -120 else SLOPES_DB
    slopes = {db: bench.asked.slope(10 ** (db / 20) * bench.good, bench.reference) for db in levels}
    level = level_part(bench, {db: each.value for db, each in slopes.items()})
    slope_over_gain = {
        f"{db:g}": float((each.gradient * 10 ** (db / 20) * bench.good).sum())
        for db, each in slopes.items()
    }
    return Part(
        [*level.answers, *_dead(bench, slopes)],
        {**level.numbers, "slope_over_gain_db": slope_over_gain},
    )


def level_part(bench: Bench, known: Mapping[float, float] = MappingProxyType({})) -> Part:
    """Which level is best, by values alone; `known` are values by gain [dB] that were asked."""
    losses = _follow(bench, bench.good, known)
    anchored = not bench.blind_to_gain
    best = min(losses, key=lambda gain: losses[gain])
    numbers = {
        "best_gain": best if anchored else math.nan,
        "half_gain_change": bench.change(0.5 * bench.good) / bench.scale.unit,
        "least_loss_over_gains": min(losses.values()),
        "loss_over_gain_db": {f"{20 * math.log10(g):.0f}": each for g, each in losses.items()},
    }
    return Part([_level(bench, losses, best, anchored)], numbers)


def _follow(
    bench: Bench, estimate: Tensor, known: Mapping[float, float] = MappingProxyType({})
) -> dict[float, float]:
    steps = {gain: round(20 * math.log10(gain), 6) for gain in _gains()}
    return {
        gain: known[db] if db in known else bench.asked.value(gain * estimate, bench.reference)
        for gain, db in steps.items()
    }


def _gains() -> list[float]:
    low, high = DECADES
    fine = PER_DECADE * FINER
    steps = {*range(low * fine, high * fine + 1, FINER), *range(-fine, fine + 1)}
    return [10 ** (step / fine) for step in sorted(steps)]


def _level(bench: Bench, losses: dict[float, float], best: float, anchored: bool) -> Answer:
    if not anchored:
        if "gain" in bench.declared:
            return Answer("uniqueness", "blind to gain, as declared")
        return bad(
            "uniqueness",
            "WP202",
            bench.severity(Severity.FAIL, Severity.INFO),
            "any level costs the same: a tenth or ten times the estimate is as good",
            {"subject": "gain", "rounding": bench.scale.ulp, "flat_below": FLAT * bench.scale.unit},
            suspects=(("a ratio that cancels the level", "scale the estimate alone by 0.1"),),
            advice="a level term, an output normalised by contract, or --invariances gain",
        )
    paid = losses[1.0] - losses[best]
    if not 0.5 <= best <= 2 and paid > bench.scale.tolerance:
        return _misplaced(bench, losses, best, paid)
    return Answer("uniqueness", f"the best gain is {best:.2g} ({20 * math.log10(best):+.1f} dB)")


def _misplaced(bench: Bench, losses: dict[float, float], best: float, paid: float) -> Answer:
    """The best level is wrong: also without noise, or only because noise is turned down with it?"""
    best_db = 20 * math.log10(best)
    near = _follow(bench, bench.near)
    best_near = min(near, key=lambda gain: near[gain])
    lasting = near[1.0] - near[best_near] > bench.scale.tolerance and not 0.5 <= best_near <= 2
    evidence = {
        "subject": "level",
        "best_gain_at_20_db": best,
        "best_gain_at_60_db": best_near,
        "saved": paid,
        "tolerance": bench.scale.tolerance,
    }
    if not lasting:
        return bad(
            "uniqueness",
            "WP111",
            bench.severity(Severity.WARN, Severity.INFO),
            f"an estimate at 20 dB SNR is best at {best_db:+.0f} dB, one at 60 dB at "
            f"{20 * math.log10(best_near):+.0f} dB: doubt is answered by turning down",
            evidence,
            suspects=(("noise in pauses, which compression enlarges", "audit with real speech"),),
            advice="a level term beside it, and a look at the level after training",
        )
    falling = _falls_on(near, best_near, bench.scale.ulp)
    return bad(
        "uniqueness",
        "WP101" if best < 1 else "WP111",
        bench.severity(Severity.FAIL, Severity.WARN),
        f"the best level of a good estimate is {best_db:+.0f} dB: it costs {paid:.3g} less there"
        f"{', and falls on beyond' if falling else ''}",
        evidence | {"still_falling": int(falling)},
        suspects=(
            ("a term that falls with the level", "audit the terms one by one"),
            ("weights between terms", "halve the weight of the term that falls with the level"),
        ),
        advice="levels relative to the reference, in a term that is least at the right level",
    )


def _falls_on(losses: dict[float, float], best: float, ulp: float) -> bool:
    """Whether the loss still falls at that end of all gains where it is least."""
    ordered = sorted(losses)
    end, inside = ordered[:2] if best == ordered[0] else ordered[::-1][:2]
    return best == end and losses[end] < losses[inside] - ulp


def _dead(bench: Bench, slopes: dict[float, Slope]) -> list[Answer]:
    """Levels without gradient: with a better place to go (no escape), or without (a hinge)."""
    if not any(each.connected for each in slopes.values()):
        return [
            bad(
                "existence",
                "WP103",
                Severity.FAIL,
                "the loss has no gradient at the estimate anywhere",
                {"subject": "graph", "connected": 0},
                suspects=(("detach() or no_grad() on the way", "print loss.grad_fn"),),
                advice="let the estimate reach the loss without detach, item or numpy",
            )
        ]
    target = bench.asked.value(bench.reference, bench.reference)
    stuck, hinged = [], []
    for db, slope in slopes.items():
        size = bench.outweighs(slope)
        better = target < slope.value - bench.scale.tolerance
        if (size == 0 or size < FAINT) and better:
            stuck.append(db)
        elif size == 0 and db != 0:
            hinged.append(db)
    made = [_stuck(bench, stuck, slopes), _hinged(bench, hinged)]
    answers = [each for each in made if each is not None]
    if answers:
        return answers
    said = f"the gradient leads on from every level between {bench.quietest_db:.0f} and +40 dB"
    return [Answer("existence", said)]


def _stuck(bench: Bench, stuck: list[float], slopes: dict[float, Slope]) -> Answer | None:
    inside = [db for db in stuck if db >= bench.quietest_db]
    if not inside:
        return None
    return bad(
        "existence",
        "WP103",
        bench.severity(Severity.FAIL, Severity.WARN),
        f"no gradient for estimates {_span(inside)}, although the reference costs less",
        {
            "subject": "level",
            "from_db": min(inside),
            "to_db": max(inside),
            "loss_there": slopes[inside[0]].value,
            "loss_at_reference": bench.asked.value(bench.reference, bench.reference),
        },
        suspects=(("a clamp on the level or the spectrum", "audit with the clamp taken out"),),
        advice="add a small constant instead of clamping, so that a slope remains",
    )


def _hinged(bench: Bench, hinged: list[float]) -> Answer | None:
    inside = [db for db in hinged if db >= bench.quietest_db]
    if not inside:
        return None
    return bad(
        "existence",
        "WP102",
        bench.severity(Severity.FAIL, Severity.WARN),
        f"the gradient is exactly zero for estimates {_span(inside)}, none of them the reference",
        {"subject": "level", "from_db": min(inside), "to_db": max(inside)},
        suspects=(("a hinge (relu, threshold)", "audit with the hinge taken out"),),
        advice="a soft form, or another term that has a slope where this one has none",
    )


def _span(levels: list[float]) -> str:
    if len(levels) == 1:
        return f"at {levels[0]:+.0f} dB"
    return f"from {min(levels):+.0f} to {max(levels):+.0f} dB re the reference"
