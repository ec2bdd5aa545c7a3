"""A rehearsal: small pieces of the planned run, each the same at every call.

Every function here seeds torch's global generator, so that a question does not depend on what was
asked before it. Nothing is kept between questions but rendered batches.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from ...networks import Watchlist
from .statement import Batch, Estimates, Problem

STEPS = 4
"""Steps of the beginning: a layer that starts at zero lets what lies before it wait for one step,
two in a row for two; a first step that only fills a moment is another one."""

KEPT = 8
"""Rendered batches that are kept: the questions share the first ones."""


@dataclass(frozen=True)
class Beginning:
    """The first steps of the run at its peak rate, and where they lead."""

    networks: dict[str, nn.Module]
    """After these steps: what starts at zero is open. Whoever changes them takes a copy."""
    before: dict[str, Tensor]
    """Parameters as they began, by qualified name."""
    gradients: dict[str, list[float | None]]
    """Largest entry of each parameter's gradient at every step; None: it had none."""
    steps: dict[str, list[float]]
    """Length of every step of a parameter over its own length before; NaN where that is 0."""


@dataclass
class Rehearsal:
    """What the questions ask with."""

    problem: Problem
    quick: bool = False
    """Ask shortly: a minute is all there is for all questions."""
    _batches: dict[int, Batch] = field(default_factory=dict)

    def seed(self, *parts: int) -> None:
        """Key the global generator by the problem's seed and these numbers."""
        mixed = self.problem.seed
        for part in parts:
            mixed = mixed * 1_000_003 + part + 1
        torch.manual_seed(mixed % 2**63)

    def networks(self, draw: int = 0) -> dict[str, nn.Module]:
        """Fresh networks, in training mode; another draw: another initialisation."""
        self.seed(1, draw)
        return {name: each.train() for name, each in self.problem.build().items()}

    def batch(self, number: int) -> Batch:
        """Training batch `number`."""
        if number not in self._batches:
            if len(self._batches) >= KEPT:
                self._batches.pop(next(iter(self._batches)))
            self.seed(2, number)
            self._batches[number] = self.problem.batch(number)
        return self._batches[number]

    def items(self, count: int, number: int = 0) -> Batch:
        """The first items of a training batch."""
        return {name: each[:count] for name, each in self.batch(number).items()}

    @cached_property
    def beginning(self) -> Beginning:
        """Take the first steps, once for all questions."""
        networks = self.networks()
        parameters = self.parameters(networks)
        before = {name: each.detach().clone() for name, each in parameters.items()}
        gradients: dict[str, list[float | None]] = {name: [] for name in parameters}
        steps: dict[str, list[float]] = {name: [] for name in parameters}
        last = before
        for count, _ in enumerate(self.training(networks)):
            now = {name: each.detach().clone() for name, each in parameters.items()}
            for name, each in now.items() if count else ():
                length = float(last[name].norm())
                way = float((each - last[name]).norm())
                steps[name].append(way / length if length > 0 else float("nan"))
            if count == STEPS:
                break
            for name, each in parameters.items():
                largest = None if each.grad is None else float(each.grad.abs().max())
                gradients[name].append(largest)
            last = now
        for network in networks.values():
            network.zero_grad(set_to_none=True)
        return Beginning(networks, before, gradients, steps)

    def copies(self) -> dict[str, nn.Module]:
        """The networks after the first steps, to be changed at will."""
        return copy.deepcopy(self.beginning.networks)

    @torch.no_grad()
    def estimates(
        self, networks: Mapping[str, nn.Module], batch: Batch, *, training: bool = False
    ) -> dict[str, Tensor]:
        """What the networks say of a batch as training makes it, by default in evaluation mode."""
        return self._made(networks, batch, self.problem.estimate, training)

    @torch.no_grad()
    def used(self, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """The same by the path of use, which gets the inputs alone."""
        assert self.problem.use is not None  # asked only by questions that have looked
        inputs = {name: batch[name] for name in self.problem.inputs}
        return self._made(networks, inputs, self.problem.use)

    def _made(
        self,
        networks: Mapping[str, nn.Module],
        batch: Batch,
        make: Callable[[Mapping[str, nn.Module], Batch], Estimates],
        training: bool = False,
    ) -> dict[str, Tensor]:
        with in_mode(networks, training=training):
            self.seed(3)
            return {k: each.detach().clone() for k, each in named(make(networks, batch)).items()}

    def terms(
        self, networks: Mapping[str, nn.Module], batch: Batch, step: int = 0
    ) -> dict[str, Tensor]:
        """Means of the weighted terms, with their graph, as training computes them."""
        self.seed(4, step)
        made = self.problem.terms(networks, batch)
        return {name: self.problem.weight(name) * each.mean() for name, each in made.items()}

    def parameters(self, networks: Mapping[str, nn.Module]) -> dict[str, nn.Parameter]:
        """Parameters that training moves, by qualified name."""
        names = self.problem.trained or tuple(networks)
        everything = Watchlist(networks).named()
        mine = {id(each) for name in names for each in networks[name].parameters()}
        return {
            name: each
            for name, each in everything.items()
            if id(each) in mine and each.requires_grad and isinstance(each, nn.Parameter)
        }

    def training(
        self, networks: Mapping[str, nn.Module], batches: Callable[[int], Batch] | None = None
    ) -> Iterator[dict[str, Tensor]]:
        """Take steps at the peak rate without end; yields the terms of each before it is taken.

        Gradients are still there when a step is yielded; the weights move when the next is asked.
        """
        batches = batches or self.batch
        parameters = list(self.parameters(networks).values())
        optimizer = self.problem.optimizer(parameters)
        step = 0
        while True:
            for network in networks.values():
                network.zero_grad(set_to_none=True)
            terms = self.terms(networks, batches(step), step)
            torch.stack(list(terms.values())).sum().backward()
            if self.problem.clip_norm is not None:
                clip_grad_norm_(parameters, self.problem.clip_norm)
            yield {name: each.detach() for name, each in terms.items()}
            optimizer.step()
            step += 1

    @torch.no_grad()
    def scores(self, yardstick: str, estimates: Estimates, batch: Batch) -> list[float | None]:
        """Score every item; None where it has no score."""
        score, _ = self.problem.yardsticks[yardstick]
        # A problem of one estimate measures a tensor, one of several a mapping.
        only = list(named(estimates).values())
        made = score(only[0] if len(only) == 1 else estimates, batch)
        values = made.tolist() if isinstance(made, Tensor) else list(made)  # type: ignore[arg-type]
        return [None if value is None or value != value else float(value) for value in values]


def named(estimates: Estimates) -> dict[str, Tensor]:
    """Estimates by name; one tensor is called "estimate"."""
    return {"estimate": estimates} if isinstance(estimates, Tensor) else dict(estimates)


@contextmanager
def in_mode(networks: Mapping[str, nn.Module], *, training: bool) -> Iterator[None]:
    """Put networks in training or evaluation mode; each part is as it was afterwards."""
    modules = [part for each in networks.values() for part in each.modules()]
    modes = [part.training for part in modules]
    for part in modules:
        part.training = training
    try:
        yield
    finally:
        for part, mode in zip(modules, modes, strict=True):
            part.training = mode


def resting(networks: Mapping[str, nn.Module]) -> AbstractContextManager[None]:
    """Put networks in evaluation mode for a while."""
    return in_mode(networks, training=False)
