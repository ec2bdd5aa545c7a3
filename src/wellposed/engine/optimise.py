"""Optimizers of the players, and one step of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from wellposed.engine.distributed import World, mean_over_ranks, whole
from wellposed.engine.randomness import generator, seed_global
from wellposed.engine.recipe import Recipe
from wellposed.engine.schedule import rate_factor
from wellposed.engine.sections import Optimizer
from wellposed.engine.system import Batch, Moment, Player, System
from wellposed.guard import Guard

AUTOCAST = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def make_optimizer(networks: list[nn.Module], recipe: Optimizer) -> torch.optim.AdamW:
    """AdamW over the networks."""
    parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
    return optimizer_of(parameters, recipe)


def optimizer_of(parameters: Sequence[nn.Parameter], recipe: Optimizer) -> torch.optim.AdamW:
    """AdamW over parameters; vectors (biases, norms) are not decayed towards zero."""
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.eps)


@dataclass
class Stepper:
    """Everything that one optimizer step needs; holds no state of its own but the scaler."""

    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    recipe: Recipe
    world: World
    guard: Guard
    scaler: torch.amp.GradScaler
    leapt: bool = False
    """Whether the latest step has set weights instead of learning them: see `Moment.leap`."""

    def step(self, system: System[Any], batch: Batch, number: int) -> dict[str, Tensor] | None:
        """Take step `number`; return its values, or None if the guard refused it.

        Values are means over the global batch: every term, the weighted loss, the gradient's
        norm before clipping (none when it overflowed and the scaler skips the step). They stay
        on the device. Of several players those before the refused one have moved already.
        """
        values: dict[str, Tensor] = {}
        self.leapt = False
        rate = self.recipe.optimizer.learning_rate * rate_factor(
            self.recipe.schedule, number, self.recipe.training.steps
        )
        for player in system.players:
            if not system.plays(player.name, number):
                continue
            optimizer = self.optimizers[player.name]
            for group in optimizer.param_groups:
                group["lr"] = rate
            prefix = "" if len(system.players) == 1 else f"{player.name}/"
            self.clear()
            told = self.backward(system, player, batch, number)
            self.scaler.unscale_(optimizer)
            # Under accumulation the replay is of the whole batch at once: same scenes.
            replay = partial(self._replay, system, player, batch, number)
            overflows = self.guard.overflows
            items = {prefix + name: value for name, value in told.items.items()}
            if not self.guard.step(number, items, **told.shown, batch=batch, replay=replay):
                self.scaler.update()
                self.clear()
                return None
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            norm = clip_grad_norm_(parameters, self.recipe.optimizer.clip_norm)
            self.scaler.step(optimizer)
            values |= {f"loss/{prefix}{name}": value for name, value in told.means.items()}
            values[prefix + "loss"] = _total(_weighted(system, player, told.means))
            if self.guard.overflows == overflows:
                values[prefix + "gradient_norm"] = whole(norm.detach())
            values |= {prefix + name: value for name, value in told.figures.items()}
        self.scaler.update()
        return values

    def clear(self) -> None:
        """Drop all gradients: a player's terms also reach the networks of the others."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def backward(self, system: System[Any], player: Player, batch: Batch, number: int) -> "Told":
        """Accumulate the gradient over the pieces of the batch."""
        pieces = self.recipe.training.accumulate
        split = {key: value.chunk(pieces) for key, value in batch.items()}
        items: dict[str, list[Tensor]] = {}
        shown: dict[str, list[Tensor]] = {}
        totals: dict[str, Tensor] = {}
        figures: dict[str, Tensor] = {}
        for index in range(pieces):
            piece = {key: chunks[index].to(self.world.device) for key, chunks in split.items()}
            terms, moment = self.terms(system, player, piece, number, index)
            weighted = _weighted(system, player, {k: value.mean() for k, value in terms.items()})
            if index == 0:
                self._look(system, player, weighted, moment)
            self.scaler.scale(_total(weighted) / pieces).backward()
            for name, value in terms.items():
                items.setdefault(name, []).append(value.detach().reshape(-1))
                totals[name] = totals.get(name, 0) + value.detach().mean() / pieces
            for name, signal in moment.shown.items():
                shown.setdefault(name, []).append(signal.detach())
            figures |= moment.figures
            self.leapt |= bool(moment.leaps)
        return Told(
            {name: mean_over_ranks(value, self.world) for name, value in totals.items()},
            {name: _joined(parts) for name, parts in items.items()},
            {name: _joined(parts) for name, parts in shown.items()},
            figures,
        )

    def terms(
        self, system: System[Any], player: Player, piece: Batch, number: int, index: int
    ) -> tuple[dict[str, Tensor], Moment]:
        """Terms of a piece, one value a scene; draws depend on (seed, step, piece, rank) alone."""
        keys = ("step", number, index, self.world.rank)
        seed_global(self.recipe.seed, *keys)
        draws = generator(self.world.device, self.recipe.seed, *keys)
        moment = Moment(number, draws, piece=index)
        dtype = AUTOCAST[self.recipe.training.precision]
        with torch.autocast(self.world.device.type, dtype, enabled=dtype is not None):
            terms = system.terms(player.name, self.networks, piece, moment)
        return terms, moment

    def _look(
        self,
        system: System[Any],
        player: Player,
        weighted: Mapping[str, Tensor],
        moment: Moment,
    ) -> None:
        """Let the guard look at what exists before the backward pass, on this rank alone."""
        number, guard = moment.step, self.guard
        for name, said in moment.critics.items():
            guard.critic(
                number, said.real, said.fake, name=name, active=said.active, term=said.term
            )
        for name, (indices, size) in moment.chosen.items():
            guard.codes(number, indices, size, name=name)
        estimate = moment.shown.get("estimate")
        # FSDP's hooks on the output would take this for the backward pass itself.
        sharded = self.world.ranks > 1 and self.recipe.training.strategy == "fsdp"
        if estimate is None or not estimate.requires_grad or sharded or not guard.due(number):
            return
        # A term that the recipe weighs and nobody has computed pulls nowhere.
        absent = {name: torch.zeros(()) for name in system.weights(player.name)}
        guard.forces(number, absent | dict(weighted), estimate)

    def _replay(
        self, system: System[Any], player: Player, batch: Batch, number: int
    ) -> dict[str, Tensor]:
        """Do the forward pass of a step again, for the guard to look for the first culprit."""
        whole_batch = {key: value.to(self.world.device) for key, value in batch.items()}
        terms, _ = self.terms(system, player, whole_batch, number, 0)
        return {name: value.mean() for name, value in terms.items()}


@dataclass(frozen=True)
class Told:
    """What the backward pass of a player has measured; nothing here has a graph."""

    means: dict[str, Tensor]
    """Unweighted terms, means over the global batch."""
    items: dict[str, Tensor]
    """Unweighted terms, one value for every scene of this rank."""
    shown: dict[str, Tensor]
    """Signals of this rank's scenes that the system has shown: see `Moment.show`."""
    figures: dict[str, Tensor]
    """Numbers of this rank that the system told, those of the last piece: see `Moment.tell`."""


def _weighted(
    system: System[Any], player: Player, means: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    weights = system.weights(player.name)
    return {name: weights[name] * value for name, value in means.items()}


def _total(weighted: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(weighted.values())).sum()


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
