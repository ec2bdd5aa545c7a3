"""Two lists of scores of the same items: paired difference, wins and losses, and their chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from wellposed.guard.chance import sign_test
from wellposed.intervals import Interval, paired_interval

Better = Literal["higher", "lower", "none"]
"""Which end of a metric is good; "none": 0 is right, and nearer to it is better."""
Scores = Sequence[float | None]


@dataclass(frozen=True)
class Versus:
    """One metric of another model against the first."""

    name: str
    means: tuple[float, float]
    """Of the first and of the other, over the items where both have a score; NaN of none."""
    difference: Interval
    """Mean of other minus first, item by item, and its 95 % bootstrap interval."""
    wins: int
    """Items on which the other is better."""
    losses: int
    ties: int
    undefined: int
    """Items where either has no score."""

    @property
    def chance(self) -> float:
        """Exact two-sided sign test: how often so uneven a split, or more, falls among equals."""
        return sign_test(self.wins, self.losses)

    def report(self) -> dict[str, Any]:
        """All figures."""
        made = self.difference
        return {
            "metric": self.name,
            "first": self.means[0],
            "other": self.means[1],
            "difference": {"mean": made.mean, "low": made.low, "high": made.high, "n": made.n},
            "wins": self.wins,
            "losses": self.losses,
            "ties": self.ties,
            "undefined": self.undefined,
            "sign_test": self.chance,
        }


def versus(name: str, better: Better, first: Scores, other: Scores, seed: int = 0) -> Versus:
    """Compare two lists of scores of the same items, None where there is none."""
    both = [(a, b) for a, b in zip(first, other, strict=True) if _defined(a) and _defined(b)]
    firsts = [a for a, _ in both if a is not None]
    others = [b for _, b in both if b is not None]
    gains = [_good(better, b) - _good(better, a) for a, b in zip(firsts, others, strict=True)]
    rng = np.random.default_rng([seed, *name.encode()])
    return Versus(
        name,
        (_mean(firsts), _mean(others)),
        paired_interval(others, firsts, rng),
        wins=sum(gain > 0 for gain in gains),
        losses=sum(gain < 0 for gain in gains),
        ties=sum(gain == 0 for gain in gains),
        undefined=len(first) - len(both),
    )


def _good(better: Better, value: float) -> float:
    return {"higher": value, "lower": -value, "none": -abs(value)}[better]


def _defined(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
