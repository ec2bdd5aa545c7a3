"""What a trial says of a run, and that a fault changes nothing but what it says it changes."""

import dataclasses
from typing import Any

import pytest
import torch

from wellposed.cli import main
from wellposed.errors import RecipeError
from wellposed.faults.fault import Fault
from wellposed.faults.hosts import HOSTS, QUESTIONS, host
from wellposed.faults.injections import all_faults
from wellposed.faults.suite import RATES, fault_jobs, healthy_jobs, healthy_line, line, summary
from wellposed.faults.trial import Found, Trial, attempt, healthy
from wellposed.guard.audit.problem.questions import all_questions
from wellposed.guard.checks import all_checks

SHORT: dict[str, Any] = {"until": 24, "validation__every": 12, "validation__scenes": 4}
"""Long enough for the faults that begin at step 21; the plan stays that of 96 steps."""

MADE = Trial(
    fault="a",
    host="enhance",
    seed=0,
    rate=1.0,
    codes=("WP301", "WP315"),
    since=5,
    shows="step",
    validate_every=10,
    found=(
        Found("WP404", "INFO", "so", 3, False),
        Found("WP302", "WARN", "so", 6, False),
        Found("WP315", "INFO", "so", 8, False),
        Found("WP301", "FAIL", "so", 9, False),
    ),
)


def test_the_first_finding_with_a_right_name_counts_and_the_worst_severity_is_told():
    assert (MADE.verdict, MADE.delay, MADE.severity) == ("right", 3, "FAIL")
    assert MADE.right is not None
    assert MADE.right.code == "WP315"
    assert [each.code for each in MADE.alarms] == ["WP302", "WP301"]


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ((Found("WP302", "WARN", "", 1, False),), "wrong"),
        ((Found("WP302", "INFO", "", 1, False),), "none"),
        ((), "none"),
    ],
)
def test_only_what_is_above_info_can_be_a_wrong_name(found, verdict):
    trial = dataclasses.replace(MADE, found=found)
    assert (trial.verdict, trial.delay) == (verdict, None)


def test_the_delay_of_what_a_validation_shows_counts_validations():
    found = (Found("WP301", "WARN", "", 30, True),)
    trial = dataclasses.replace(MADE, found=found, since=2, shows="validation")
    assert trial.delay == 1


def test_a_line_tells_fault_steps_delay_code_and_what_else_was_said():
    assert line(MADE).split() == [
        "a",
        "step",
        "0",
        "5",
        "8",
        "3",
        "WP315",
        "FAIL",
        "right",
        "also",
        "WP302",
    ]
    blind = dataclasses.replace(MADE, found=())
    assert line(blind).split() == ["a", "step", "0", "5", "-", "-", "-", "-", "none"]
    assert healthy_line(MADE).endswith("WP302 at 6: so; WP301 at 9: so")
    assert summary([MADE, blind]).splitlines() == [
        "1 of 2 faults found and named right, 1 above INFO",
        "delay of step faults: median 3, at most 3 steps",
    ]


def test_jobs_are_every_fault_with_every_seed_and_hosts_with_every_rate():
    assert [(job.fault, job.seed) for job in fault_jobs(["log-of-zero", "late-targets"], 2)] == [
        ("log-of-zero", 0), ("late-targets", 0), ("log-of-zero", 1), ("late-targets", 1)
    ]  # fmt: skip
    jobs = healthy_jobs(20)
    assert len(set(jobs)) == 20
    assert {(job.host, job.rate) for job in jobs} == {(h, r) for h in HOSTS for r in RATES}
    assert max(RATES) / 3 == pytest.approx(1.0)
    assert min(RATES) * 3 == pytest.approx(1.0)


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_without_fault_says_nothing_above_info_in_a_short_run(name):
    assert attempt(healthy(name), **SHORT).alarms == ()


def test_a_trial_can_be_repeated_bit_for_bit():
    first, second = (attempt(all_faults()["nan-in-moment"](), **SHORT) for _ in range(2))
    assert first == second


def losses(fault: Fault) -> list[float]:
    attempt(fault, **SHORT)
    return [row.loss for row in fault.run.moving.guard._rows.history]


@pytest.fixture(scope="module")
def well() -> list[float]:
    """The losses of a run without fault."""
    return losses(Fault())


@pytest.mark.parametrize("name", ["root-of-zero", "nan-in-weight", "frozen-that-moves"])
def test_nothing_is_different_before_a_fault_begins(name, well):
    fault = all_faults()[name]()
    spoiled = losses(fault)
    assert spoiled[: fault.since] == well[: fault.since]
    assert spoiled != well


@pytest.mark.parametrize("name", ["silent-targets-many", "late-targets", "other-targets"])
def test_scenes_that_a_fault_spoils_are_whole_for_the_next_trial(name):
    spoiled = host("enhance", all_faults()[name](), {})
    whole = host("enhance", Fault(), {"scenes.absent": spoiled.recipe.scenes.absent})
    before = {key: value.clone() for key, value in whole.item("train", 0).items()}
    fault = spoiled.fault  # type: ignore[missing-attribute]
    fault.batch(spoiled.collate([spoiled.item("train", n) for n in range(2)]))
    assert all(torch.equal(whole.item("train", 0)[key], value) for key, value in before.items())


def test_a_run_that_the_engine_gives_up_says_why():
    class AlwaysBad(Fault):
        """Not a number in every step."""

        def terms(self, terms, batch, moment):
            """Spoil them."""
            return {name: value * float("nan") for name, value in terms.items()}

    trial = attempt(AlwaysBad(), **SHORT)
    assert "steps in a row were not finite" in trial.ended
    assert [each.code for each in trial.found] == ["WP301"]


def test_findings_of_a_validation_are_told_from_those_of_the_step_before_it():
    trial = attempt(all_faults()["criterion-unmet"](), **SHORT)
    assert trial.right is not None
    assert (trial.right.told, trial.right.validation, trial.delay) == (12, True, 0)


def test_every_fault_tells_in_a_sentence_what_is_done_and_which_codes_name_it():
    for name, kind in all_faults().items():
        assert kind.about().endswith("."), name
        assert len(name) <= 28
        known = asked_codes(kind) if kind.shows == "audit" else all_codes()
        assert all(code in known for code in kind.codes), name


def all_codes() -> set[str]:
    return {"WP301", "WP302"} | {code for check in all_checks() for code in check.codes}


def asked_codes(kind: type[Fault]) -> set[str]:
    return {code for each in all_questions() if each.name in kind.asked for code in each.codes}


WITHOUT: dict[str, str] = {}
"""Codes of checks that no fault bears, and why."""


def test_every_code_of_a_check_has_a_fault_or_a_reason():
    borne = {code for kind in all_faults().values() for code in kind.codes}
    assert all_codes() - borne == set(WITHOUT)


def test_a_host_without_fault_is_asked_all_that_its_faults_are_asked():
    for kind in all_faults().values():
        assert set(kind.asked) <= set(QUESTIONS.get(kind.host, ())), kind


def test_the_command_lists_faults_and_refuses_unknown_ones(capsys):
    assert main(["faults", "--list", "--only", "WP414"]) == 0
    assert capsys.readouterr().out.startswith("late-targets")
    assert main(["faults", "--only", "gremlins"]) == 1
    assert "gremlins: there are tied-eigenvalues" in capsys.readouterr().err


def test_the_command_prints_the_table_and_writes_every_outcome(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("wellposed.faults.suite.attempt", lambda fault, **_: MADE)
    file = tmp_path / "found.json"
    given = ["faults", "--only", "log-of-zero", "--healthy", "1", "--json", str(file)]
    assert main(given) == 1  # the healthy run is made to accuse somebody
    said = capsys.readouterr().out
    assert "1 of 1 faults found and named right" in said
    assert "1 of 1 healthy runs with findings above INFO" in said
    assert file.read_text().count('"verdict": "right"') == 2


def test_a_recipe_that_a_fault_cannot_have_is_refused():
    with pytest.raises(RecipeError, match="no_such_key"):
        attempt(Fault(), no_such_key=1)
