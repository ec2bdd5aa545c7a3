"""Clamps inside networks: counted where they stand, at due steps, without a trace."""

import copy

import pytest
import torch
from denoising import Denoising, grave, network, scene
from torch import Tensor, nn

from wellposed.guard import Guard, Severity
from wellposed.guard.instruments import Watched
from wellposed.guard.instruments.clamps import CLAMPS, Clamps
from wellposed.guard.networks import Watchlist
from wellposed.guard.plan import Plan


class Bounded(nn.Module):
    """A clamp that is reached by every value beyond `bound`."""

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(x, -self.bound, self.bound)


def counted(layer: nn.Module, x: Tensor, every: int = 1) -> dict[str, dict[str, float]]:
    """The record of one pass through a network with this layer."""
    model = nn.Sequential(nn.Identity(), layer)
    watched = Watched({"model": model}, {}, Watchlist({"model": model}), Plan(), every)
    instrument = Clamps(watched)
    model(x.requires_grad_() * 1).sum().backward()
    records = dict(instrument.visit(0, accepted=True))
    return {key: dict(each) for key, each in records[CLAMPS].table.items()} if records else {}


class Call(nn.Module):
    """Any function as a layer."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


X = torch.tensor([-3.0, -1.0, 0.0, 0.5, 2.0, 4.0])


@pytest.mark.parametrize(
    ("function", "raised", "lowered"),
    [
        (lambda x: x.clamp(-1, 1), 1, 2),
        (lambda x: (x + 0).clamp_(-1, 1), 1, 2),
        (lambda x: torch.clip(x, max=1.5), 0, 2),
        (lambda x: x.clamp_min(-2.0), 1, 0),
        (lambda x: x.clip(torch.tensor(-2.0), torch.full((6,), 3.0)), 1, 1),
        (lambda x: nn.functional.hardtanh(x + 0, inplace=True), 1, 2),
        (nn.ReLU6(), 2, 0),
    ],
)
def test_values_raised_and_lowered_are_counted_as_by_hand(function, raised, lowered):
    (site,) = counted(Call(function), X.clone()).values()
    assert site == {"values": 6, "raised": raised, "lowered": lowered}


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.clamp(min=0),  # a rectifier
        lambda x: x * x.detach().clamp(min=0.1),  # a floor under something without a gradient
        lambda x: x.relu(),
        lambda x: torch.vmap(lambda each: each.clamp(-1, 1))(x),
    ],
)
def test_rectifiers_values_without_a_gradient_and_mapped_calls_are_left_out(function):
    assert counted(Call(function), X.clone()) == {}


def test_a_nan_is_no_bite_and_an_infinity_is_one():
    x = torch.tensor([float("nan"), float("inf"), 0.0])
    (site,) = counted(Bounded(1.0), x).values()
    assert site == {"values": 3, "raised": 0, "lowered": 1}


def test_a_clamp_that_bites_is_told_with_its_module_and_line():
    note, finding = Denoising(last=(Bounded(0.05),), look_every=1, steps=12).train()
    assert (note.code, note.severity, note.step) == ("WP305", Severity.INFO, 0)
    assert (finding.code, finding.severity, finding.step) == ("WP305", Severity.WARN, 6)
    assert "5 (test_clamps.py:" in str(finding.evidence["subject"])
    assert "torch.clamp(x, -self.bound" in str(finding.evidence["subject"])
    assert float(finding.evidence["share"]) > 0.1


def test_a_share_that_was_declared_is_no_finding_and_an_idle_clamp_a_note():
    plan = Plan(clamped=1.0)
    biting = Denoising(last=(Bounded(0.05),), plan=plan, look_every=1, steps=12)
    assert biting.train() == []
    (finding,) = Denoising(last=(Bounded(100.0),), look_every=1, steps=12).train()
    assert (finding.code, finding.severity) == ("WP306", Severity.INFO)


def test_a_clamp_that_bites_in_the_first_steps_only_is_not_grave():
    class Early(nn.Module):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return x.clamp(-0.01, 0.01) if self.calls < 8 else x.clamp(-100, 100)

    assert grave(Denoising(last=(Early(),), look_every=2, steps=40).train()) == []


def test_watching_clamps_changes_no_bit_of_a_run():
    def trained(watch: bool) -> list[bytes]:
        model = network(last=(Bounded(0.05), nn.Dropout(0.1)))
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        guard = Guard(model, optimizer, look_every=2) if watch else None
        torch.manual_seed(1)
        for step in range(9):
            noisy, clean = scene(step)
            loss = (model(noisy) - clean).square().mean()
            optimizer.zero_grad()
            loss.backward()
            if guard is not None:
                guard.step(step, {"loss": loss})
            optimizer.step()
        return [each.detach().numpy().tobytes() for each in model.parameters()]

    assert trained(True) == trained(False)


def test_only_due_steps_in_training_are_looked_into_and_a_failure_leaves_no_mode_behind():
    model = nn.Sequential(Bounded(1.0))
    watched = Watched({"model": model}, {}, Watchlist({"model": model}), Plan(), 4)
    instrument = Clamps(watched)
    x = X.clone().requires_grad_()
    seen = []
    for step in range(9):
        model.eval()(x)
        with torch.no_grad():
            model.train()(x)
        model(x)
        seen += [record.step for _, record in instrument.visit(step, accepted=True)]
    assert seen == [0, 1, 2, 4, 8]
    instrument.load({"armed": True})
    with pytest.raises(TypeError):
        model(None)
    assert torch.overrides._len_torch_function_stack() == 0


def test_a_resumed_run_looks_at_the_same_steps():
    watched = Watched({}, {}, Watchlist({}), Plan(), 4)
    one, other = Clamps(watched), Clamps(watched)
    list(one.visit(2, accepted=True))
    other.load(one.state())
    assert other.state() == one.state() == {"armed": False}


def test_a_copy_of_the_network_and_a_guard_that_is_gone_leave_no_hooks():
    model = nn.Sequential(Bounded(1.0))
    guard = Guard(model, look_every=1)
    again = copy.deepcopy(model)
    again(X.clone().requires_grad_())
    guard.release()
    assert len(model._forward_hooks) == len(model._forward_pre_hooks) == 0


def test_a_network_that_is_compiled_is_left_alone():
    model = nn.Sequential(Bounded(1.0))
    compiled = torch.compile(model, backend="eager")
    assert isinstance(compiled, nn.Module)
    watched = Watched({"model": compiled}, {}, Watchlist({"model": compiled}), Plan(), 1)
    instrument = Clamps(watched)
    compiled(X.clone().requires_grad_())
    assert list(instrument.visit(0, accepted=True)) == []
    assert len(model._forward_hooks) == 0


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_a_network_with_a_scripted_part_is_looked_into_around_it():
    model = nn.Sequential(torch.jit.script(nn.Linear(3, 3)), Bounded(0.1))
    guard = Guard(model, look_every=1)
    for step in range(2):
        model(torch.ones(1, 3)).sum().backward()
        guard.step(step, {"loss": 0.0})
    assert [each.code for each in guard.findings] == ["WP305"]
