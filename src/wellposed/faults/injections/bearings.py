"""What went wrong in a system that found directions with an array, one at a time: docs/stories.

The array has 144 sensors, and the network answers with a covariance of rank five.
"""

from functools import cache
from typing import ClassVar

from wellposed.engine.system import Item
from wellposed.faults.bearings import Bearings, BearingsRecipe
from wellposed.faults.fault import Fault


class TiedEigenvalues(Fault):
    """A loaded covariance of rank five and a loss on its eigenvectors, at 144 sensors."""

    host = "bearings"
    codes = ("WP302",)
    attributes: ClassVar = {"way": "eigh", "loading": 1.0}


class TiedBySvd(Fault):
    """The same by shrinkage and singular vectors, which people turn to when eigenvectors fail."""

    host = "bearings"
    codes = ("WP302",)
    attributes: ClassVar = {"way": "svd", "shrinkage": 0.1}


class BlendedWithTheLabel(Fault):
    """The true covariance stands in for that of the samples, and 0.3 of it is the estimate."""

    host = "bearings"
    codes = ("WP206",)
    shows = "audit"
    asked = ("label_leak",)
    attributes: ClassVar = {"leaking": True}


class SeedsThatOverlap(Fault):
    """Scenes are drawn from a base seed plus a number, 42 for training and 165 for validation."""

    host = "bearings"
    codes = ("WP416",)
    shows = "audit"
    asked = ("splits_apart",)

    def item(self, item: Item, split: str, index: int) -> Item:
        """Draw it in this way."""
        return _by_offset({"train": 42, "valid": 165}.get(split, 498) + index)


@cache
def _by_offset(seed: int) -> Item:
    return Bearings(BearingsRecipe()).drawn(seed, "train", 0)


class TermThatFailsSilently(Fault):
    """A term whose computation fails inside of a bare except, which answers 0."""

    host = "bearings"
    codes = ("WP106",)
    shows = "lasting"

    def terms(self, terms, batch, moment):
        """Put the zero there."""
        return {**terms, "subspace": 0 * terms["subspace"].detach()}


class ConjugateSteering(Fault):
    """The loss steers by the conjugate of what the scenes have."""

    host = "bearings"
    codes = ("WP112",)
    shows = "audit"
    asked = ("terms_lead_to_truth",)
    attributes: ClassVar = {"conjugated": True}
