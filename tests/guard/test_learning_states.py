"""What persists: numbers that are not finite, modes, momentum, and a guard that is resumed."""

import copy
from typing import Any, cast

import pytest
import torch
from learning import found, grave, inputs, perceptron, square, train
from torch import nn

from wellposed.guard import Guard, Severity
from wellposed.guard.plan import Plan


def test_an_optimizer_that_divides_zero_by_zero_is_named_by_its_weights():
    model = perceptron()
    with torch.no_grad():
        model.get_parameter("0.bias").fill_(-100)  # every unit is off: gradients of 0
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=0.0)
    guard = Guard(model, optimizer, veto=True)
    train(guard, model, optimizer, 2)
    (finding,) = found(guard, "WP315")
    assert (finding.step, finding.severity) == (1, Severity.FAIL)
    assert finding.evidence["subject"] == "parameter"
    assert finding.evidence["first"] == "0.weight"
    assert finding.evidence["bad_parameters"] == "3: 0.weight, 0.bias, 2.weight"


def test_a_second_moment_that_overflowed_is_named_though_the_weights_are_finite():
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    guard = Guard(model, optimizer)
    train(guard, model, optimizer, 5)
    optimizer.state[model.get_parameter("0.weight")]["exp_avg_sq"][0, 0] = torch.inf
    train(guard, model, optimizer, range(5, 10))
    (finding,) = found(guard)
    assert (finding.code, finding.step) == ("WP315", 8)
    assert finding.evidence["first"] == "exp_avg_sq of 0.weight"


def test_a_refused_step_is_looked_at_at_once():
    model = perceptron()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    guard = Guard(model, optimizer, veto=True)
    train(guard, model, optimizer, 21)
    with torch.no_grad():
        model.get_parameter("2.bias")[0] = torch.nan
    train(guard, model, optimizer, range(21, 24))
    (finding,) = found(guard, "WP315")
    assert (finding.step, finding.evidence["first"]) == (21, "2.bias")


class Masked(nn.Module):
    """A causal mask, and a statistic that is not known yet."""

    def __init__(self, start: float):
        super().__init__()
        self.mix = nn.Linear(8, 4)
        self.register_buffer("mask", torch.full((8,), -torch.inf))
        self.register_buffer("statistic", torch.tensor(start))

    def forward(self, x):
        return self.mix(x)


def test_infinite_buffers_from_the_start_are_meant_and_later_ones_are_not():
    model = Masked(torch.inf)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    guard = Guard(model, optimizer)
    assert found(train(guard, model, optimizer, 3)) == []
    model.statistic.fill_(1.0)
    assert found(train(guard, model, optimizer, range(3, 6))) == []
    model.statistic.fill_(torch.nan)
    (finding,) = found(train(guard, model, optimizer, range(6, 9)))
    assert (finding.code, finding.evidence["first"]) == ("WP315", "model.statistic")
    assert finding.evidence["bad_buffers"] == "1: model.statistic"


def test_a_buffer_that_is_nan_from_the_start_is_worth_knowing():
    model = Masked(torch.nan)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    (finding,) = found(train(Guard(model, optimizer), model, optimizer, 10))
    assert (finding.code, finding.severity) == ("WP315", Severity.INFO)


def modal() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 4)
    )


def test_a_network_left_in_evaluation_mode_is_named_at_the_next_step():
    model = modal()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = Guard(model, optimizer)

    def validate(step):
        if step == 10:
            model.eval()

    (finding,) = found(train(guard, model, optimizer, 13, after=validate))
    assert (finding.code, finding.severity, finding.step) == ("WP213", Severity.WARN, 11)
    assert finding.evidence["layers_with_running_statistics"] == 1
    assert finding.evidence["layers_that_draw_at_random"] == 1


def test_a_network_without_layers_of_two_modes_is_worth_knowing_only():
    model = perceptron().eval()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    (finding,) = found(train(Guard(model, optimizer), model, optimizer, 3))
    assert (finding.code, finding.severity) == ("WP213", Severity.INFO)


def test_resting_statistics_and_frozen_parts_are_known_practice():
    def severities(prepare: Any, plan: Plan | None = None):
        model = modal()
        prepare(model)
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-3)
        guard = Guard(model, optimizer, plan=plan)
        return [str(each.severity) for each in found(train(guard, model, optimizer, 70), "WP213")]

    assert severities(lambda model: None) == []
    assert severities(lambda model: model[1].eval()) == ["INFO"]
    assert severities(lambda model: model[3].eval()) == ["INFO"]
    assert severities(lambda model: model.eval(), Plan(fine_tuning=True)) == ["INFO"]
    assert severities(lambda model: model[1].eval().requires_grad_(False)) == []


def test_the_other_network_may_be_in_evaluation_mode_while_one_takes_its_step():
    models = {"first": modal(), "second": modal()}
    optimizers = {key: torch.optim.Adam(m.parameters(), 3e-3) for key, m in models.items()}
    guard = Guard(models, optimizers)
    for step in range(5):
        for key, model in models.items():
            other = models["second" if key == "first" else "first"].eval()
            model.train()
            terms = {"square": (model(inputs(step)) - other(inputs(step))).square().mean()}
            optimizers[key].zero_grad()
            terms["square"].backward()
            guard.step(step, terms)
            optimizers[key].step()
    assert found(guard) == []


def validated(model: nn.Module, guard: Guard, mode: bool, back: bool = True) -> list[Any]:
    model.train(mode)
    with torch.no_grad():
        scores = [-float((model(inputs(99 + n)) ** 2).mean()) for n in range(8)]
    if back:
        model.train()
    findings = guard.validate(10, {"score": scores}, better={"score": "higher"})
    return [each for each in findings if each.code == "WP213"]


@pytest.mark.parametrize("back", [True, False])
def test_a_validation_in_training_mode_fails_whatever_the_mode_is_afterwards(back):
    model = modal()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = train(Guard(model, optimizer), model, optimizer, 10)
    assert validated(model, guard, mode=False, back=back) == []
    (finding,) = validated(model, guard, mode=True, back=back)
    assert (finding.severity, finding.evidence["networks"]) == (Severity.FAIL, "model")


def test_training_mode_makes_no_difference_to_a_network_without_such_layers():
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = train(Guard(model, optimizer), model, optimizer, 10)
    assert validated(model, guard, mode=True) == []


def test_an_average_that_is_validated_instead_leaves_the_guard_behind():
    model = modal()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = train(Guard(model, optimizer), model, optimizer, 10)
    average = copy.deepcopy(model).eval()
    assert validated(average, guard, mode=False) == []


def test_passes_without_gradients_that_belong_to_a_step_are_no_validation():
    model = modal()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = Guard(model, optimizer)

    def look(step):
        with torch.no_grad():
            model(inputs(step))

    train(guard, model, optimizer, 10, after=look)
    assert guard.validate(10, {"score": [0.0, 1.0]}, better={"score": "higher"}) == []


def turned(model: Any, step: int) -> dict[str, torch.Tensor]:
    """The opposite wish, under another name."""
    x = inputs(step)
    return {"opposite": (model(x) + x[:, :4]).square().mean()}


def test_momentum_that_points_against_a_new_loss_is_named():
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    guard = Guard(model, optimizer, look_every=8)
    train(guard, model, optimizer, 50)
    train(guard, model, optimizer, range(50, 60), terms=turned)
    told, finding = found(guard, "WP313")
    assert (told.severity, told.step) == (Severity.INFO, 50)
    assert (finding.severity, finding.step, finding.since_step) == (Severity.WARN, 52, 50)
    assert float(finding.evidence["cosine_highest"]) < 0
    assert float(finding.evidence["outside_by_chance"]) < 0.01


def test_the_same_after_a_resume_and_a_fresh_optimizer_is_fine():
    for fresh in (False, True):
        model = perceptron()
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        guard = train(Guard(model, optimizer, look_every=8), model, optimizer, 50)
        state = optimizer.state_dict()
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        if not fresh:
            optimizer.load_state_dict(state)
        resumed = Guard(model, optimizer, look_every=8)
        resumed.load_state_dict(guard.state_dict())
        train(resumed, model, optimizer, range(50, 60), terms=turned)
        assert [each.severity for each in found(resumed, "WP313")] == (
            [] if fresh else [Severity.INFO, Severity.WARN]
        )


def test_a_term_that_comes_and_goes_is_no_change_of_the_loss():
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    guard = Guard(model, optimizer, look_every=8)

    def lazy(model, step):
        extra = {"size": model(inputs(step)).abs().mean()} if step % 4 == 0 else {}
        return {**square(model, step), **extra}

    assert grave(train(guard, model, optimizer, 100, terms=lazy)) == []


def test_a_new_name_for_the_same_loss_is_told_and_raises_no_alarm():
    outside = 0
    for seed in range(8):
        model = perceptron(seed)
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        guard = Guard(model, optimizer, look_every=16)
        train(guard, model, optimizer, range(1000 * seed, 1000 * seed + 60))

        def renamed(model, step):
            return {"renamed": square(model, step)["square"]}

        later = range(1000 * seed + 60, 1000 * seed + 70)
        told, *more = found(train(guard, model, optimizer, later, terms=renamed), "WP313")
        assert {each.severity for each in (told, *more)} == {Severity.INFO}
        assert (told.step, len(more)) <= (1000 * seed + 60, 1)
        outside += len(more)
    assert outside <= 1


def test_a_compiled_network_is_watched_like_any_other():
    model = modal()
    compiled = cast(nn.Module, torch.compile(model, backend="eager"))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = Guard(compiled, optimizer, plan=Plan(steps=70))
    assert found(train(guard, compiled, optimizer, 70)) == []
    train(guard, compiled, optimizer, range(70, 140), clear=False)
    assert [each.code for each in found(guard)] == ["WP317"]


@pytest.mark.parametrize("stop", [1, 2, 3, 5, 9])
def test_a_resumed_guard_holds_the_evidence_of_one_that_never_stopped(stop):
    def evidence(stops: tuple[int, ...]):
        model = modal()
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        guard, begin = Guard(model, optimizer, plan=Plan(steps=20)), 0
        for end in (*stops, 20):
            torch.manual_seed(begin)
            for step in range(begin, end):
                torch.manual_seed(step)
                train(guard, model, optimizer, range(step, step + 1))
            state, begin = guard.state_dict(), end
            guard = Guard(model, optimizer, plan=Plan(steps=20))
            guard.load_state_dict(state)
        return state["examiner"]

    assert repr(evidence((stop,))) == repr(evidence(()))
