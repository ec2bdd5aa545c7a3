"""`wellposed explain` on the command line: a run, its errors, and the stories' table."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from wellposed.cli import main
from wellposed.cli.explain import seconds
from wellposed.engine.explain.evidence import LEVEL
from wellposed.engine.explain.explaining import Explaining
from wellposed.engine.explain.ofrun import case_of, chosen, read_findings
from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.launch import start
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.errors import RecipeError
from wellposed.faults.stories import all_stories
from wellposed.guard.findings import Finding, Severity
from wellposed.systems import SYSTEMS

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from explained import Broken, small


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run whose term breaks at step 3."""
    return start(Broken, small(), tmp_path_factory.mktemp("runs") / "broken", None)


@pytest.fixture(autouse=True)
def registered(monkeypatch) -> None:
    """The broken toy under its name."""
    monkeypatch.setitem(SYSTEMS, "toy", "explained:Broken")


def test_a_run_is_explained_and_the_answer_written(run, capsys):
    command = ["explain", str(run), "--workers", "0", "--suspects", "mend", "drop-term:square"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "convicted  mend" in out
    assert "acquitted  drop-term:square" in out
    (file,) = (run / "explain").glob("WP302-*.json")
    told = json.loads(file.read_text())
    assert told["verdicts"][0]["name"] == "mend"
    assert told["reproduced"]
    assert str(file) in out


def test_nothing_convicted_is_a_failure_that_json_tells_too(run, capsys):
    command = ["explain", str(run), "--workers", "0", "--json", "--suspects", "drop-term:square"]
    assert main(command) == 1
    told = json.loads(capsys.readouterr().out)
    assert [each["word"] for each in told["verdicts"]] == ["acquitted"]
    assert "None of what was tried" in told["sentence"]


def test_a_budget_that_holds_nothing_says_so_before_and_after(run, capsys):
    command = ["explain", str(run), "--workers", "0", "--budget", "0.001s"]
    assert main(command) == 1
    told = capsys.readouterr()
    # Step 3 is the fourth, and what a step did is seen at the next one.
    assert "the symptom needs 5 steps" in told.err
    assert "holds no verdict" in told.err
    assert "Nothing can be said of a cause yet: the budget ended" in told.out
    assert main([*command, "--quiet"]) == 1
    assert not capsys.readouterr().err


def test_replays_that_are_shared_are_done_by_who_joins(run, capsys, monkeypatch):
    pytest.importorskip("optuna")
    from wellposed.engine.explain import machines

    there = main

    def join(seconds: float) -> None:
        # The machine that leads waits; in that time another one is asked to take a replay.
        monkeypatch.setattr(machines.time, "sleep", stop)
        with pytest.raises(StopIteration):
            there(["explain", str(run), "--join", "--workers", "0", "--quiet"])
        monkeypatch.setattr(machines.time, "sleep", join)

    def stop(seconds: float) -> None:
        raise StopIteration

    monkeypatch.setattr(machines.time, "sleep", join)
    command = ["explain", str(run), "--share", "--workers", "0", "--json"]
    assert main([*command, "--suspects", "mend", "drop-term:square"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["word"] for each in told["verdicts"]] == ["convicted", "acquitted"]


def test_what_is_not_found_after_the_checkpoint_is_looked_for_from_the_start(
    run, capsys, monkeypatch
):
    starts, levels = [], []
    explain_once = Explaining.explain

    def from_step(self, finding, title, names):
        starts.append(self.case.start)
        levels.append(self.level)
        return explain_once(self, finding, title, names)

    monkeypatch.setattr(Explaining, "explain", from_step)
    late = case_of(Broken, RunFolder(run), chosen(read_findings(RunFolder(run)), None))
    file = checkpoint.steps_of(RunFolder(run).checkpoints)[4]
    always = Symptom(steps=6, figure="loss/square", above=0.0)
    late = replace(late, start=4, checkpoint=str(file), symptom=always)
    monkeypatch.setattr("wellposed.cli.explain.case_of", lambda *_: late)
    command = ["explain", str(run), "--workers", "0", "--quiet", "--suspects", "drop-term:size"]
    assert main(command) == 1
    assert starts == [4, 0]
    assert sum(levels) == LEVEL


def test_what_no_replay_can_tell_costs_none_and_says_why(run, capsys):
    findings = RunFolder(run).findings
    kept = findings.read_text()
    mode = Finding("WP213", "wrong mode", Severity.FAIL, 3, 3, {})
    findings.write_text(kept + mode.to_json() + "\n")
    assert main(["explain", str(run), "--finding", "WP213", "--workers", "0"]) == 1
    findings.write_text(kept)
    assert "WP213@3: no replay can tell: the mode of a network" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "wanted the folder of a run"),
        (["nowhere"], "is not a run"),
        (["RUN", "--finding", "WP999"], "there is no such finding; there are WP302@3"),
        (["RUN", "--budget", "soon"], "wanted a time above 0 such as 90s"),
        (["RUN", "--workers", "-1"], "wanted 0 or more processes"),
        (["RUN", "--workers", "0", "--suspects", "drop-trem:x"], "did you mean drop-term"),
        (["RUN", "--join"], "nobody explains WP302 of this run now"),
        (["RUN", "--share", "--join"], "one machine shares its replays, others join it"),
        (["RUN", "--storage", "sqlite://"], "wanted --share or --join beside it"),
        (["--stories", "--only", "nothing"], "wanted 1 seed or more, of"),
        (["--stories", "--seeds", "0"], "wanted 1 seed or more, of"),
    ],
)
def test_what_cannot_be_explained_is_told(run, capsys, arguments, said):
    given = [str(run) if each == "RUN" else each for each in arguments]
    assert main(["explain", *given]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("text", "wanted"), [("90s", 90), ("10min", 600), ("1.5 h", 5400)])
def test_a_budget_is_a_time_with_a_unit(text, wanted):
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["10", "0s", "-1min", "ten minutes"])
def test_other_budgets_are_refused(text):
    with pytest.raises(RecipeError, match="--budget"):
        seconds(text)


def test_every_story_says_what_it_is_and_names_interventions_that_exist():
    from wellposed.engine.interventions.registry import named

    assert {"state-explosion", "level-of-waveforms-alone", "gradient-once-a-stage"} <= set(
        all_stories()
    )
    for name, story in all_stories().items():
        system = story.system(story.recipe())
        assert len(story.about()) > 20, name
        assert story.innocent, name
        for each in (*story.causes, *story.innocent):
            assert not named(each, system).refusal(system, 0), (name, each)
