"""Whether weights move: not at all, too little, too far, or though they are frozen."""

import math

import pytest
import torch
from learning import found, grave, inputs, perceptron, square, train
from torch import nn

from wellposed.guard import Guard, Severity
from wellposed.guard.plan import Plan

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.03, momentum=0.9, weight_decay=1e-4),
    "adam": lambda p: torch.optim.Adam(p, 3e-3),
    "adamw": lambda p: torch.optim.AdamW(p, 3e-3),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 1e-3),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.03),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("factor", [1 / 3, 1, 3])
def test_healthy_runs_have_nothing_grave(name, factor):
    model = perceptron()
    optimizer = OPTIMIZERS[name](model.parameters())
    optimizer.param_groups[0]["lr"] *= factor
    guard = Guard(model, optimizer, plan=Plan(steps=140, validate_every=70))
    assert grave(train(guard, model, optimizer, 140)) == []


class Rate:
    """Linear warm-up, then half a cosine."""

    def __init__(self, warm: int, steps: int) -> None:
        self.warm, self.steps = warm, steps

    def __call__(self, step: int) -> float:
        if step < self.warm:
            return step / self.warm
        return 0.5 * (1 + math.cos(math.pi * step / self.steps))


def scheduled(rate: Rate, peak: float, told: bool) -> Guard:
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 0.0)
    plan = Plan(steps=rate.steps, rate=rate if told else None)
    guard = Guard(model, optimizer, plan=plan)

    def set_rate(step: int) -> None:
        optimizer.param_groups[0]["lr"] = peak * rate(step + 1)

    return train(guard, model, optimizer, rate.steps, after=set_rate)


@pytest.mark.parametrize("told", [True, False])
def test_a_warm_up_from_zero_is_not_taken_for_a_rate_that_cannot_arrive(told):
    assert found(scheduled(Rate(40, 130), 1e-2, told)) == []


@pytest.mark.parametrize("told", [True, False])
def test_a_thousandth_of_the_rate_cannot_arrive(told):
    (finding,) = found(scheduled(Rate(20, 130), 3e-6, told))
    assert (finding.code, finding.severity) == ("WP104", Severity.WARN)
    way = float(finding.evidence["longest_way"])
    # An entry's step is lr at most; weights are uniform in +-1/sqrt(inputs), 8 and 16 of them.
    planned = sum(Rate(20, 130)(step) for step in range(130)) if told else 130
    most = 3e-6 * planned * math.sqrt(3) * math.sqrt(12)
    assert 0.3 * most < way < 1.2 * most


def test_a_short_way_is_worth_knowing_and_fine_tuning_is_meant_to_be_short():
    def way(**plan):
        model = perceptron()
        optimizer = torch.optim.Adam(model.parameters(), 3e-4)
        guard = Guard(model, optimizer, plan=Plan(**plan))
        return found(train(guard, model, optimizer, 40))

    assert [(each.code, each.severity) for each in way(steps=250)] == [("WP104", Severity.INFO)]
    assert way(steps=250, fine_tuning=True) == []
    assert way() == []


def test_layers_that_start_at_zero_have_no_length_and_are_left_out():
    model = perceptron()
    nn.init.zeros_(model.get_parameter("2.weight"))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = Guard(model, optimizer, plan=Plan(steps=100))
    assert found(train(guard, model, optimizer, 30)) == []
    first = guard._examiner.evidence.of("motion")[0].table["optimizer"]
    assert (first["weights"], first["zero"]) == (2, 1)
    assert first["step"] < 0.1
    # The other one, 16 times 8, has more than half of all entries.
    assert first["reach"] == pytest.approx(first["step"] * math.sqrt(8))


def test_the_relative_step_is_that_of_the_whole_weight():
    model = nn.Linear(64, 64, bias=False)
    torch.nn.init.ones_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    guard = Guard(model, optimizer)
    for step in range(2):
        optimizer.zero_grad()
        loss = 0.25 * model.weight.sum()
        loss.backward()
        guard.step(step, {"sum": loss})
        optimizer.step()
    (record,) = guard._examiner.evidence.of("motion")
    assert record.step == 0
    assert record.table["optimizer"]["step"] == pytest.approx(0.25)
    assert record.table["optimizer"]["reach"] == pytest.approx(0.25 * 8)


@pytest.mark.parametrize(("name", "rate"), [("adam", 10.0), ("sgd", 300.0)])
def test_a_rate_that_destroys_is_named(name, rate):
    model = perceptron(width=64)
    optimizer = OPTIMIZERS[name](model.parameters())
    optimizer.param_groups[0]["lr"] = rate
    guard = Guard(model, optimizer, read_every=8)

    def bounded(model, step):
        x = inputs(step)
        return {"bounded": (model(x) - x[:, :4]).square().mean().add(1).log()}

    (finding, *_) = found(train(guard, model, optimizer, 130, terms=bounded), "WP117")
    assert finding.since_step == 0
    assert float(finding.evidence["longest_relative_step"]) > 1


def test_a_rate_that_ends_in_numbers_that_are_not_finite_is_named_at_once():
    model = nn.Linear(8, 4)
    optimizer = torch.optim.SGD(model.parameters(), 1e6)
    guard = Guard(model, optimizer, veto=True)
    findings = found(train(guard, model, optimizer, 20))
    lost = next(each.step for each in findings if each.code in ("WP301", "WP302"))
    assert 1 < lost < 8
    (finding,) = (each for each in findings if each.code == "WP117")
    assert (finding.severity, finding.since_step) == (Severity.FAIL, 0)
    assert finding.evidence["steps_since_without_the_loss_of_before"] == lost


def test_what_is_not_finite_long_after_the_loss_came_back_does_not_convict_the_rate():
    model = perceptron(width=64)
    optimizer = torch.optim.RMSprop(model.parameters(), 3e-2)
    guard = Guard(model, optimizer, veto=True)

    def lost_at_twenty(model, step):
        return {"square": square(model, step)["square"] * (math.nan if step == 20 else 1)}

    findings = found(train(guard, model, optimizer, 30, terms=lost_at_twenty))
    looks = guard._examiner.evidence.of("motion")
    assert looks[0].table["optimizer"]["step"] > 1
    assert [each.code for each in findings] == ["WP301"]


def test_half_precision_weights_that_rounding_keeps_in_place_are_named():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 4))
    model.bfloat16()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=0.0)
    guard = Guard(model, optimizer)

    def half(model, step):
        x = inputs(step).bfloat16()
        return {"square": (model(x) - x[:, :4]).float().square().mean()}

    (finding,) = found(train(guard, model, optimizer, 140, terms=half))
    assert (finding.code, finding.severity) == ("WP114", Severity.WARN)
    # 1e-4 is lost on numbers near 1, whose spacing is 2**-8 below and 2**-7 above.
    assert finding.evidence["parameters"] == "1.weight"
    assert finding.evidence["relative_spacing"] == 2**-7
    assert torch.equal(model.get_parameter("1.weight"), torch.ones(16).bfloat16())


def test_autocast_keeps_weights_in_single_precision_and_nothing_is_found():
    model = perceptron()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    guard = Guard(model, optimizer)

    def automatic(model, step):
        with torch.autocast("cpu", torch.bfloat16):
            return square(model, step)

    assert found(train(guard, model, optimizer, 80, terms=automatic)) == []


class Forgetful(torch.optim.SGD):
    """Leaves out its last parameter."""

    def step(self, closure=None):
        last = self.param_groups[0]["params"][-1]
        kept, last.grad = last.grad, None
        super().step()
        last.grad = kept


def test_what_an_optimizer_leaves_out_is_named_within_a_few_steps():
    model = perceptron()
    optimizer = Forgetful(model.parameters(), 0.1)
    guard = Guard(model, optimizer)
    (finding,) = found(train(guard, model, optimizer, 10))
    assert (finding.code, finding.severity) == ("WP114", Severity.WARN)
    assert finding.evidence["parameters"] == "2.bias"
    assert finding.step <= 4


def test_what_is_put_back_after_each_step_is_named():
    model = perceptron()
    first = model.get_parameter("0.weight").detach().clone()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = Guard(model, optimizer)

    @torch.no_grad()
    def put_back(step):
        model.get_parameter("0.weight").copy_(first)

    (finding,) = found(train(guard, model, optimizer, 10, after=put_back))
    assert (finding.code, finding.evidence["parameters"]) == ("WP114", "0.weight")


def test_an_optimizer_none_of_whose_parameters_moves_fails():
    model = perceptron()
    optimizer = torch.optim.SGD(model.parameters(), 1e-12)
    guard = Guard(model, optimizer)
    (finding,) = found(train(guard, model, optimizer, 10))
    assert (finding.code, finding.severity) == ("WP114", Severity.FAIL)
    assert finding.evidence["still"] == finding.evidence["of"] == 4


def test_a_rate_of_zero_is_no_fault_of_the_weights():
    model = perceptron()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    assert found(train(Guard(model, optimizer), model, optimizer, 10)) == []


def test_a_bias_before_a_normalisation_has_a_gradient_of_rounding_only_and_may_rest():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(model.parameters(), 0.03)
    guard = Guard(model, optimizer)
    assert found(train(guard, model, optimizer, 70)) == []
    gradient = model.get_parameter("0.bias").grad
    assert gradient is not None
    assert 0 < float(gradient.abs().max()) < 1e-6


def test_rows_of_a_table_that_a_sample_misses_are_seen_by_the_digest():
    torch.manual_seed(0)
    table, out = nn.Embedding(4096, 8), nn.Linear(8, 4)
    model = nn.Sequential(table, out)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    guard = Guard(model, optimizer)

    def rare(model, step):
        return {"square": model(torch.tensor([(37 * step + 5) % 4096])).square().mean()}

    assert found(train(guard, model, optimizer, 70, terms=rare)) == []


@pytest.mark.parametrize("declared", [True, False])
def test_a_frozen_weight_that_decays_is_named(declared):
    model = perceptron()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.1)
    plan = Plan(frozen=("0.",)) if declared else Plan()
    guard = Guard(model, optimizer, plan=plan)
    train(guard, model, optimizer, 4)
    if not declared:
        assert found(guard) == []
        for parameter in model[0].parameters():
            parameter.requires_grad_(False)
    # Zeros instead of None: decay and momentum go on.
    for step in range(4, 10):
        optimizer.zero_grad(set_to_none=False)
        terms = square(model, step)
        terms["square"].backward()
        guard.step(step, terms)
        optimizer.step()
    (finding,) = found(guard)
    severity = Severity.FAIL if declared else Severity.WARN
    assert (finding.code, finding.severity) == ("WP116", severity)
    assert finding.step == (0 if declared else 4)
    assert finding.evidence["count"] == 2


@pytest.mark.parametrize("frozen_at", [5, 13, 100])
def test_a_weight_that_moves_after_it_was_frozen_is_named_at_that_step(frozen_at):
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = Guard(model, optimizer)
    for step in range(frozen_at + 2):
        if step == frozen_at:
            model[0].requires_grad_(False)
        optimizer.zero_grad(set_to_none=False)
        terms = square(model, step)
        terms["square"].backward()
        guard.step(step, terms)
        optimizer.step()
    assert [(each.code, each.step) for each in found(guard)] == [("WP116", frozen_at)]


def test_an_average_or_codebook_that_a_forward_pass_moves_is_not_meant_by_frozen():
    class Averaging(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Linear(8, 4)
            self.codes = nn.Parameter(torch.zeros(8), requires_grad=False)

        def forward(self, x):
            with torch.no_grad():
                self.codes.lerp_(x.mean(0), 0.1)
            return self.mix(x - self.codes)

    torch.manual_seed(0)
    model = Averaging()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.1)
    guard = Guard(model, optimizer)
    assert found(train(guard, model, optimizer, 70)) == []
