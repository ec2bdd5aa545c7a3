"""Faults that a test injects into a command: `Commands.start(..., before="faults:NAME")`."""

import time

from toy import Toy


def slow_steps() -> None:
    """Let every step take seconds after the second."""
    terms = Toy.terms

    def slow(self, player, networks, batch, moment):
        if moment.step >= 2:
            time.sleep(5)
        return terms(self, player, networks, batch, moment)

    Toy.terms = slow
