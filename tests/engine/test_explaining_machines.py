"""Machines that share replays of an explanation: workers that come, differ, die, or lead."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from explained import STEPS, case

from wellposed.engine.explain import machines
from wellposed.engine.explain.budget import Budget
from wellposed.engine.explain.explaining import Explaining
from wellposed.engine.explain.job import Job, Outcome
from wellposed.engine.explain.machines import Led, leading, take, take_part
from wellposed.engine.explain.meeting import NUMBERS, Meeting, is_over, put
from wellposed.engine.explain.workers import doing
from wellposed.engine.tuning.lease import Lease
from wellposed.errors import RunError

NAMES = ("no-pull", "no-gate")


def meeting_at(path: Path) -> Meeting:
    """The pulled toy, met over in a folder."""
    made = Meeting(path, case(), "lines/1")
    made.prepare()
    return made


def jobs(*names: str) -> list[Job]:
    return [Job(case(), (name,), name) for name in names]


def test_machines_that_take_turns_give_the_same_explanation(tmp_path):
    with doing(0, Budget.of(1e6)) as does:
        alone = Explaining(case(), does, 60.0, 0).explain("toy", "", NAMES)
    meeting, turns = meeting_at(tmp_path), []
    with meeting.folder.joined() as leader, meeting.folder.joined() as a:
        study = meeting.begin(leader, Budget.of(1e6))
        with meeting.folder.joined() as b:

            def wait() -> None:
                name = (a, b)[len(turns) % 2]
                turns.append(take(meeting, study, name))

            led = Led(meeting, study, Budget.of(1e6), lambda under_way: None, wait)
            told = Explaining(case(), led, 60.0, 0).explain("toy", "", NAMES)
    assert told.convicted == alone.convicted == ("no-pull",)
    assert told.acquitted == alone.acquitted == ("no-gate",)
    assert told.replays == alone.replays == len([each for each in turns if each])
    first = {each.name: each.figure_difference for each in told.verdicts}
    assert first == {each.name: each.figure_difference for each in alone.verdicts}


def test_an_outcome_survives_json():
    outcome = Outcome("x", True, 3, 6, figure=0.5, findings=(("WP302", "FAIL"),), compared=2)
    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome


def test_the_job_of_a_worker_that_died_goes_to_another(tmp_path):
    meeting = meeting_at(tmp_path)
    with meeting.folder.joined() as leader:
        study = meeting.begin(leader, Budget.of(1e6))
        put(study, 0, jobs("seed:1")[0])
        with meeting.folder.joined() as dead:
            Lease(study.ask(NUMBERS), dead, 1e6).renew()
            assert take(meeting, study, leader) is None
        # Its lock is gone with it.
        outcome = take(meeting, study, leader)
    assert outcome is not None
    assert (outcome.key, outcome.step) == ("seed:1", STEPS)


def test_a_job_that_kills_its_workers_is_given_up(tmp_path):
    meeting = meeting_at(tmp_path)
    with meeting.folder.joined() as leader:
        study = meeting.begin(leader, Budget.of(1e6))

        def die() -> None:
            with meeting.folder.joined() as dead:
                Lease(study.ask(NUMBERS), dead, 1e6).renew()

        led = Led(meeting, study, Budget.of(1e6), lambda under_way: None, die)
        with pytest.raises(RunError, match=r"'seed:1' could not be done: .*given up after 3 tries"):
            list(led(jobs("seed:1")))


def test_when_the_budget_is_over_what_nobody_has_begun_is_left_out(tmp_path):
    meeting = meeting_at(tmp_path)
    with meeting.folder.joined() as leader:
        study = meeting.begin(leader, Budget(0.0))
        assert is_over(study)
        led = Led(meeting, study, Budget(0.0), lambda under_way: None)
        assert list(led(jobs("seed:1", "seed:2"))) == []


def test_a_replay_of_another_machine_ends_by_the_leaders_budget(tmp_path):
    meeting = meeting_at(tmp_path)
    with meeting.folder.joined() as leader:
        study = meeting.begin(leader, Budget(0.0))
        put(study, 0, jobs("seed:1")[0])
        outcome = take(meeting, study, leader)
    assert outcome is not None
    assert outcome.unfinished


def test_who_has_another_state_recipe_or_data_does_not_take_part(tmp_path):
    meeting = meeting_at(tmp_path)
    others = (
        replace(meeting, data="lines/2"),
        replace(meeting, case=case(optimizer={"learning_rate": 0.2})),
    )
    with meeting.folder.joined() as leader:
        meeting.begin(leader, Budget.of(1e6))
        assert meeting.under_way() is not None
        for other in others:
            with pytest.raises(RunError, match="another state, recipe or data"):
                take_part(other, 0, lambda line: None)


def test_one_leads_at_a_time_and_the_next_begins_afresh(tmp_path):
    meeting = meeting_at(tmp_path)
    with leading(meeting, 0, Budget.of(1e6)):
        with (
            pytest.raises(RunError, match=r"being explained already.*--join"),
            leading(meeting, 0, Budget.of(1e6)),
        ):
            pass
        assert meeting.under_way() is not None
    assert meeting.under_way() is None
    with meeting.folder.joined() as dead:
        put(meeting.begin(dead, Budget.of(1e6)), 0, jobs("seed:1")[0])
    # Its leader has died without a word.
    assert meeting.under_way() is None
    with leading(meeting, 0, Budget.of(1e6)) as does:
        assert list(does([])) == []
        study = meeting.under_way()
        assert study is not None
        assert not study.get_trials()


def test_who_takes_part_ends_with_the_study(tmp_path, monkeypatch):
    meeting, said = meeting_at(tmp_path), []
    with meeting.folder.joined() as leader:
        study = meeting.begin(leader, Budget.of(1e6))
        put(study, 0, jobs("seed:1")[0])
        # The leader ends it while the one who takes part waits for more.
        monkeypatch.setattr(machines.time, "sleep", lambda s: study.set_user_attr("over", True))
        take_part(meeting, 0, said.append)
    assert len(said) == 1
    assert said[0].startswith("seed:1: done in")


def test_a_job_from_the_start_is_done_with_this_machines_files(tmp_path):
    late = replace(case(), start=4, checkpoint=str(tmp_path / "state"))
    (tmp_path / "state").write_bytes(b"x")
    meeting = Meeting(tmp_path, late, "lines/1")
    meeting.prepare()
    with meeting.folder.joined() as leader:
        study = meeting.begin(leader, Budget.of(1e6))
        put(study, 0, Job(replace(late, checkpoint="elsewhere"), ("seed:1",), "a"))
        put(study, 1, Job(case(), ("seed:1",), "b"))
        first, second = (meeting.job(study, trial) for trial in study.get_trials())
    assert first == Job(late, ("seed:1",), "a")
    assert second == Job(case(), ("seed:1",), "b")
