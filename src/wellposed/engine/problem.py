"""A system as the audit of problems wants to see it: `problem_of` makes a `Problem` of any one.

What every system has (networks, batches, terms, optimizer, plan) is taken from it here; what only
it can know (axes, the path of use, yardsticks) it says in `System.declared`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, overload

import torch
from torch import Tensor

from wellposed.engine.batches import Batches
from wellposed.engine.intent import plan_of
from wellposed.engine.optimise import optimizer_of
from wellposed.engine.randomness import generator
from wellposed.engine.system import Batch, Moment, Networks, Player, System
from wellposed.errors import RunError
from wellposed.guard.audit.problem import Problem

CPU = torch.device("cpu")


def problem_of(system: System[Any], player: Player | None = None) -> Problem:
    """State the problem of one player, by default the first; networks and batches are on the CPU.

    The curriculum's first phase is meant. Raises RunError, when the estimate is asked for: the
    system shows none (`Moment.show`).
    """
    player = player or system.players[0]
    recipe = system.recipe
    given: dict[str, Any] = {
        "name": system.name,
        "seed": recipe.seed,
        "build": system.build,
        "batch": Batches(system).batch,
        "inputs": system.inputs,
        "labels": system.labels,
        "estimate": partial(_estimate, system, player),
        "terms": partial(_terms, system, player),
        "weights": system.weights(player.name),
        "optimizer": partial(optimizer_of, recipe=recipe.optimizer),
        "clip_norm": recipe.optimizer.clip_norm,
        "trained": player.networks,
        "plan": plan_of(recipe, silent_targets=system.silent_targets),
        "select": recipe.validation.select,
        "smallest_gain": recipe.validation.minimum_gain,
        "validation": Scenes(
            recipe.validation.scenes,
            lambda number: system.collate([system.item("valid", number)]),
        ),
    }
    given |= system.declared()
    if given["select"] not in given.get("yardsticks", {}):
        given["select"] = None
    return Problem(**given)


class Scenes(Sequence[Batch]):
    """A list of batches that are rendered when they are asked for."""

    def __init__(self, count: int, render: Callable[[int], Batch]) -> None:
        """Promise `count` batches."""
        self._count, self._render = count, render

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> Batch: ...
    @overload
    def __getitem__(self, index: slice) -> list[Batch]: ...
    def __getitem__(self, index: int | slice) -> Batch | list[Batch]:
        """Render one, or those of a slice."""
        numbers = range(self._count)[index]
        if isinstance(numbers, range):
            return [self._render(number) for number in numbers]
        return self._render(numbers)


def _terms(
    system: System[Any], player: Player, networks: Networks, batch: Batch
) -> dict[str, Tensor]:
    return system.terms(player.name, networks, dict(batch), _moment(system))


def _estimate(system: System[Any], player: Player, networks: Networks, batch: Batch) -> Tensor:
    """Catch what the terms compare, on its way."""
    moment = _moment(system)
    system.terms(player.name, networks, dict(batch), moment)
    if "estimate" not in moment.shown:
        raise RunError(
            f"{system.name}: the terms of {player.name} show no estimate; the audit needs it: "
            "call moment.show(estimate=...) in `terms`"
        )
    return moment.shown["estimate"]


def _moment(system: System[Any]) -> Moment:
    """Draws follow the global seed, which a rehearsal sets anew for every step.

    With the same draws in every step a network would learn what no run asks of it.
    """
    draws = generator(CPU, system.recipe.seed, "audit", torch.initial_seed())
    return Moment(system.audited_step, draws)
