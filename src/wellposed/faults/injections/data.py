"""Targets that are silent, late, or somebody else's."""

from typing import ClassVar

import torch

from wellposed.engine.system import Item
from wellposed.faults.fault import Changes, Fault


class SilentTargetsFew(Fault):
    """Three targets in a thousand are silent where the recipe declares none."""

    codes = ("WP105",)
    since = 20
    changes: ClassVar[Changes] = {"scenes.absent": 0.0}

    def item(self, item, split, index):
        """Silence scenes 82, 415, 748, ... of the training."""
        return _silent(item) if split == "train" and index % 333 == 82 else item


class SilentTargetsMany(Fault):
    """Three targets in ten are silent where the recipe declares none."""

    codes = ("WP105",)
    changes: ClassVar[Changes] = {"scenes.absent": 0.0}

    def item(self, item, split, index):
        """Silence scenes 0, 3, 6, 10, 13, ... of the training."""
        return _silent(item) if split == "train" and index % 10 in (0, 3, 6) else item


def _silent(item: Item) -> Item:
    return {**item, "clean": torch.zeros_like(item["clean"])}


class LateTargets(Fault):
    """Targets of the training that lag 5 ms behind their inputs."""

    codes = ("WP414",)
    shows = "lasting"
    samples: ClassVar[int] = 40

    def item(self, item, split, index):
        """Delay the clean side."""
        if split != "train":
            return item
        clean = torch.zeros_like(item["clean"])
        clean[self.samples :] = item["clean"][: -self.samples]
        return {**item, "clean": clean}


class OtherTargets(Fault):
    """Every target belongs to the next item of its batch."""

    codes = ("WP415",)
    shows = "lasting"

    def batch(self, batch):
        """Move the clean side by one item."""
        return {**batch, "clean": batch["clean"].roll(1, 0)}
