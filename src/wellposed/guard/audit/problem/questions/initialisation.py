"""Is what the networks were meant to start with still there when they are built?

Signal: invariants that the problem declares (the memory of a state space, taps near the identity),
each with its range, on networks as training gets them, in several draws. Threshold: the declared
range [R]. What walked over whole networks while they were built is named as a suspect.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal
from ..unasked import Unasked

QUESTION = "stability"
CODES = ("WP322",)
QUICK = True
DRAWS = 2
"""Initialisations that are looked at: one may lie in the range by chance."""


def ask(rehearsal: Rehearsal) -> Part:
    """Build, and measure every invariant."""
    invariants = rehearsal.problem.invariants
    if not invariants:
        raise Unasked("no invariant is declared: Problem(invariants={'memory': ...})")
    walked: list[str] = []
    found: dict[str, list[tuple[float, float, float]]] = {}
    for draw in range(DRAWS):
        with _watched(walked):
            networks = rehearsal.networks(draw)
        with torch.no_grad():
            for name, invariant in invariants.items():
                found.setdefault(name, []).append(invariant(networks))
    numbers = {
        "invariants": {name: [value for value, _, _ in each] for name, each in found.items()}
    }
    lost = {
        name: next((each for each in values if not each[1] <= each[0] <= each[2]), None)
        for name, values in found.items()
    }
    answers = [
        _lost(name, each, list(dict.fromkeys(walked)))
        for name, each in lost.items()
        if each is not None
    ]
    if not answers:
        said = "; ".join(
            f"{name} {values[0][0]:.3g} ({_range(*values[0][1:])})"
            for name, values in found.items()
        )
        answers = [Answer(QUESTION, f"the initialisation is as it was meant: {said}")]
    return Part(answers, numbers)


@contextmanager
def _watched(walked: list[str]) -> Iterator[None]:
    """Note the functions that `Module.apply` brings to a module with others inside, meanwhile."""
    apply = nn.Module.apply
    depth = 0

    def noting(self: nn.Module, fn: Callable[[nn.Module], Any]) -> nn.Module:
        nonlocal depth
        if not depth and any(True for _ in self.children()):
            walked.append(getattr(fn, "__qualname__", type(fn).__name__))
        depth += 1
        try:
            return apply(self, fn)  # type: ignore[return-value]
        finally:
            depth -= 1

    nn.Module.apply = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.apply = apply  # type: ignore[method-assign]


def _lost(name: str, found: tuple[float, float, float], walked: list[str]) -> Answer:
    value, low, high = found
    named = [(each, "build without it: is the invariant back?") for each in walked]
    return bad(
        QUESTION,
        "WP322",
        Severity.FAIL,
        f"{name} is {value:.3g} when the networks are built, and was meant to be "
        f"{_range(low, high)}",
        {"subject": name, "value": value, "low": low, "high": high,
         "walked_over": ", ".join(walked)},
        suspects=[*named, ("a later initialisation", "measure it after each line of build()")],
        advice="initialise once, and last what is special; keep special starts in buffers",
    )  # fmt: skip


def _range(low: float, high: float) -> str:
    if math.isinf(low) or math.isinf(high):
        return f"{high:.3g} at most" if math.isinf(low) else f"{low:.3g} at least"
    return f"{low:.3g} to {high:.3g}"
