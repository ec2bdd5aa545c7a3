"""What is measured beside the row of every step: each instrument fills records of its kinds.

A file here that defines `instrument(watched)` is found by being here: it is built once with what
the guard watches, and visited at every step. The others are functions that turn what the loop
hands over (terms, critics' scores, codes) into a table.
"""

import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..evidence import Record
from ..networks import Models, Watchlist
from ..plan import Plan


@dataclass(frozen=True)
class Watched:
    """What an instrument may look at; it changes nothing in it."""

    models: Models
    optimizers: Mapping[str, torch.optim.Optimizer]
    watchlist: Watchlist
    plan: Plan
    every: int
    """Steps between two looks of what costs more than a row."""
    terms: list[str] = field(default_factory=list)
    """Names of the terms of the present call."""

    def named(self) -> Mapping[str, Tensor]:
        """All parameters by name, as they are now."""
        return self.watchlist.named()

    def due(self, step: int) -> bool:
        """Whether `step` is one of those that are looked at closely: 0, 1, 2, 4, 8, ..., `every`,
        and its multiples. Most faults are there from the first step, and are then known early.
        """
        return step % self.every == 0 or (step < self.every and step & (step - 1) == 0)


class Instrument(Protocol):
    """Visited once for each call of `Guard.step`, between gradients and optimizer."""

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """Kinds and records that are complete now. A GAN's players share a step's number."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """One that carries something from step to step: a resumed run finds what a whole one finds."""

    def state(self) -> dict[str, Any]:
        """Everything that it carries, as JSON values and tensors."""
        ...

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        ...


@runtime_checkable
class Taker(Instrument, Protocol):
    """An instrument that measures what the loop hands over, and may let it wait on the device."""

    kind: str
    """The kind of its records."""

    def take(self, step: int, *what: Any) -> Iterable[tuple[str, Record]]:
        """Take it in; records that are complete now."""
        ...

    def read(self) -> Iterable[tuple[str, Record]]:
        """Records of all that waits (waits for the device)."""
        ...


def build(watched: Watched) -> list[Instrument]:
    """Every instrument of this folder, in the order of their names."""
    return list(_built(watched))


def _built(watched: Watched) -> Iterator[Instrument]:
    for entry in pkgutil.iter_modules(__path__):
        make = getattr(import_module(f".{entry.name}", __package__), "instrument", None)
        if make is not None:
            yield make(watched)
