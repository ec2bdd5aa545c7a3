"""The budget ends a replay in its middle, and what was not tested is told; clocks are made up."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from multiprocessing import Value

import pytest
from explained import STEPS, case, small
from toy import Toy

from wellposed.engine.explain.budget import (
    ENDLESS,
    EVERY_S,
    Budget,
    OutOfTimeError,
    Progress,
    Watch,
    as_budget,
)
from wellposed.engine.explain.effort import Effort, pace
from wellposed.engine.explain.explaining import Explaining
from wellposed.engine.explain.job import Job
from wellposed.engine.explain.replaying import replay
from wellposed.engine.explain.telling import lines
from wellposed.engine.explain.verdict import Explanation
from wellposed.engine.explain.workers import _begin, _Board, _side_by_side, doing
from wellposed.engine.launch import start
from wellposed.engine.storage.runfolder import RunFolder


class Hand:
    """A clock that whoever looks at replays moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def budget(self, seconds: float) -> Budget:
        """So much of it."""
        return Budget(seconds, lambda: self.now)


def explained(seconds: float, *names: str) -> Explanation:
    """Explain the pulled toy; every step and every scene of a validation takes a second."""
    hand, said = Hand(), list[str]()

    def tick(under_way) -> None:
        hand.now += 1

    budget = hand.budget(seconds)
    with doing(0, budget, tick) as does:
        reasoning = Explaining(case(), does, seconds, 0, said.append, budget)
        return reasoning.explain("toy", "a toy", names)


@cache
def looks() -> int:
    """How often a replay that comes to its end is looked at."""
    seen = []
    replay(Job(case(), (), "x"), Watch(tell=lambda *where: seen.append(where)))
    return len(seen)


def test_a_replay_ends_at_the_step_where_the_time_does():
    seen = []
    hand = Hand()

    def tell(key: str, step: int, last: int) -> None:
        seen.append((key, step, last))
        hand.now += 1

    outcome = replay(Job(case(), (), "x"), Watch(hand.budget(3.5), tell))
    assert outcome.unfinished
    assert not outcome.shown
    assert outcome.figure is None
    assert (outcome.step, outcome.last) == (3, STEPS)
    assert seen == [("x", step, STEPS) for step in range(4)]


def test_scenes_of_a_validation_are_looked_at_too():
    seen = []
    watch = Watch(Budget(1.0, lambda: 0.0), lambda *where: seen.append(where))
    outcome = replay(Job(case(), (), "x"), watch)
    assert not outcome.unfinished
    # The last validation scores four scenes, the first of them twice.
    assert len(seen) > STEPS + 4
    assert seen[-1] == ("x", STEPS, STEPS)


def test_nothing_is_built_once_the_time_is_over():
    outcome = replay(Job(case(), ("no such intervention",), "x"), Watch(Budget(0.0)))
    assert outcome.unfinished
    assert not outcome.begun
    assert (outcome.step, outcome.refused) == (0, "")


def test_replays_that_were_never_begun_are_not_counted():
    def over(jobs):
        return (replay(job, Watch(Budget(0.0))) for job in jobs)

    told = Explaining(case(), over, 1.0, 0).explain("toy", "", ("no-pull",))
    assert told.short
    assert told.replays == 0
    assert told.control == "the budget ended before the run was replayed"
    assert told.untested[0] == "no-pull: undecided after 0 pairs"


def test_the_first_control_can_be_cut_and_nothing_is_said_of_a_cause():
    told = explained(3.5, "no-pull", "no-gate")
    assert told.replays == 1
    assert told.short
    assert not told.reproduced
    assert told.control == f"the budget ended at step 3 of {STEPS}; not shown by then"
    assert {each.word for each in told.verdicts} == {"undecided"}
    assert told.sentence.startswith("Nothing can be said of a cause yet: the budget ended before")
    assert f"--budget {told.larger}" in told.sentence
    assert "no-pull, no-gate: undecided after 0 pairs" in told.untested


def test_a_pair_that_was_cut_is_not_counted_and_told():
    # The run itself, its two suspects, three pilots, a control, and half of what is treated.
    told = explained(looks() * 7.5, "no-pull", "no-gate")
    assert told.short
    assert told.reproduced
    assert told.randomness == "seed"
    assert {each.pairs for each in told.verdicts} == {0}
    assert [each.original for each in told.verdicts] == [False, True]
    assert any(
        "no-pull: undecided after 0 pairs; the budget ended" in each for each in told.untested
    )
    assert "in this one run it goes away if you do not pull" in told.sentence.lower()
    assert json.loads(json.dumps(told.to_json(), allow_nan=False))["short"]
    assert "Not tested:" in "\n".join(lines(told))


def test_chance_is_not_claimed_where_the_budget_ended_the_pilots():
    told = explained(looks() * 4.0, "no-pull", "no-gate")
    assert told.randomness == "none"
    assert "before chance could be told from a cause" in told.sentence
    assert any(each.startswith("chance: the budget ended") for each in told.untested)


def test_workers_end_by_the_same_budget_and_tell_where_they_are():
    jobs = [Job(case(), (name,), name) for name in ("seed:1", "seed:2", "seed:3")]
    board, places = _Board(1), []
    # A thread stands in for a process: starting one costs more than all else here.
    with ThreadPoolExecutor(1, "", _begin, (board.cells, Value("i", 0))) as pool:
        cut = list(_side_by_side(pool, board, jobs, Budget(0.0), places.append))
        done = list(_side_by_side(pool, board, jobs, ENDLESS, places.append))
    assert all(each.unfinished and each.step == 0 for each in cut)
    assert [each.key for each in done] == ["seed:1", "seed:2", "seed:3"]
    assert all(each.step == STEPS for each in done)
    assert all(set(each) <= {"seed:1", "seed:2", "seed:3"} for each in places)
    board.cells[:] = [1, 2, STEPS]
    assert board.under_way(jobs) == {"seed:2": (2, STEPS)}


def test_progress_is_told_now_and_then_with_the_time_left():
    hand, said = Hand(), list[str]()
    progress = Progress(said.append, hand.budget(75.0))
    for _ in range(30):
        hand.now += EVERY_S / 10
        progress({"3 control": (int(hand.now), 500)})
    assert len(said) == 3
    assert said[0] == "3 control at step 10 of 500; 00:01:05 of the budget left"
    hand.now += EVERY_S
    progress({})
    assert len(said) == 3


def test_a_watch_without_an_end_never_raises():
    Watch().look("x", 10**9, 1)
    with pytest.raises(OutOfTimeError, match="x: the budget ended at step 2 of 3"):
        Watch(Budget(0.0)).look("x", 2, 3)


def test_effort_counts_rounds_that_wait_for_each_other():
    one = Effort(100, (1.0,), 1, 0.5)
    assert one.pairs == 5
    assert one.replays == 1 + 1 + 3 + 5 * 2
    assert one.needed_s == 50.0 * one.replays
    # A slow suspect takes four replays' time; two processes do the rest beside it.
    slow = Effort(100, (1.0, 4.0), 2, 0.5)
    assert slow.needed_s == 50.0 * (1 + 4 + 1.5 + slow.pairs * 4)
    assert slow.one() == Effort(100, (1.0,), 2, 0.5)
    assert Effort(100, (), 1, None).needed_s is None


def test_before_the_first_replay_the_budget_is_weighed():
    effort = Effort(3200, (1.0,) * 9, 2, 0.3)
    enough, some, none = (list(effort.lines(s)) for s in (1e6, 30000.0, 20.0))
    assert enough[0] == f"the symptom needs 3200 steps; {effort.replays} replays judge 9 suspects"
    assert enough[1].startswith("at the run's own 0.300 s a step: 00:16:00 a replay, about ")
    assert len(enough) == 2
    assert "may end before all are judged: --budget 9h" in some[2]
    assert "holds no verdict, not even of one suspect: --budget 9h would hold all" in none[2]
    unknown = list(Effort(3200, (1.0,), 2, None).lines(20.0))
    assert "not known" in unknown[1]


def test_the_pace_is_the_runs_own_where_it_logged_twice(tmp_path):
    path = tmp_path / "history.jsonl"
    rows = [
        {"kind": "train", "step": n, "time_s": t} for n, t in ((10, 4.0), (20, 6.0), (30, 12.0))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert pace(str(path), 0) == pytest.approx(0.4)
    assert pace(str(path), 20) == pytest.approx(0.6)
    # One row after the checkpoint tells no pace: then that of the whole run.
    assert pace(str(path), 30) == pytest.approx(0.4)
    assert pace("", 0) is None


def test_the_pace_of_a_real_run_is_read(tmp_path):
    run = RunFolder(start(Toy, small(), tmp_path / "run", None))
    found = pace(str(run.history), 0)
    assert found is not None
    assert found > 0


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "1s"), (59.5, "60s"), (120, "120s"), (121, "3min"), (1e5, "28h")]
)
def test_a_budget_is_said_as_it_is_given(seconds, said):
    assert as_budget(seconds) == said
