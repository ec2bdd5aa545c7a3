"""Faults that a test injects into a command: `Commands.start(..., before="faults:NAME")`."""

import os
import time

from toy import Toy


def slow_steps() -> None:
    """Let every step take seconds after the second."""
    terms = Toy.terms

    def slow(self, player, networks, batch, moment):
        if moment.step >= 2:
            time.sleep(8)
        return terms(self, player, networks, batch, moment)

    Toy.terms = slow


def nan_in_scene_11() -> None:
    """Put a NaN into one training scene."""
    item = Toy.item

    def spoiled(self, split, index):
        made = dict(item(self, split, index))
        if (split, index) == ("train", 11):
            made["noisy"] = made["noisy"].clone()
            made["noisy"][3] = float("nan")
        return made

    Toy.item = spoiled


def in_a_folder_of_its_own() -> None:
    """Work where the environment says, so that relative paths lie there."""
    os.chdir(os.environ["FOLDER"])
