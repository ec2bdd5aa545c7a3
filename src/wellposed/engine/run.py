"""One training run: the loop, and everything that a step may be followed by.

Stop it anywhere: what happens at step n is a function of the recipe, the data, n and the
checkpoint before it, so a resumed run has the bits of one that never stopped.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from wellposed.engine.average import WeightAverage
from wellposed.engine.batches import Batches
from wellposed.engine.distributed import World, forget_gathered, whole, wrap
from wellposed.engine.examination import examine
from wellposed.engine.intent import plan_of
from wellposed.engine.journal import Journal
from wellposed.engine.optimise import Stepper, make_optimizer
from wellposed.engine.randomness import seed_global
from wellposed.engine.state import Moving
from wellposed.engine.stopping import StopRequest
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.modelfile import save_model
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import Batch, System
from wellposed.engine.use import start_from
from wellposed.engine.validation import (
    Rows,
    Selection,
    Trivial,
    direction,
    measure,
    scenes_hash,
    summary,
)
from wellposed.errors import CheckpointError, RunError
from wellposed.guard import FlightRecorder, Guard


class Run:
    """A system in training, in a folder."""

    def __init__(
        self,
        system: System[Any],
        folder: RunFolder,
        world: World,
        journal: Journal,
        *,
        alarms: bool = True,
    ) -> None:
        """Build networks, optimizers and guard; every weight follows from the seed.

        `alarms=False`: the guard keeps no bad step on disk.
        """
        self.system, self.folder, self.world, self.journal = system, folder, world, journal
        self.recipe = recipe = system.recipe
        self.batches = Batches(system, world.rank, world.ranks)
        seed_global(recipe.seed, "weights")
        built = system.build()
        if recipe.training.start_from is not None:
            start_from(built, recipe.training.start_from)
        self.networks = {name: net.to(world.device) for name, net in built.items()}
        wrapped = wrap(self.networks, world, recipe.training.strategy)
        optimizers: dict[str, torch.optim.Optimizer] = {
            player.name: make_optimizer(
                [self.networks[name] for name in player.networks], recipe.optimizer
            )
            for player in system.players
        }
        half = recipe.training.precision == "float16"
        scaler = torch.amp.GradScaler(world.device.type, enabled=half)
        guard = Guard(
            self.networks,
            optimizers,
            veto=True,
            recorder=FlightRecorder(folder.alarms, keys=self.batches.keys) if alarms else None,
            loss_scale=scaler.get_scale if half else None,
            remember=False,
            plan=plan_of(recipe, silent_targets=self._silent_targets()),
        )
        select = recipe.validation.select
        self.moving = Moving(
            self.networks,
            optimizers,
            WeightAverage(self.networks, recipe.average.decay),
            scaler,
            guard,
            Selection(select, direction(system), scenes_hash(system)),
        )
        self.trivial: Trivial = {}
        self.before_step: Callable[[int], None] | None = None
        """Called with the number of a step before it is taken, if somebody watches."""
        self.after_validation: Callable[[int, Rows], None] | None = None
        """Called with the step and the scores of a validation, if somebody watches."""
        self.dismissed = ""
        """Why a watcher wants the run to end now, with all saved; the same on every rank."""
        self.stepper = Stepper(wrapped, optimizers, recipe, world, guard, scaler)

    def train(self, stop: StopRequest, until: int | None = None) -> None:
        """Go on to the last step of the recipe, or to `until`, or until somebody asks to stop.

        Raises RunError when more steps in a row than `refusals_allowed` were not finite, or
        when something cannot be written; the checkpoints before stay.
        """
        steps = self.recipe.training.steps
        moving, started = self.moving, time.monotonic() - self.moving.seconds
        last = steps if until is None else min(until, steps)
        if self.exhausted:
            # Patience has ended the run; resuming does not begin it again.
            last = moving.step
        for batch in self.batches.stream(moving.step, last):
            self._take(batch)
            moving.seconds = time.monotonic() - started
            stopping = self._any_rank(bool(stop))
            if self._due(self.recipe.training.log_every) or moving.step == steps:
                self._log()
            if self._due(self.recipe.validation.every) or moving.step == steps:
                self._validate()
            self._announce_phase()
            over = bool(self.dismissed) or self.exhausted
            ended = stopping or over or moving.step == last
            if self._due(self.recipe.training.checkpoint_every) or ended:
                self.save()
            if ended:
                break
        self.journal.event(moving, "finished" if self.finished else "stopped", self._ending(stop))

    @property
    def exhausted(self) -> bool:
        """Whether patience has ended the run."""
        return self.moving.selection.exhausted(self.recipe.validation)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.exhausted or self.moving.step >= self.recipe.training.steps

    def save(self) -> None:
        """Write a checkpoint; every rank must call it. Raises RunError: it was not written."""
        state = self._state()
        if self.world.leads:
            with self._told_how_to_go_on():
                checkpoint.save(self.folder.checkpoints, self.moving.step, state)

    def _state(self) -> dict[str, Any]:
        """Gather all that a checkpoint holds; every rank must call it."""
        return {
            **self.moving.capture(),
            "recipe": self.recipe.model_dump(mode="json"),
            "data": self.system.data_digest,
            "journal": self.journal.state(),
        }

    def restore(self, state: Mapping[str, Any], *, reset_optimizer: bool = False) -> None:
        """Take over a checkpoint's state."""
        self.moving.restore(state, reset_optimizer=reset_optimizer)

    def _take(self, batch: Batch) -> None:
        """Take one step. Its events bear the count of steps after it, as all rows of it do."""
        moving, number = self.moving, self.moving.step
        if self.before_step is not None:
            self.before_step(number)
        values = self.stepper.step(self.batches.system_at(number), batch, number)
        moving.step = number + 1
        if values is None:
            self._refused(number)
        else:
            if self.stepper.leapt:
                moving.average.restart()
            moving.average.update()
            self.journal.collect(values)
            self.journal.findings(moving)

    def _silent_targets(self) -> float:
        """Return the largest share of silent references that a phase declares."""
        begins = (0, *(phase.from_step for phase in self.recipe.curriculum))
        return max(self.batches.system_at(step).silent_targets for step in begins)

    def _announce_phase(self) -> None:
        # Before the checkpoint of this step, so that a resumed run does not say it again.
        moving = self.moving
        if moving.step >= self.recipe.training.steps:
            return
        for phase in self.recipe.curriculum:
            if phase.from_step == moving.step:
                self.journal.event(moving, "phase", phase.text())
                self._keep_boundary()
            elif phase.ramp_steps and phase.from_step + phase.ramp_steps == moving.step:
                self.journal.event(moving, "phase", f"of step {phase.from_step} is reached")

    def _keep_boundary(self) -> None:
        """Keep the state in which a phase ends, for good."""
        state = self._state()
        if self.world.leads:
            with self._told_how_to_go_on():
                checkpoint.save(self.folder.phases, self.moving.step, state, keep=sys.maxsize)

    def _refused(self, number: int) -> None:
        guard, allowed = self.moving.guard, self.recipe.training.refusals_allowed
        message = f"number {number}, counted from 0, was not finite; weights kept"
        self.journal.event(self.moving, "refused", message)
        self.journal.findings(self.moving)
        if guard.refused_in_a_row > allowed:
            raise RunError(
                f"{self.folder.path}: {guard.refused_in_a_row} steps in a row were not finite, "
                f"the last one step {number} (allowed: {allowed}).\n{guard.findings[-1].text()}\n"
                f"The weights are those of the last good step. See the batch again with "
                f"`wellposed replay {self.folder.path} --step {guard.findings[-1].step}`."
            )

    def _ending(self, stop: StopRequest) -> str:
        at = f"at step {self.moving.step} of {self.recipe.training.steps}"
        if self.exhausted:
            return f"no better for {self.recipe.validation.patience} validations, {at}"
        if self.finished:
            return at
        asked = f", asked to by {stop.name}" if stop else ""
        asked = f", {self.dismissed}" if self.dismissed else asked
        return f"{at}{asked}; go on with `wellposed resume {self.folder.path}`"

    def _log(self) -> None:
        rate = self.stepper.optimizers[self.system.players[0].name].param_groups[0]["lr"]
        self.journal.progress(self.moving, rate, self.recipe.training.batch_size)

    def _validate(self) -> None:
        """Score the averaged weights; they are kept as the best if they are."""
        moving, recipe = self.moving, self.recipe
        with moving.average.applied():
            forget_gathered(self.networks)
            sharded = self.world.ranks > 1 and recipe.training.strategy == "fsdp"
            measured = measure(
                self.system, self.networks, self.world, shared=not sharded, trivial=self.trivial
            )
            rows, selection = measured.finite, moving.selection
            self.system.calibrate(self.networks, rows)
            examine(moving.guard, self.system, moving.step, measured, self.trivial, selection)
            best = selection.consider(moving.step, rows, recipe.validation, recipe.seed)
            if best:
                system = self.batches.system_at(moving.step - 1)
                self._save_best(whole_weights(self.networks), system)
        forget_gathered(self.networks)
        self.journal.validation(moving, summary(rows, recipe.seed), best)
        self.journal.findings(moving)
        if self.after_validation is not None:
            self.after_validation(moving.step, rows)

    def _save_best(self, weights: dict[str, Tensor], system: System[Any]) -> None:
        selection = self.moving.selection
        self.moving.guard.kept(selection.step, weights)
        card = {
            "system": self.system.name,
            "recipe": system.recipe.model_dump(mode="json"),
            "step": selection.step,
            "metric": selection.metric,
            "value": selection.value,
            "scenes": selection.scenes,
            "data": self.system.data_digest,
        }
        if self.world.leads:
            with self._told_how_to_go_on():
                self.folder.best.mkdir(exist_ok=True)
                save_model(self.folder.best_model, weights, card)

    @contextmanager
    def _told_how_to_go_on(self) -> Iterator[None]:
        try:
            yield
        except (CheckpointError, OSError) as error:
            raise RunError(
                f"{error}\nThe checkpoints before are whole: mend this, then go on with "
                f"`wellposed resume {self.folder.path}`."
            ) from error

    def _due(self, every: int) -> bool:
        return self.moving.step % every == 0

    def _any_rank(self, asked: bool) -> bool:
        """Stop together: a signal may have reached one rank only."""
        if self.world.ranks == 1:
            return asked
        flag = torch.tensor(float(asked), device=self.world.device)
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return bool(flag.item())


def whole_weights(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return all tensors of the networks, unsharded, named `network/tensor`."""
    return {
        f"{name}/{key}": whole(value.detach()).cpu()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
