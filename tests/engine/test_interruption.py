"""Runs that are killed, told to stop, or find their newest checkpoint damaged, in real processes.

However often that happens, the run ends with the bits of one that nobody disturbed.
"""

import random
import signal
import time
from pathlib import Path

import pytest
from commands import Commands, moments
from runs import events, left_by, train
from toy import Duel, Toy, recipe

from wellposed.engine.launch import resume, start
from wellposed.engine.storage import checkpoint
from wellposed.errors import CheckpointError

CALLS = 21_000
"""Calls in the engine of an uninterrupted run of the toy, roughly: see `commands.die_at_a_call`."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the toy leaves when nobody disturbs it."""
    return left_by(train(recipe(Duel), tmp_path_factory.mktemp("whole") / "run", kind=Duel))


def go_on(run: Path) -> list[str | Path]:
    """Resume what there is, or start where a kill came before there was a run."""
    begun = (run / "recipe.yaml").exists()
    return ["resume", run] if begun else ["train", "duel", "--run", run]


def finish(commands: Commands, run: Path) -> None:
    status, text = commands.run(run.parent, *go_on(run))
    assert status == 0, text


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_call_of_the_engine_until_it_is_done(seed, commands, tmp_path, whole):
    run, killed = tmp_path / "run", 0
    for moment in moments(seed, 8, CALLS):
        environment = {"DIE_AT_CALL": str(moment)}
        status, text = commands.run(
            tmp_path, *go_on(run), environment=environment, before="commands:die_at_a_call"
        )
        assert status in (0, -signal.SIGKILL), text
        killed += status != 0
    finish(commands, run)
    assert killed >= 3
    assert left_by(run) == whole


@pytest.mark.slow
def test_killed_while_a_checkpoint_is_written(commands, tmp_path, whole):
    run = tmp_path / "run"
    start(Duel, recipe(Duel), run, 2)
    for moment in moments(0, 8, 1200):
        environment = {"DIE_AT_CALL": str(moment), "DIE_WITHIN": "tensorfile.py"}
        commands.run(
            tmp_path, *go_on(run), environment=environment, before="commands:die_at_a_call"
        )
        # Whatever was cut off: there is a generation that can be read, and no other file.
        _, _, damaged = checkpoint.latest(run / "checkpoints")
        assert not damaged
    finish(commands, run)
    assert left_by(run) == whole
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == [
        "step-00000006.safetensors", "step-00000008.safetensors"
    ]  # fmt: skip


@pytest.mark.slow
def test_killed_from_outside_at_random_times(commands, tmp_path, whole):
    run, draws = tmp_path / "run", random.Random(0)
    for _ in range(6):
        command = commands.start(tmp_path, *go_on(run))
        time.sleep(draws.uniform(0, 0.5))
        command.send(signal.SIGKILL)
        assert command.wait() in (0, -signal.SIGKILL), command.text()
    finish(commands, run)
    assert left_by(run) == whole


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_to_stop_it_ends_its_step_saves_and_says_how_to_go_on(
    number, status, commands, tmp_path
):
    run = tmp_path / "run"
    command = commands.start(tmp_path, "train", "toy", "--run", run, "--steps", "100000")
    command.wait_for("step 4/")
    command.send(number)
    assert command.wait() == status
    (message,) = events(run, "stopped")
    step = max(checkpoint.steps_of(run / "checkpoints"))
    assert message == (
        f"at step {step} of 100000, asked to by {number.name}; go on with `wellposed resume {run}`"
    )
    assert f"step {step} stopped: {message}" in command.text()
    again = start(Toy, recipe(training={"steps": 100000}), tmp_path / "again", step)
    assert left_by(run) == left_by(again)


def test_a_second_request_a_second_later_ends_it_at_once(commands, tmp_path):
    run = tmp_path / "run"
    command = commands.start(
        tmp_path, "train", "toy", "--run", run, "--steps", "100000", before="faults:slow_steps"
    )
    command.wait_for("step 2/")
    command.send(signal.SIGTERM)
    time.sleep(2.5)
    command.send(signal.SIGTERM)
    assert command.wait() == -signal.SIGTERM
    assert events(run, "stopped") == []


@pytest.mark.parametrize("damage", ["cut short", "altered", "empty"])
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(damage, tmp_path, whole):
    run = start(Duel, recipe(Duel), tmp_path / "run", 6)
    newest = run / "checkpoints" / "step-00000006.safetensors"
    spoil(newest, damage)
    resume(Duel, run, {})
    (message,) = events(run, "damaged")
    assert str(newest) in message
    assert "is damaged" in message
    assert message in (run / "log.txt").read_text()
    assert events(run, "resumed") == ["from step-00000003.safetensors"]
    assert left_by(run) == whole


def test_when_all_checkpoints_are_damaged_each_is_named_and_nothing_is_touched(tmp_path):
    run = start(Duel, recipe(Duel), tmp_path / "run", 6)
    files = sorted((run / "checkpoints").iterdir())
    for file in files:
        spoil(file, "altered")
    history = (run / "history.jsonl").read_bytes()
    with pytest.raises(CheckpointError, match="all 2 checkpoints are damaged") as caught:
        resume(Duel, run, {})
    for file in files:
        assert str(file) in str(caught.value)
    assert (run / "history.jsonl").read_bytes() == history


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(commands, tmp_path, whole):
    run = tmp_path / "run"
    environment = {"DIE_AT_CALL": "1", "DIE_WITHIN": "checkpoint.py"}
    status, _ = commands.run(
        tmp_path, *go_on(run), environment=environment, before="commands:die_at_a_call"
    )
    assert status == -signal.SIGKILL
    assert not checkpoint.steps_of(run / "checkpoints")
    resume(Duel, run, {})
    assert events(run, "resumed") == ["from the start: no checkpoint was written before"]
    assert left_by(run) == whole


def test_a_run_that_was_killed_before_its_first_word_says_it_later(commands, tmp_path, whole):
    run = tmp_path / "run"
    environment = {"DIE_AT_CALL": "1", "DIE_WITHIN": "journal.py"}
    commands.run(tmp_path, *go_on(run), environment=environment, before="commands:die_at_a_call")
    assert (run / "recipe.yaml").exists()
    assert not (run / "history.jsonl").exists()
    resume(Duel, run, {})
    assert left_by(run) == whole


def test_a_run_that_has_lost_its_checkpoints_is_not_begun_again(tmp_path):
    run = train(recipe(), tmp_path / "run")
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        resume(Toy, run, {})


def spoil(path: Path, damage: str) -> None:
    """Damage a file as a disk or a careless copy would."""
    data = path.read_bytes()
    middle = len(data) // 2
    spoiled = {
        "cut short": data[:middle],
        "altered": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "empty": b"",
    }
    path.write_bytes(spoiled[damage])
