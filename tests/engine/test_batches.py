"""Batches by number: the same for every number of threads, from any step, over any ranks."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from wellposed.engine.batches import Batches, scene_numbers
from wellposed.engine.recipe import Phase, Recipe, Section
from wellposed.engine.sections import Training
from wellposed.engine.system import Batch, Item, Moment, Networks, System

SIZE = 4


class Scenes(Section):
    offset: int = 0


class Toy(Recipe):
    scenes: Scenes = Scenes()


class Counting(System[Toy]):
    """Scene `n` is the number `n` plus the offset; later scenes of a batch are ready sooner."""

    name = "counting"
    recipe_type = Toy

    def __init__(self, recipe: Toy) -> None:
        super().__init__(recipe)
        self.threads: set[str] = set()
        self.asked: list[int] = []

    def with_recipe(self, recipe: Toy) -> "Counting":
        other = Counting(recipe)
        other.threads, other.asked = self.threads, self.asked
        return other

    def item(self, split: str, index: int) -> Item:
        assert split == "train"
        if index == 666:
            raise OSError("scene 666 cannot be read")
        self.threads.add(threading.current_thread().name)
        self.asked.append(index)
        time.sleep(0.001 * (SIZE - index % SIZE))
        return {"number": torch.tensor(index + self.recipe.scenes.offset)}

    def build(self) -> dict[str, nn.Module]:
        return {}

    @property
    def data_digest(self) -> str:
        return "numbers"

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        return {}

    def weights(self, player: str) -> dict[str, float]:
        return {}

    def measure(self, networks: Networks, item: Mapping[str, Tensor]) -> dict[str, float | None]:
        return {}

    @property
    def metrics(self) -> dict[str, str]:
        return {}

    def show_examples(self, networks: Networks, folder: Path) -> None:
        raise NotImplementedError


def counting(workers: int = 1, curriculum: tuple[Phase, ...] = ()) -> Counting:
    training = Training(batch_size=SIZE, workers=workers)
    return Counting(Toy(training=training, curriculum=curriculum))


def numbers(batches: Batches, start: int, stop: int) -> list[list[int]]:
    return [batch["number"].tolist() for batch in batches.stream(start, stop)]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_batch_n_holds_its_scenes_in_order_for_every_number_of_threads(workers: int):
    system = counting(workers)
    wanted = [list(range(SIZE * step, SIZE * (step + 1))) for step in range(7)]
    assert numbers(Batches(system), 0, 7) == wanted
    assert len(system.threads) <= workers
    assert sorted(system.asked) == list(range(7 * SIZE))


def test_a_run_resumed_in_the_middle_sees_what_it_would_have_seen():
    whole = numbers(Batches(counting()), 0, 9)
    assert numbers(Batches(counting(2)), 5, 9) == whole[5:]
    assert numbers(Batches(counting()), 9, 9) == []


def test_a_batch_rendered_here_and_now_is_the_one_of_the_stream():
    batches = Batches(counting())
    assert [batches.batch(step)["number"].tolist() for step in (0, 3)] == [
        numbers(batches, step, step + 1)[0] for step in (0, 3)
    ]


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_the_ranks_partition_the_batch_in_order(ranks: int):
    whole = numbers(Batches(counting()), 3, 5)
    shares = [numbers(Batches(counting(), rank, ranks), 3, 5) for rank in range(ranks)]
    joined = [[number for share in shares for number in share[step]] for step in (0, 1)]
    assert joined == whole
    assert {len(share[0]) for share in shares} == {SIZE // ranks}


@pytest.mark.parametrize("step", [0, 1, 10**9])
def test_scene_numbers_are_the_share_of_the_rank(step: int):
    made = [number for rank in range(3) for number in scene_numbers(step, 6, rank, 3)]
    assert made == list(range(6 * step, 6 * step + 6))


@pytest.mark.parametrize("workers", [1, 4])
def test_a_phase_begins_at_its_step_also_for_what_is_rendered_ahead(workers: int):
    phases = (
        Phase(from_step=2, changes={"scenes.offset": 1000}),
        Phase(from_step=4, changes={"scenes.offset": 2000}),
    )
    made = numbers(Batches(counting(workers, phases)), 0, 6)
    assert [batch[0] - SIZE * step for step, batch in enumerate(made)] == [
        0, 0, 1000, 1000, 2000, 2000
    ]  # fmt: skip
    # ... and a run resumed within a phase is in it.
    assert numbers(Batches(counting(workers, phases)), 3, 6) == made[3:]


def test_two_batches_are_rendered_ahead_and_no_more():
    system = counting()
    stream = Batches(system).stream(0, 100)
    next(stream)
    time.sleep(0.2)
    assert sorted(system.asked) == list(range(3 * SIZE))
    del stream


def test_an_error_in_a_thread_reaches_the_one_who_asks_for_the_batch():
    first = 666 // SIZE
    stream = Batches(counting(2)).stream(first - 1, first + 5)
    next(stream)
    with pytest.raises(OSError, match="scene 666"):
        next(stream)


def test_a_stream_given_up_leaves_no_threads_behind():
    before = threading.active_count()
    stream = Batches(counting(4)).stream(0, 1000)
    next(stream)
    del stream  # the generator ends where it stands, as when a training raises
    assert threading.active_count() == before
