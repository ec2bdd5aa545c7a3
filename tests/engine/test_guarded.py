"""What the engine shows the guard, that looking changes nothing, and where findings go."""

import json
from typing import Any

import pytest
import torch
from runs import events, left_by, train, weights
from test_resume import enhance_recipe
from toy import CPU, Duel, Toy, recipe

from wellposed.engine.distributed import World
from wellposed.engine.journal import Journal
from wellposed.engine.launch import resume, start
from wellposed.engine.run import Run
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import Moment
from wellposed.guard import Finding, Guard, Severity, examiner
from wellposed.guard.evidence import Evidence
from wellposed.guard.instruments.codes import Codes
from wellposed.systems.enhance.system import Enhance


def a_run(made: Any, tmp_path, kind: Any) -> Run:
    folder = RunFolder(tmp_path)
    return Run(kind(made), folder, World(0, 1, CPU), Journal(folder, made, leads=False))


class Shown(Duel):
    """The duel, with everything shown that can be."""

    def terms(self, player, networks, batch, moment):
        """Show signals, the critic's scores and some codes."""
        terms = super().terms(player, networks, batch, moment)
        if player == "generator":
            estimate = networks["model"](batch["noisy"])
            terms["square"] = (estimate - batch["clean"]).square().mean(-1)
            moment.show(estimate=estimate, reference=batch["clean"], source=batch["noisy"])
            moment.codes(torch.tensor([0, 0, 3, 1]), 4)
        else:
            moment.critic(batch["clean"].mean(-1), batch["noisy"].mean(-1))
        return terms


@pytest.mark.parametrize("kind", [Shown, Enhance])
def test_looking_closely_changes_no_bit_of_the_training(kind, tmp_path, monkeypatch):
    made = enhance_recipe() if kind is Enhance else recipe(Duel)
    looked = train(made, tmp_path / "looked", kind=kind)
    monkeypatch.setattr(Guard, "due", lambda self, step: False)
    never = train(made, tmp_path / "never", kind=kind)
    first, second = weights(looked), weights(never)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("pieces", [1, 2])
def test_forces_critics_and_codes_of_the_first_piece_reach_the_guard(pieces, tmp_path):
    made = recipe(Duel, training={"accumulate": pieces}, loss={"size": 0.0})
    run = a_run(made, tmp_path, Shown)
    run.stepper.step(run.system, run.batches.batch(0), 0)
    evidence: Evidence = run.moving.guard._examiner.evidence
    (forces,) = evidence.of("forces")
    assert set(forces.table) == {"square", "size", "fool"}
    assert forces.table["square"]["share"] == pytest.approx(1.0)
    (critics,) = evidence.of("critics")
    assert critics.table["critic"]["real_n"] == 4 / pieces
    # Codes are counted over many steps before there is a record of them.
    instrument = run.moving.guard._examiner._takers["codes"]
    assert isinstance(instrument, Codes)
    assert int((instrument._books["codebook"].counts[1:-1] > 0).sum()) == 3


def test_a_term_that_is_weighed_and_never_computed_pulls_nowhere(tmp_path, monkeypatch):
    monkeypatch.setattr(Shown, "weights", lambda self, player: {
        **Duel.weights(self, player), **({"forgotten": 2.0} if player == "generator" else {})
    })  # fmt: skip
    run = a_run(recipe(Duel), tmp_path, Shown)
    run.stepper.step(run.system, run.batches.batch(0), 0)
    (forces,) = run.moving.guard._examiner.evidence.of("forces")
    assert (forces.table["forgotten"]["connected"], forces.table["forgotten"]["norm"]) == (0, 0)


@pytest.mark.parametrize("pieces", [1, 2])
def test_signals_of_all_pieces_are_measured_together(pieces, tmp_path):
    made = recipe(Duel, training={"accumulate": pieces})
    run = a_run(made, tmp_path, Shown)
    batch = run.batches.batch(0)
    run.stepper.step(run.system, batch, 0)
    row = run.moving.guard._rows.history[0]
    assert row.values["reference_rms"] == pytest.approx(
        float(batch["clean"].square().mean()) ** 0.5
    )
    assert row.values["estimate_rms"] > 0


def test_the_enhancer_shows_the_estimate_that_its_terms_compare(tmp_path):
    run = a_run(enhance_recipe(), tmp_path, Enhance)
    batch = run.batches.batch(0)
    moment = Moment(0, torch.Generator())
    run.system.terms("model", run.networks, batch, moment)
    assert torch.equal(moment.shown["reference"], batch["clean"])
    assert torch.equal(moment.shown["source"], batch["noisy"])
    assert moment.shown["estimate"].requires_grad


def found_at(step: int, severity: Severity):
    def looks(evidence: Evidence, reads: str) -> list[Finding]:
        if reads != "rows" or evidence.step < step:
            return []
        return [Finding("WP301", "odd", severity, step, step, {"subject": "made up"})]

    return looks


def test_a_finding_is_written_at_its_step_with_rows_and_scenes_and_the_run_goes_on(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(examiner, "looks", found_at(4, Severity.WARN))
    run = start(Toy, recipe(), tmp_path / "run", 5)
    (finding,) = read_history(run / "findings.jsonl")
    assert finding["step"] == 4
    place = run / "alarms" / "finding-00000004-WP301"
    assert finding["evidence"]["saved"] == str(place)
    assert Finding.from_json((place / "finding.json").read_text()).title == "odd"
    listed = json.loads((place / "rows.json").read_text())
    assert [row["step"] for row in listed] == [0, 1, 2, 3, 4]
    assert listed[3]["keys"] == [12, 13, 14, 15]
    assert "gradient_norm" in listed[3]["values"]
    resume(Toy, run, {})
    assert events(run, "finished") == ["at step 8 of 8"]
    assert len(read_history(run / "findings.jsonl")) == 1


def test_what_is_only_worth_knowing_leaves_no_record_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(examiner, "looks", found_at(4, Severity.INFO))
    run = train(recipe(), tmp_path / "run")
    assert len(read_history(run / "findings.jsonl")) == 1
    assert not (run / "alarms").exists()


@pytest.mark.parametrize("stop", [3, 4, 5, 6])
def test_a_run_with_findings_is_resumed_like_any_other(stop, tmp_path, monkeypatch):
    monkeypatch.setattr(examiner, "looks", found_at(4, Severity.WARN))
    whole = left_by(train(recipe(), tmp_path / "whole"))
    assert len(whole["findings"]) == 1
    assert left_by(train(recipe(), tmp_path / "run", stop)) == whole


def test_a_killed_run_keeps_one_record_of_a_finding_it_comes_to_again(tmp_path, monkeypatch):
    monkeypatch.setattr(examiner, "looks", found_at(4, Severity.FAIL))
    run = start(Toy, recipe(), tmp_path / "run", 5)
    # Back to step 3, before the finding.
    (run / "checkpoints" / "step-00000005.safetensors").unlink()
    resume(Toy, run, {})
    assert [path.name for path in (run / "alarms").iterdir()] == ["finding-00000004-WP301"]
    assert len(read_history(run / "findings.jsonl")) == 1
