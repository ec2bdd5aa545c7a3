"""Loops of other shapes: closures, wrappers, sparse gradients; watching changes nothing."""

import copy
import gc
from typing import Any

import pytest
import torch
from learning import found, grave, inputs, perceptron, square, train
from torch import nn

from wellposed.guard import Guard
from wellposed.guard.plan import Plan


def weights_after(steps: int, watched: bool, make: Any) -> list[torch.Tensor]:
    model = perceptron()
    optimizer = make(model.parameters())
    guard = Guard(model, optimizer, plan=Plan(steps=steps, frozen=("2.bias",))) if watched else None
    for step in range(steps):
        terms = square(model, step)
        optimizer.zero_grad()
        terms["square"].backward()
        if guard is not None:
            guard.step(step, terms)
        optimizer.step()
    return [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop])
def test_watching_changes_no_bit(kind):
    def make(parameters):
        return kind(parameters, 1e-2)

    pairs = zip(weights_after(30, True, make), weights_after(30, False, make), strict=True)
    assert all(torch.equal(watched, alone) for watched, alone in pairs)


def inside_closures(clear: bool, steps: int) -> Guard:
    """The guard is called from within the optimizer's closure, as by some trainers."""
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = Guard(model, optimizer, plan=Plan(steps=200))
    for step in range(steps):

        def closure(step: int = step):
            if clear:
                optimizer.zero_grad()
            terms = square(model, step)
            terms["square"].backward()
            guard.step(step, terms)
            return terms["square"]

        optimizer.step(closure)
    return guard


def test_steps_with_a_closure_are_watched_from_within():
    guard = inside_closures(clear=True, steps=70)
    assert found(guard) == []
    looks = guard._examiner.evidence.of("motion")
    assert [record.step for record in looks] == [0, 1, 2, 4, 8, 16, 32, 64]
    assert looks[0].table["optimizer"]["weights"] == 2
    (finding,) = found(inside_closures(clear=False, steps=4), "WP317")
    assert finding.step == 1


def test_an_optimizer_that_asks_its_closure_several_times_is_no_fault():
    model = perceptron()
    optimizer = torch.optim.LBFGS(model.parameters(), 0.1, max_iter=4)
    guard = Guard(model, optimizer)
    for step in range(20):

        def closure():
            optimizer.zero_grad()
            loss = square(model, 0)["square"]
            loss.backward()
            return loss

        loss = optimizer.step(closure)
        guard.step(step, {"square": loss})
    assert grave(guard) == []


def test_sparse_gradients_are_watched():
    torch.manual_seed(0)
    table = nn.Embedding(64, 8, sparse=True)
    optimizer = torch.optim.SparseAdam(table.parameters(), 1e-2)
    guard = Guard(table, optimizer, plan=Plan(steps=1000))
    for step in range(70):
        optimizer.zero_grad()
        loss = table(torch.arange(step, step + 8) % 64).square().mean()
        loss.backward()
        guard.step(step, {"size": loss})
        optimizer.step()
    assert grave(guard) == []
    assert len(guard._examiner.evidence.of("motion")) == 8


class Wrapper(torch.optim.Optimizer):
    """An optimizer by type that holds the real one, as distributed trainers have them."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def __getattr__(self, name):
        return getattr(self.__dict__["optimizer"], name)

    def step(self, closure=None):
        return self.optimizer.step(closure)


def test_a_wrapped_optimizer_is_watched_inside():
    model = perceptron()
    optimizer = Wrapper(torch.optim.Adam(model.parameters(), 3e-3))
    guard = train(Guard(model, optimizer), model, optimizer, 3, clear=False)
    assert [each.code for each in found(guard, "WP317")] == ["WP317"]


def test_a_copied_optimizer_and_a_forgotten_guard_leave_each_other_alone():
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = train(Guard(model, optimizer), model, optimizer, 3)
    other = copy.deepcopy(optimizer)
    other.step()
    del guard
    gc.collect()
    train(Guard(model), model, optimizer, range(3, 6))


def test_veto_leaves_no_half_measured_look():
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    guard = Guard(model, optimizer, veto=True)

    def sometimes(model, step):
        terms = square(model, step)
        return {"square": terms["square"] * (torch.nan if step in (1, 2, 8) else 1.0)}

    train(guard, model, optimizer, 70, terms=sometimes)
    assert {each.code for each in found(guard)} == {"WP301"}
    looks = [record.step for record in guard._examiner.evidence.of("motion")]
    assert looks == [0, 4, 16, 32, 64]
    assert torch.isfinite(model(inputs(0))).all()
