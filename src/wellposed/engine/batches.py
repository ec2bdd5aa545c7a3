"""Batches by number, rendered ahead by threads.

Batch `n` holds scenes `n * size` to `(n + 1) * size - 1`: a pure function of `n`. The threads
carry no state, so their number, and where a run was stopped, cannot change a batch.
"""

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from wellposed.engine.system import Batch, Item, System

KEPT = 8
"""Systems that are kept: along a ramp every step has its own, and three batches are under way."""


def scene_numbers(step: int, size: int, rank: int = 0, ranks: int = 1) -> range:
    """Scene numbers of this rank's share of batch `step`; together the ranks hold it all."""
    share = size // ranks
    start = step * size + rank * share
    return range(start, start + share)


class Batches:
    """Training batches of a system from a step on."""

    def __init__(self, system: System[Any], rank: int = 0, ranks: int = 1) -> None:
        """Prepare for this rank's share of every batch."""
        self._system = system
        self._rank, self._ranks = rank, ranks
        self._phases: dict[tuple[int, float], System[Any]] = {}

    def system_at(self, step: int) -> System[Any]:
        """Return the system under the recipe of the phase that `step` belongs to."""
        begun = [each for each in self._system.recipe.curriculum if each.from_step <= step]
        key = (len(begun), begun[-1].share(step) if begun else 1.0)
        if key not in self._phases:
            while len(self._phases) >= KEPT:
                del self._phases[next(iter(self._phases))]
            self._phases[key] = self._system.with_recipe(self._system.recipe.at_step(step)[1])
        return self._phases[key]

    def batch(self, step: int) -> Batch:
        """Render this rank's share of batch `step` here and now."""
        system = self.system_at(step)
        return system.collate([system.item("train", n) for n in self._numbers(step)])

    def keys(self, step: int) -> list[int]:
        """Return the scene numbers of this rank's share of batch `step`: what names its data."""
        return list(self._numbers(step))

    def stream(self, start: int, stop: int) -> Generator[Batch]:
        """Yield the batches of steps `start` to `stop - 1`, rendered two batches ahead."""
        training = self._system.recipe.training
        with ThreadPoolExecutor(training.workers, "scenes") as pool:
            waiting: dict[int, list[Future[Item]]] = {}

            def ask(step: int) -> None:
                if step < stop and step not in waiting:
                    item = self.system_at(step).item
                    waiting[step] = [pool.submit(item, "train", n) for n in self._numbers(step)]

            try:
                for step in range(start, stop):
                    for ahead in range(3):
                        ask(step + ahead)
                    items = [future.result() for future in waiting.pop(step)]
                    yield self._system.collate(items)
            finally:
                for futures in waiting.values():
                    for future in futures:
                        future.cancel()

    def _numbers(self, step: int) -> range:
        return scene_numbers(step, self._system.recipe.training.batch_size, self._rank, self._ranks)
