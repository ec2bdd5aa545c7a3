"""Where gradients go: cleared or not, to parameters that nobody moves, or nowhere."""

import pytest
import torch
from learning import found, grave, inputs, perceptron, square, train
from torch import nn

from wellposed.guard import Guard, Severity
from wellposed.guard.plan import Plan


def test_a_forgotten_zero_grad_is_named_after_the_first_step_that_uses_old_gradients():
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = Guard(model, optimizer)
    train(guard, model, optimizer, 3, clear=False)
    (finding,) = found(guard, "WP317")
    assert (finding.step, finding.severity) == (1, Severity.FAIL)
    assert (finding.evidence["count"], finding.evidence["of"]) == (4, 4)


@pytest.mark.parametrize("to_none", [True, False])
def test_a_zero_grad_that_is_forgotten_later_is_named_at_the_next_look(to_none):
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = Guard(model, optimizer)
    for step in range(20):
        if step < 10:
            optimizer.zero_grad(set_to_none=to_none)
        terms = square(model, step)
        terms["square"].backward()
        guard.step(step, terms)
        optimizer.step()
    (finding,) = found(guard, "WP317")
    assert finding.step == 17


def test_only_what_is_left_out_by_zero_grad_is_named():
    model = perceptron()
    weight = nn.Parameter(torch.ones(()))
    optimizer = torch.optim.Adam([*model.parameters(), weight], 3e-3)
    guard = Guard(model, optimizer)
    for step in range(3):
        model.zero_grad()
        terms = {"square": square(model, step)["square"] * weight.exp() - weight}
        terms["square"].backward()
        guard.step(step, terms)
        optimizer.step()
    (finding,) = found(guard, "WP317")
    assert finding.evidence["parameters"] == "optimizer.parameter[4]"
    assert (finding.evidence["count"], finding.evidence["of"]) == (1, 5)


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("clip", [True, False])
def test_accumulation_clipping_and_zeros_in_place_of_none_are_no_leftovers(to_none, clip):
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = Guard(model, optimizer)
    for step in range(70):
        optimizer.zero_grad(set_to_none=to_none)
        for piece in range(3):
            terms = square(model, 3 * step + piece)
            (terms["square"] / 3).backward()
        guard.step(step, terms)
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
    assert found(guard) == []


def test_a_scaler_that_unscales_and_skips_leaves_nothing_behind():
    model = perceptron()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20, growth_interval=8)
    guard = Guard(model, optimizer, veto=True, loss_scale=scaler.get_scale)
    for step in range(70):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            terms = square(model, step)
        scaler.scale(terms["square"]).backward()
        scaler.unscale_(optimizer)
        if guard.step(step, terms):
            scaler.step(optimizer)
        scaler.update()
    assert found(guard) == []
    assert guard.overflows > 0


class Dense(nn.Module):
    """A generator, or a critic."""

    def __init__(self, outputs: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, outputs))

    def forward(self, x):
        return self.net(x)


def duel(steps: int, *, clear_critic: bool = True, start: int = 0, own: bool = True) -> Guard:
    """A generator and a critic; `own`: each call of the guard stands before its own step."""
    torch.manual_seed(0)
    models = {"generator": Dense(8), "critic": Dense(1)}
    optimizers = {
        name: torch.optim.Adam(model.parameters(), 2e-3, betas=(0.5, 0.9))
        for name, model in models.items()
    }
    guard = Guard(models, optimizers)
    generator, critic = models.values()
    for step in range(steps):
        real = inputs(step) + 1
        if step >= start:
            if clear_critic or step == start:
                optimizers["critic"].zero_grad()
            made = generator(inputs(step + 7)).detach()
            loss = critic(made).relu().mean() + (1 - critic(real)).relu().mean()
            loss.backward()
            if own:
                guard.step(step, {"hinge": loss})
            optimizers["critic"].step()
        optimizers["generator"].zero_grad()
        made = generator(inputs(step + 7))
        terms = {"near": (made - real).abs().mean(), "fool": -critic(made).mean()}
        (terms["near"] + 0.1 * terms["fool"] * (step >= start)).backward()
        guard.step(step, terms)
        optimizers["generator"].step()
    return guard


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("start", [0, 80])
def test_a_duel_is_healthy_though_the_generator_leaves_gradients_in_the_critic(own, start):
    assert grave(duel(150, own=own, start=start)) == []


def test_a_critic_whose_gradients_are_never_cleared_is_named_and_the_generator_is_not():
    (finding,) = found(duel(3, clear_critic=False), "WP317")
    assert finding.evidence["subject"] == "critic"
    assert "critic.net.0.weight" in str(finding.evidence["parameters"])


class Branches(nn.Module):
    """Two branches of which the second may be used rarely, cut off, or never."""

    def __init__(self, use: str):
        super().__init__()
        self.main, self.second = nn.Linear(8, 4), nn.Linear(8, 4)
        self.use = use

    def forward(self, x):
        y = self.main(x)
        if self.use == "cut":
            return y + self.second(x).detach()
        if self.use == "zero":
            return y + self.second(x) * 0
        if self.use == "rarely" and torch.rand(()) < 0.1:
            return y + self.second(x)
        return y


@pytest.mark.parametrize("use", ["never", "cut", "zero"])
@pytest.mark.parametrize("known", [True, False])
def test_parameters_that_never_have_a_gradient_are_named_after_a_period(use, known):
    torch.manual_seed(0)
    model = Branches(use)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    guard = Guard(model, optimizer if known else None)
    train(guard, model, optimizer, 64)
    assert {(each.code, each.severity) for each in found(guard)} <= {("WP114", Severity.INFO)}
    train(guard, model, optimizer, range(64, 130))
    (finding,) = [each for each in found(guard) if each.severity == Severity.WARN]
    assert finding.code == "WP114"
    assert finding.step in (63, 64, 128)
    assert (finding.evidence["count"], finding.evidence["of"]) == (2, 4)
    assert set(str(finding.evidence["parameters"]).split(", ")) == {"second.weight", "second.bias"}


def test_a_branch_that_is_used_in_one_step_of_ten_is_left_alone():
    torch.manual_seed(0)
    model = Branches("rarely")
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    assert found(train(Guard(model, optimizer), model, optimizer, 200)) == []


def test_what_is_frozen_needs_no_gradient():
    model = Branches("never")
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    guard = Guard(model, optimizer, plan=Plan(frozen=("second",)))
    assert found(train(guard, model, optimizer, 130)) == []
    model.second.requires_grad_(False)
    assert found(train(Guard(model, optimizer), model, optimizer, 130)) == []


def test_a_layer_replaced_after_the_optimizer_was_made_is_an_orphan():
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    model[2] = nn.Linear(16, 4)
    guard = Guard(model, optimizer)
    (finding,) = found(train(guard, model, optimizer, 2))
    assert (finding.code, finding.severity, finding.step) == ("WP115", Severity.WARN, 0)
    assert finding.evidence["parameters"] == "2.weight, 2.bias"
    assert (finding.evidence["without_optimizer"], finding.evidence["with_optimizer"]) == (2, 2)


def test_orphans_in_fine_tuning_or_of_a_resting_network_are_meant_and_frozen_ones_are_none():
    def severities(plan: Plan, whole: bool):
        model, judge = perceptron(), perceptron(1)
        held = model if whole else model[2]
        optimizer = torch.optim.Adam(held.parameters(), 3e-3)
        guard = Guard({"model": model, "judge": judge} if whole else model, optimizer, plan=plan)

        def judged(model, step):
            x = inputs(step)
            return {"square": (judge(nn.functional.pad(model(x), (0, 4))) - x[:, :4]).abs().mean()}

        train(guard, model, optimizer, 3, terms=judged if whole else square)
        return [(each.code, str(each.severity)) for each in found(guard)]

    assert severities(Plan(), whole=True) == [("WP115", "INFO")]
    assert severities(Plan(fine_tuning=True), whole=False) == [("WP115", "INFO")]
    assert severities(Plan(), whole=False) == [("WP115", "WARN")]
    assert severities(Plan(frozen=("0.",)), whole=False) == []


def test_what_an_unknown_optimizer_moves_is_no_orphan():
    model = perceptron()
    optimizer = torch.optim.Adam(model[2].parameters(), 3e-3)
    unknown = torch.optim.Adam(model[0].parameters(), 3e-3)
    guard = Guard(model, optimizer)

    def other(step):
        unknown.step()
        unknown.zero_grad()

    assert found(train(guard, model, optimizer, 10, after=other)) == []
