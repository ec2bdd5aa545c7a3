"""The plan of a run: what is added up, its interval, and a toy that is measured."""

import json
import math
import random
from functools import partial
from typing import Any

import pytest
import torch
from toy import Toy, recipe

from wellposed.cli import main
from wellposed.engine.launch import prepared
from wellposed.engine.planning.budget import Budget, Estimate, Work, often
from wellposed.engine.planning.measuring import SAVES, SCENES, STEPS, plan_run
from wellposed.systems import SYSTEMS

CPU = torch.device("cpu")


def test_a_total_is_the_mean_times_the_count_with_students_prediction_interval():
    work = Work("steps", (1.0, 2.0, 3.0), 12)
    assert work.total == 24.0
    # Student's 97.5 % quantile with 2 degrees of freedom; sd 1.
    assert work.half == pytest.approx(4.302653 * 12 * math.sqrt(1 / 3 + 1 / 12), rel=1e-6)


def test_what_was_measured_once_or_never_comes_again_adds_no_width():
    assert Work("start", (3.0,), 1).half == 0.0
    assert Work("looks", (3.0, 4.0), 0).half == 0.0


def test_the_interval_holds_the_total_of_such_work_in_95_of_100_runs():
    draws, inside = random.Random(0), 0
    for _ in range(400):
        values = [draws.gauss(1.0, 0.2) for _ in range(12)]
        work = Work("steps", tuple(values), 100)
        truth = sum(draws.gauss(1.0, 0.2) for _ in range(100))
        inside += abs(truth - work.total) <= work.half
    assert 0.92 <= inside / 400 <= 0.98


def test_something_due_every_three_steps_and_at_the_end():
    assert [often(steps, 3) for steps in (1, 3, 4, 6, 8)] == [1, 1, 2, 2, 3]


def budget(**changes: Any) -> Budget:
    given: dict[str, Any] = {
        "subject": "x",
        "work": (Work("steps", (1.0, 1.2), 3600), Work("start", (60.0,), 1)),
        "memory": Estimate(1e9, 1e9, 2e9),
        "device_memory": 0.0,
        "disk": Estimate(3e6, 3e6, 4e6),
        "price": 2.0,
    }
    return Budget(**(given | changes))


def test_money_is_the_time_at_the_price():
    made = budget()
    assert made.money is not None
    assert made.money.value == pytest.approx(made.time.value / 3600 * 2)
    assert budget(price=None).money is None


def test_the_text_says_everything_and_the_json_is_strict():
    text = budget().text()
    for piece in ("memory  at least 1 GB (2 GB when its cache is full)", "disk    3 MB (4 MB while",
                  "at 2 an hour", "of the time: steps 98.5%, start 1.5%", "assumes: "):  # fmt: skip
        assert piece in text
    record = json.loads(budget().to_json())
    assert record["work"]["steps"]["count"] == 3600
    assert record["time_s"]["low"] <= record["time_s"]["value"] <= record["time_s"]["high"]


def test_a_toy_is_measured_and_nothing_of_the_caller_is_disturbed():
    made = recipe(training={"steps": 1000, "checkpoint_every": 100}, validation={"every": 300})
    torch.manual_seed(5)
    before = torch.get_rng_state()
    plan = plan_run(partial(prepared, Toy, made), CPU, price=1.0)
    assert torch.equal(before, torch.get_rng_state())
    counts = {each.name: (each.count, len(each.seconds)) for each in plan.work}
    looks, plain = counts["steps with a close look"], counts["steps"]
    assert looks[0] + plain[0] == 1000
    assert looks[1] + plain[1] == STEPS
    # Looks are due at 0, 1, 2, 4, ..., 64, 128, 192, ..., 960.
    assert looks == (7 + 15, 2)
    assert counts["first validation"] == (4, SCENES)
    # 4 validations: 3 later ones of 4 scenes, and 2 scenes again in each of the 4.
    assert counts["later validations"] == (3 * 4 + 4 * 2, SCENES)
    assert counts["checkpoints"] == (10, SAVES)
    assert plan.memory.value > 1e7
    assert 0 < plan.disk.value < plan.disk.high


def test_several_processes_share_a_batch():
    plan = plan_run(partial(prepared, Toy, recipe()), CPU, ranks=2, steps=3)
    assert plan.subject == "toy: 8 steps of 4 scenes and 2 validations of 4 scenes on 2 processes"


def test_the_command_prints_text_and_json(monkeypatch, capsys):
    monkeypatch.setitem(SYSTEMS, "toy", "toy:Toy")
    assert main(["plan", "toy", "--steps", "50", "--measured", "4", "--price", "3"]) == 0
    assert "toy: 50 steps of 4 scenes" in capsys.readouterr().out
    assert main(["plan", "toy", "--measured", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["price_per_hour"] is None
