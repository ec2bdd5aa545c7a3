"""A run is audited before it begins: refused where an answer is FAIL, and else untouched by it."""

import json
from pathlib import Path

import pytest
from runs import left_by

from wellposed.cli import audit_run, main
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.systems import SYSTEMS


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry with the toys in it."""
    for name, place in {"told": "told:Told", "loose": "told:Loose", "toy": "toy:Toy"}.items():
        monkeypatch.setitem(SYSTEMS, name, place)


def test_a_sound_run_is_audited_and_its_bits_are_those_of_one_that_is_not(tmp_path, capsys):
    asked, unasked = tmp_path / "asked", tmp_path / "unasked"
    assert main(["train", "told", "--run", str(asked)]) == 0
    said = capsys.readouterr().out
    assert "EXISTENCE  Does a way lead to the answer?" in said
    assert "0 FAIL" in said
    assert main(["train", "told", "--run", str(unasked), "--no-audit"]) == 0
    assert "EXISTENCE" not in capsys.readouterr().out
    assert left_by(asked) == left_by(unasked)
    audit = json.loads(RunFolder(asked).audit.read_text())
    assert {each["question"] for each in audit["answers"]} >= {"existence", "stability"}
    assert audit["numbers"]["plan"]["time_s"]["value"] > 0
    assert not RunFolder(unasked).audit.exists()
    page = RunFolder(asked).report.read_text()
    assert "Before the run" in page
    without = RunFolder(unasked).report.read_text()
    assert "Before the run" not in without
    assert "Not asked before the run" in without


def test_a_fail_refuses_the_run_before_there_is_a_folder(tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["train", "loose", "--run", str(run)]) == 1
    said = capsys.readouterr()
    assert "FAIL  WP403" in said.out
    assert "the audit has a FAIL, see above: the run is not begun" in said.err
    assert not run.exists()


def test_whoever_says_so_goes_on_and_the_answers_are_kept(tmp_path):
    run = tmp_path / "run"
    assert main(["train", "loose", "--run", str(run), "--audit-anyway"]) == 0
    words = [each["word"] for each in json.loads((run / "audit.json").read_text())["answers"]]
    assert "FAIL" in words


def test_a_resume_does_not_ask_again(tmp_path, monkeypatch):
    run = tmp_path / "run"
    assert main(["train", "told", "--run", str(run), "--until", "3"]) == 0
    before = (run / "audit.json").read_bytes()

    def refuse(*_: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(audit_run, "before_run", refuse)
    assert main(["resume", str(run)]) == 0
    assert (run / "audit.json").read_bytes() == before


def test_a_system_that_does_not_name_its_inputs_is_trained_unasked(tmp_path, capsys):
    assert main(["train", "toy", "--run", str(tmp_path / "run")]) == 0
    assert "audit: not asked: toy does not say what its inputs are" in capsys.readouterr().err
    assert not (tmp_path / "run" / "audit.json").exists()


@pytest.mark.parametrize(("system", "status"), [("told", 0), ("loose", 1)])
def test_of_two_processes_one_asks_and_both_heed_the_answer(
    system: str, status: int, commands, tmp_path: Path
):
    run = tmp_path / "run"
    done = commands.run_ranks(tmp_path, 2, "train", system, "--run", run, before="told:register")
    assert [each for each, _ in done] == [status, status], done
    asked = ["EXISTENCE" in text for _, text in done]
    assert asked == [True, False]
    assert (run / "audit.json").exists() == (status == 0)


def test_the_audit_command_gives_its_worst_answer_as_exit_status(capsys):
    assert main(["audit", "loose", "--quick"]) == 1
    assert main(["audit", "told", "--quick", "--json"]) == 0
    said = capsys.readouterr().out
    record = json.loads(said[said.index('{"subject"') :])
    assert record["numbers"]["plan"]["work"]["steps"]["count"] > 0
