"""A run that was stopped and resumed leaves the same bits as one that never stopped."""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from runs import events, leaves, left_by, train
from toy import Duel, Toy, ToyRecipe, recipe

from wellposed.engine.launch import resume, start
from wellposed.engine.storage import checkpoint
from wellposed.errors import RecipeError
from wellposed.systems.enhance.system import Enhance

PHASE = {"from_step": 5, "changes": {"scenes.noise": 0.2, "loss.square": 2.0}}
STOPS = (1, 2, 3, 4, 5, 6, 7)
"""Rows are due at 3 and 6, checkpoints at 3 and 6, a validation at 4, the phase begins at 5."""


def made(kind: type[Toy] = Toy, accumulate: int = 1, workers: int = 1) -> ToyRecipe:
    training = {"log_every": 3, "accumulate": accumulate, "workers": workers}
    return recipe(kind, training=training, curriculum=[PHASE])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`whole(kind, accumulate)`: what an uninterrupted run with one worker leaves."""

    @cache
    def leave(kind: type[Toy], accumulate: int) -> dict[str, Any]:
        return left_by(
            train(made(kind, accumulate), tmp_path_factory.mktemp("run") / "r", kind=kind)
        )

    return leave


@pytest.mark.parametrize("stop", STOPS)
def test_wherever_it_is_stopped_once(stop, tmp_path, whole):
    assert left_by(train(made(), tmp_path / "run", stop)) == whole(Toy, 1)


@pytest.mark.parametrize("kind", [Toy, Duel])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_stopped_after_every_step_for_any_players_and_pieces(kind, accumulate, tmp_path, whole):
    run = train(made(kind, accumulate), tmp_path / "run", *STOPS, kind=kind)
    assert left_by(run) == whole(kind, accumulate)
    assert len(events(run, "resumed")) == len(STOPS)


def test_with_another_number_of_workers_from_the_start_or_from_a_resume_on(tmp_path, whole):
    expected = whole(Duel, 1)
    other = left_by(train(made(Duel, workers=3), tmp_path / "three", 4, kind=Duel))
    changed = left_by(
        train(made(Duel), tmp_path / "later", 4, kind=Duel, **{"training.workers": 3})
    )
    for found in (other, changed):
        assert found["best"] != expected["best"]  # its card names the workers
        assert found["history"] == expected["history"]
        for key in ("networks", "optimizers", "average"):
            mine, theirs = ({k: v for k, v in each["state"].items() if k.startswith(f"/{key}/")}
                            for each in (found, expected))  # fmt: skip
            assert mine == theirs != {}


RAMP = {"from_step": 2, "changes": {"scenes.noise": 0.2, "loss.square": 2.0}, "ramp_steps": 4}


def test_a_ramp_is_resumed_bit_for_bit_told_at_both_ends_and_kept_at_its_beginning(tmp_path):
    ramped = recipe(Toy, training={"log_every": 3}, curriculum=[RAMP])
    one, other = train(ramped, tmp_path / "one"), train(ramped, tmp_path / "other", *STOPS)
    assert left_by(one) == left_by(other)
    assert events(other, "phase") == [
        "scenes.noise = 0.2, loss.square = 2.0, reached in 4 steps", "of step 2 is reached"
    ]  # fmt: skip
    kept = [checkpoint.load(checkpoint.steps_of(run / "phases")[2]) for run in (one, other)]
    states = [leaves({key: state[key] for key in ("networks", "optimizers", "average")})
              for state in kept]  # fmt: skip
    assert states[0] == states[1] != {}
    at_once = recipe(Toy, training={"log_every": 3}, curriculum=[{**RAMP, "ramp_steps": 0}])
    assert left_by(train(at_once, tmp_path / "at-once"))["state"] != left_by(one)["state"]


def test_a_phase_can_be_tried_again_from_where_it_began(tmp_path, whole):
    run = train(made(), tmp_path / "run")
    (kept,) = checkpoint.steps_of(run / "phases").values()
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()
    shutil.copy(kept, run / "checkpoints")
    resume(Toy, run, {})
    assert left_by(run)["state"] == whole(Toy, 1)["state"]


def test_a_resume_of_a_finished_run_changes_nothing_but_says_so(tmp_path, whole):
    run = train(made(), tmp_path / "run")
    before = sorted((p, p.stat().st_mtime_ns) for p in (run / "checkpoints").iterdir())
    resume(Toy, run, {})
    assert sorted((p, p.stat().st_mtime_ns) for p in (run / "checkpoints").iterdir()) == before
    assert events(run, "resumed", "finished") == [
        "at step 8 of 8", "from step-00000008.safetensors", "at step 8 of 8"
    ]  # fmt: skip
    assert left_by(run)["state"] == whole(Toy, 1)["state"]


def test_more_steps_at_a_resume_hold_for_the_next_resume_too(tmp_path):
    run = train(made(), tmp_path / "run")
    resume(Toy, run, {"training.steps": 12}, until=9)
    resume(Toy, run, {})
    assert max(checkpoint.steps_of(run / "checkpoints")) == 12
    assert events(run, "finished") == ["at step 8 of 8", "at step 12 of 12"]


def test_a_checkpoint_of_the_first_version_has_no_sums_and_is_resumed(tmp_path, whole):
    run = start(Toy, made(), tmp_path / "run", 3)
    _, state, _ = checkpoint.latest(run / "checkpoints")
    del state["journal"]
    checkpoint.save(run / "checkpoints", 3, state)
    resume(Toy, run, {})
    assert left_by(run) == whole(Toy, 1)  # a row was due at step 3: nothing was waiting


def test_fresh_moments_are_what_reset_optimizer_gives(tmp_path):
    run = start(Toy, made(), tmp_path / "run", 3)
    resume(Toy, run, {}, until=4, reset_optimizer=True)
    _, state, _ = checkpoint.latest(run / "checkpoints")
    counts = [each["step"].item() for each in state["optimizers"]["model"]["state"].values()]
    assert set(counts) == {1.0}


def enhance_recipe() -> Any:
    return Enhance.recipe_type.model_validate(
        {
            "model": Enhance.sizes["tiny"].model_dump(),
            "training": {
                "steps": 5, "batch_size": 2, "threads": 1, "log_every": 2, "checkpoint_every": 2,
                "device": "cpu",
            },
            "scenes": {"seconds": 0.25, "validation_seconds": 1.0},
            "schedule": {"warmup_steps": 1},
            "validation": {"every": 3, "scenes": 2, "select": "si_sdr_db"},
            "curriculum": [{"from_step": 4, "changes": {"loss.waveform": 0.2}}],
        }
    )  # fmt: skip


def test_fewer_steps_than_were_taken_are_refused_and_so_is_an_unknown_key(tmp_path):
    run = train(made(), tmp_path / "run", 4)
    before = (run / "recipe.yaml").read_text()
    with pytest.raises(RecipeError, match=r"has taken 8 steps, .* training\.steps = 2"):
        resume(Toy, run, {"training.steps": 2})
    with pytest.raises(RecipeError, match=r"unknown key training\.step, did you mean"):
        resume(Toy, run, {"training.step": 9})
    assert (run / "recipe.yaml").read_text() == before


def test_the_enhance_system_stopped_after_every_step(tmp_path: Path):
    expected = left_by(train(enhance_recipe(), tmp_path / "whole", kind=Enhance))
    run = train(enhance_recipe(), tmp_path / "pieces", 1, 2, 3, 4, kind=Enhance)
    assert left_by(run) == expected
