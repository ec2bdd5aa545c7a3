"""The guard in the loop: a step that is not finite leaves no trace, is named, and can be replayed.

The faults are put into the enhance system at one step, by the number that a step is told; so a
replay meets them again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import events, leaves, left_by, rows, train, weights
from test_resume import enhance_recipe
from torch import Tensor
from toy import Duel, Toy, recipe

from wellposed.cli import main
from wellposed.engine.launch import resume, start
from wellposed.engine.rehearsal.replay import replay
from wellposed.engine.run import Run
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.modelfile import load_model
from wellposed.errors import RunError
from wellposed.guard import load_batch
from wellposed.nn.dualpath import DualPath
from wellposed.systems.enhance.system import Enhance

Fault = Callable[[pytest.MonkeyPatch, range], None]


def log_of_zero_in_a_layer(patch: pytest.MonkeyPatch, when: range) -> None:
    """The band-split features become log(0) at these steps."""
    terms, forward = Enhance.terms, DualPath.forward
    present = []

    def told(self, player, networks, batch, moment):
        present[:] = [moment.step]
        return terms(self, player, networks, batch, moment)

    def broken(self, x):
        bad = self.training and present[0] in when
        return forward(self, (x * 0).log() if bad else x)

    patch.setattr(Enhance, "terms", told)
    patch.setattr(DualPath, "forward", broken)


def log_of_zero_in_the_loss(patch: pytest.MonkeyPatch, when: range) -> None:
    """A term is log(0) at these steps."""
    in_a_term(patch, when, lambda term: term + (term * 0).log())


def root_of_zero_in_the_loss(patch: pytest.MonkeyPatch, when: range) -> None:
    """A term has a slope of infinity times zero at these steps; its value is as ever."""
    in_a_term(patch, when, lambda term: term + (term * 0).square().sqrt())


def nan_in_the_batch(patch: pytest.MonkeyPatch, when: range) -> None:
    """The recordings of these steps are not numbers."""
    item = Enhance.item

    def broken(self, split, index):
        made = item(self, split, index)
        bad = split == "train" and index // self.recipe.training.batch_size in when
        return {key: value * float("nan") if bad else value for key, value in made.items()}

    patch.setattr(Enhance, "item", broken)


def in_a_term(patch: pytest.MonkeyPatch, when: range, change: Callable[[Tensor], Tensor]) -> None:
    terms = Enhance.terms

    def broken(self, player, networks, batch, moment):
        made = terms(self, player, networks, batch, moment)
        if moment.step in when:
            made["waveform"] = change(made["waveform"])
        return made

    patch.setattr(Enhance, "terms", broken)


FAULTS = [
    (log_of_zero_in_a_layer, "WP301", "paths", "log"),
    (log_of_zero_in_the_loss, "WP301", "outside", "log"),
    (root_of_zero_in_the_loss, "WP302", "outside", "SqrtBackward0"),
    (nan_in_the_batch, "WP301", None, "input"),
]


def failures(run: Path) -> list[dict[str, Any]]:
    """The findings above INFO: so short a run is worth a remark or two besides."""
    return [row for row in read_history(run / "findings.jsonl") if row["severity"] != "INFO"]


@pytest.mark.parametrize(("fault", "code", "module", "operation"), FAULTS)
def test_a_bad_step_is_refused_named_kept_and_replayed(
    fault: Fault, code, module, operation, tmp_path, monkeypatch, capsys
):
    run = start(Enhance, enhance_recipe(), tmp_path / "run", 2)
    before = state_of(run)
    fault(monkeypatch, range(2, 3))
    resume(Enhance, run, {}, 3)
    # Nothing has moved but what follows from the number of the step alone.
    after = state_of(run)
    assert {k.split("/")[-1] for k in before if before[k] != after[k]} == {"step", "lr"}
    (finding,) = failures(run)
    assert (finding["code"], finding["step"]) == (code, 2)
    assert finding["evidence"]["operation"] == operation
    assert module is None or module in finding["evidence"]["module"]
    for file in ("log.txt", "findings.jsonl"):
        text = (run / file).read_text()
        assert code in text
        assert operation in text
    assert len(events(run, "refused")) == 1
    alarm = load_batch(run / "alarms" / "step-00000002")
    assert alarm.batch["batch"]["noisy"].shape == (2, 4000)
    kept = alarm.batch["weights"]["model"]
    assert all(torch.equal(kept[k.removeprefix("model/")], v) for k, v in weights(run).items())
    files = sorted(str(path) for path in run.rglob("*"))
    capsys.readouterr()
    assert main(["replay", str(run), "--step", "2"]) == 1
    assert f"{code} " in capsys.readouterr().out
    again = replay(Enhance, run, 2)
    assert again.source == "alarm step-00000002: its batch and weights"
    assert again.values == {}
    (same,) = again.findings
    assert (same.code, same.evidence["operation"]) == (code, operation)
    assert sorted(str(path) for path in run.rglob("*")) == files
    resume(Enhance, run, {})
    assert all(value.isfinite().all() for value in weights(run).values())
    assert len(failures(run)) == 1


def state_of(run: Path) -> dict[str, Any]:
    """Return what training moves, flat: no clock, guard or selection."""
    _, state, _ = checkpoint.latest(run / "checkpoints")
    kept = ("step", "networks", "optimizers", "average", "journal")
    return leaves({key: state[key] for key in kept})


def test_after_the_alarm_is_lost_a_replay_starts_from_a_checkpoint(tmp_path, monkeypatch):
    log_of_zero_in_the_loss(monkeypatch, range(2, 4))
    run = start(Enhance, enhance_recipe(), tmp_path / "run", 4)
    for file in (run / "alarms" / "step-00000002").iterdir():
        file.unlink()
    (run / "alarms" / "step-00000002").rmdir()
    # Step 3 was refused too, but is of the same streak and has no alarm of its own.
    for step, repeated in ((2, "0 steps"), (3, "1 step")):
        again = replay(Enhance, run, step)
        assert again.source == f"step-00000002.safetensors, {repeated} repeated"
        assert [(each.code, each.step) for each in again.findings] == [("WP301", step)]


def test_a_step_that_the_run_has_not_taken_is_not_replayed(tmp_path):
    run = start(Enhance, enhance_recipe(), tmp_path / "run", 4)
    with pytest.raises(RunError, match=r"step 1234 cannot be replayed: the run has come to step 4"):
        replay(Enhance, run, 1234)


def test_a_replay_of_a_healthy_step_has_the_values_of_its_row(tmp_path):
    made = recipe(training={"log_every": 1}, model={"dropout": 0.25})
    run = train(made, tmp_path / "run")
    row = rows(run)[8]
    assert (row["kind"], row["step"]) == ("train", 7)
    again = replay(Toy, run, 6)  # rows count steps, steps count from 0
    assert again.findings == []
    assert again.values == {k: v for k, v in row["values"].items() if k != "learning_rate"}


def toy_nan(
    patch: pytest.MonkeyPatch, when: range, kind: type[Toy] = Toy, player: str = ""
) -> None:
    """A term of one player (or all) is NaN at these steps."""
    terms = kind.terms

    def broken(self, who, networks, batch, moment):
        made = terms(self, who, networks, batch, moment)
        if moment.step in when and player in (who, ""):
            return {name: value * float("nan") for name, value in made.items()}
        return made

    patch.setattr(kind, "terms", broken)


def test_more_refusals_in_a_row_than_allowed_end_the_run_and_leave_the_checkpoint(
    tmp_path, monkeypatch
):
    run = tmp_path / "run"
    toy_nan(monkeypatch, range(4, 100))
    with pytest.raises(RunError) as caught:
        start(Toy, recipe(training={"refusals_allowed": 2}), run, None)
    message = str(caught.value)
    assert "3 steps in a row were not finite, the last one step 6 (allowed: 2)" in message
    assert "WP301" in message
    assert f"`wellposed replay {run} --step 4`" in message
    assert len(events(run, "refused")) == 3
    assert max(checkpoint.steps_of(run / "checkpoints")) == 6
    # With the fault gone the refused steps since the checkpoint are done again, as if first.
    monkeypatch.undo()
    resume(Toy, run, {})
    assert len(events(run, "refused")) == 2
    assert events(run, "finished") == ["at step 8 of 8"]


def test_as_many_refusals_as_allowed_do_not_end_the_run(tmp_path, monkeypatch):
    toy_nan(monkeypatch, range(4, 6))
    run = start(Toy, recipe(training={"refusals_allowed": 2}), tmp_path / "run", None)
    assert len(events(run, "refused", "finished")) == 3


def test_a_refused_step_is_in_no_mean_and_no_average(tmp_path, monkeypatch):
    made = recipe(training={"log_every": 4})
    healthy = recipe(training={"log_every": 1})
    train(healthy, tmp_path / "each")
    toy_nan(monkeypatch, range(3, 4))
    run = start(Toy, made, tmp_path / "run", 4)
    losses = [r["values"]["loss"] for r in rows(tmp_path / "each") if r["kind"] == "train"]
    (row,) = [row for row in rows(run) if row["kind"] == "train"]
    assert row["values"]["loss"] == pytest.approx(sum(losses[:3]) / 3, rel=1e-6)
    _, state, _ = checkpoint.latest(run / "checkpoints")
    assert state["average"]["updates"] == 3


@pytest.mark.parametrize("player", ["generator", "critic"])
def test_a_bad_step_of_one_player_does_not_poison_the_next_step(player, tmp_path, monkeypatch):
    # The generator's loss also sends gradients into the critic, which come first at step 4.
    toy_nan(monkeypatch, range(3, 4), Duel, player)
    run = start(Duel, recipe(Duel), tmp_path / "run", None)
    assert len(events(run, "refused")) == 1
    assert all(value.isfinite().all() for value in weights(run).values())


def test_a_run_with_refusals_is_resumed_like_any_other(tmp_path, monkeypatch):
    toy_nan(monkeypatch, range(3, 5))
    whole = left_by(train(recipe(), tmp_path / "whole"))
    assert len(whole["findings"]) == 1
    for stop in (3, 4, 5):
        assert left_by(train(recipe(), tmp_path / f"run-{stop}", stop)) == whole


def test_a_killed_run_writes_the_findings_it_comes_to_again_once(tmp_path, monkeypatch):
    toy_nan(monkeypatch, range(4, 5))
    whole = left_by(train(recipe(), tmp_path / "whole"))
    run = tmp_path / "run"

    def killed(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # Checkpoints are due at 3 and 6: all that was written after 3 is to be done again.
        save = Run.save
        patch.setattr(
            Run, "save", lambda self: killed(self) if self.moving.step > 3 else save(self)
        )
        with pytest.raises(KeyboardInterrupt):
            start(Toy, recipe(), run, None)
    assert len(read_history(run / "findings.jsonl")) == 1
    assert len(events(run, "refused")) == 1
    resume(Toy, run, {})
    found = left_by(run)
    saved = "RUN/alarms/step-00000004"
    assert whole["findings"][0]["evidence"].pop("saved") == saved
    assert found["findings"][0]["evidence"].pop("saved") == f"{saved}-2"
    assert found["findings"] == whole["findings"]
    assert found["history"] == whole["history"]


def test_patience_ends_a_run_once_and_for_all(tmp_path, monkeypatch):
    # Every validation is surely worse than the first one.
    scores = iter(range(100))
    now = [0]

    def measure(self, networks, item):
        now[0] += 1
        return {"error": (now[0] - 1) // 4 + 0.1 * next(scores) / 100, "closeness": None}

    monkeypatch.setattr(Toy, "measure", measure)
    made = recipe(
        training={"steps": 100}, validation={"every": 2, "patience": 3, "select": "error"}
    )
    run = start(Toy, made, tmp_path / "run", None)
    assert events(run, "finished") == ["no better for 3 validations, at step 8 of 100"]
    resume(Toy, run, {})
    assert max(checkpoint.steps_of(run / "checkpoints")) == 8
    resume(Toy, run, {"validation.patience": 4})
    assert max(checkpoint.steps_of(run / "checkpoints")) == 10


def test_the_recipe_of_the_best_is_that_of_its_phase(tmp_path):
    made = recipe(curriculum=[{"from_step": 3, "changes": {"loss.square": 2.0}}])
    run = train(made, tmp_path / "run")
    _, card = load_model(run / "best" / "model.safetensors")
    assert card["step"] in (4, 8)
    assert card["recipe"]["loss"]["square"] == 2.0
