"""Optimizers of the players, and one step of all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from wellposed.engine.distributed import World, mean_over_ranks, whole
from wellposed.engine.randomness import generator, seed_global
from wellposed.engine.recipe import Optimizer, Recipe
from wellposed.engine.schedule import rate_factor
from wellposed.engine.system import Batch, Moment, Player, System
from wellposed.guard import Guard

AUTOCAST = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def make_optimizer(networks: list[nn.Module], recipe: Optimizer) -> torch.optim.AdamW:
    """AdamW over the networks; vectors (biases, norms) are not decayed towards zero."""
    parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=recipe.betas)


@dataclass
class Stepper:
    """Everything that one optimizer step needs; holds no state of its own but the scaler."""

    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    recipe: Recipe
    world: World
    guard: Guard
    scaler: torch.amp.GradScaler

    def step(self, system: System[Any], batch: Batch, number: int) -> dict[str, Tensor] | None:
        """Take step `number`; return its values, or None if the guard refused it.

        Values are means over the global batch: every term, the weighted loss, the gradient's
        norm before clipping (none when it overflowed and the scaler skips the step). They stay
        on the device. Of several players those before the refused one have moved already.
        """
        values: dict[str, Tensor] = {}
        rate = self.recipe.optimizer.learning_rate * rate_factor(
            self.recipe.schedule, number, self.recipe.training.steps
        )
        for player in system.players:
            optimizer = self.optimizers[player.name]
            for group in optimizer.param_groups:
                group["lr"] = rate
            prefix = "" if len(system.players) == 1 else f"{player.name}/"
            self.clear()
            terms = self.backward(system, player, batch, number)
            self.scaler.unscale_(optimizer)
            named = {prefix + name: value for name, value in terms.items()}
            # Under accumulation the replay is of the whole batch at once: same scenes.
            replay = partial(self._replay, system, player, batch, number)
            overflows = self.guard.overflows
            if not self.guard.step(number, named, batch=batch, replay=replay):
                self.scaler.update()
                self.clear()
                return None
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            norm = clip_grad_norm_(parameters, self.recipe.optimizer.clip_norm)
            self.scaler.step(optimizer)
            values.update({f"loss/{name}": value for name, value in named.items()})
            values[prefix + "loss"] = _weighted(system, player, terms)
            if self.guard.overflows == overflows:
                values[prefix + "gradient_norm"] = whole(norm.detach())
        self.scaler.update()
        return values

    def clear(self) -> None:
        """Drop all gradients: a player's terms also reach the networks of the others."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def backward(
        self, system: System[Any], player: Player, batch: Batch, number: int
    ) -> dict[str, Tensor]:
        """Accumulate the gradient over the pieces of the batch; return mean terms."""
        pieces = self.recipe.training.accumulate
        split = {key: value.chunk(pieces) for key, value in batch.items()}
        totals: dict[str, Tensor] = {}
        for index in range(pieces):
            piece = {key: chunks[index].to(self.world.device) for key, chunks in split.items()}
            terms = self.terms(system, player, piece, number, index)
            loss = _weighted(system, player, terms) / pieces
            self.scaler.scale(loss).backward()
            for name, value in terms.items():
                totals[name] = totals.get(name, 0) + value.detach() / pieces
        return {name: mean_over_ranks(value, self.world) for name, value in totals.items()}

    def terms(
        self, system: System[Any], player: Player, piece: Batch, number: int, index: int
    ) -> dict[str, Tensor]:
        """Mean terms of a piece; draws depend on (seed, step, piece, rank) alone."""
        keys = ("step", number, index, self.world.rank)
        seed_global(self.recipe.seed, *keys)
        moment = Moment(number, generator(self.world.device, self.recipe.seed, *keys))
        dtype = AUTOCAST[self.recipe.training.precision]
        with torch.autocast(self.world.device.type, dtype, enabled=dtype is not None):
            terms = system.terms(player.name, self.networks, piece, moment)
        return {name: value.mean() for name, value in terms.items()}

    def _replay(
        self, system: System[Any], player: Player, batch: Batch, number: int
    ) -> dict[str, Tensor]:
        """Do the forward pass of a step again, for the guard to look for the first culprit."""
        whole_batch = {key: value.to(self.world.device) for key, value in batch.items()}
        return self.terms(system, player, whole_batch, number, 0)


def _weighted(system: System[Any], player: Player, terms: Mapping[str, Tensor]) -> Tensor:
    weights = system.weights(player.name)
    return torch.stack([weights[name] * value for name, value in terms.items()]).sum()
