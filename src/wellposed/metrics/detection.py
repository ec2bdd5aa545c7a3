"""Which estimates are hits: places found and places that are there, however many of each.

An estimate may be a hit of one source only, within an angle between directions and a difference of
ranges. Of all ways to pair them that with most hits counts, and among those the one with the least
sum of angles.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from wellposed.dsp.arrays.wavefront import Places
from wellposed.metrics.placing import between

ANGLE_DEG = 5.0
RANGE = 1.0
"""What counts as found in field report and literature on the reference surface: 5 degrees, 1 m."""


@dataclass(frozen=True)
class Detection:
    """Hits of one scene, or of many added up."""

    hits: int
    found: int
    there: int
    pairs: tuple[tuple[int, int], ...] = ()
    """Index of the estimate and of its source, of one scene"""

    def __add__(self, other: "Detection") -> "Detection":
        """Of several scenes together; pairs are of one scene alone."""
        return Detection(self.hits + other.hits, self.found + other.found, self.there + other.there)

    @property
    def precision(self) -> float:
        """Share of the estimates that are hits; nothing found, nothing wrong: 1."""
        return self.hits / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the sources that were hit; nothing to hit: 1."""
        return self.hits / self.there if self.there else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both: 2 hits / (found + there); 1 where both are none."""
        both = self.found + self.there
        return 2 * self.hits / both if both else 1.0


def detection(
    found: Places, truth: Places, angle_deg: float = ANGLE_DEG, range_away: float = RANGE
) -> Detection:
    """Pair estimates `(found,)` with sources `(there,)`.

    Ranges that are both infinite are equal.
    """
    counts = len(found.azimuth), len(truth.azimuth)
    if not all(counts):
        return Detection(0, *counts)
    one = Places(*(each[:, None] for each in found))
    other = Places(*(each[None] for each in truth))
    angle = between(one, other) / math.radians(angle_deg)
    away = torch.where(one.range == other.range, 0.0, (one.range - other.range).abs())
    hit = ((angle <= 1) & (away <= range_away)).numpy()
    # A hit is worth more than all angles together, which are at most one each.
    cost = np.where(hit, angle.numpy() - 1 - min(counts), 0.0)
    rows, columns = linear_sum_assignment(cost)
    pairs = tuple((int(r), int(c)) for r, c in zip(rows, columns, strict=True) if hit[r, c])
    return Detection(len(pairs), *counts, pairs)
