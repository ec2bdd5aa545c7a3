"""The guard in a training loop: what is refused, what is named, what is left as it was."""

import copy
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from wellposed.guard import Finding, FlightRecorder, Guard, load_batch


class LogPower(nn.Module):
    """A logarithm of power; of exactly zero when told to be silent."""

    silent = False

    def forward(self, x: Tensor) -> Tensor:
        power = x.square() + 1e-3
        return torch.log(power * 0 if self.silent else power)


class Root(nn.Module):
    """The square root of zero: the value is 0, the slope infinite."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sqrt(x.square() * 0)


class Eigenvectors(nn.Module):
    """Eigenvectors of the identity: all eigenvalues equal."""

    def __init__(self) -> None:
        super().__init__()
        self.covariance = nn.Parameter(torch.eye(3))

    def forward(self, x: Tensor) -> Tensor:
        return x @ torch.linalg.eigh(self.covariance)[1]


class Encoder(nn.Module):
    """Buffers, dropout and a nested part."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.mix = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.3)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.drop(self.norm(self.mix(x))))


def network(last: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(Encoder(last), nn.Linear(3, 2))


def batch(step: int) -> Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(step))


def loss_terms(estimate: Tensor) -> dict[str, Tensor]:
    return {"power": estimate.square().mean(), "level": 0.1 * estimate.abs().mean()}


def total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def train_step(guard: Guard, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> bool:
    terms = loss_terms(model(batch(step)))
    optimizer.zero_grad()
    total(terms).backward()
    accepted = guard.step(step, terms)
    if accepted:
        optimizer.step()
    return accepted


def bits(state: dict[str, Tensor]) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in state.items()}


def only(guard: Guard) -> Finding:
    (finding,) = guard.read()
    return finding


def test_log_of_zero_at_step_5_is_refused_and_named_with_its_step_and_module():
    last = LogPower()
    model = network(last)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    guard = Guard(model, optimizer, veto=True)
    accepted = []
    for step in range(8):
        last.silent = step == 5
        accepted.append(train_step(guard, model, optimizer, step))
    assert accepted == [True] * 5 + [False] + [True] * 2
    finding = only(guard)
    assert (finding.code, finding.step) == ("WP301", 5)
    assert finding.evidence["module"] == "0.last"
    assert finding.evidence["operation"] == "log"
    assert finding.evidence["operation_inputs"] == "0 to 0"
    assert "torch.log(power" in str(finding.evidence["line"])
    assert finding.evidence["last_finite_step"] == 4
    assert guard.refused_total == 1
    assert guard.refused_in_a_row == 0


@pytest.mark.parametrize(
    ("last", "operation"), [(Root(), "SqrtBackward0"), (Eigenvectors(), "LinalgEighBackward0")]
)
def test_a_finite_loss_with_a_gradient_that_is_not_names_operation_and_module(last, operation):
    model = network(last)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    guard = Guard(model, optimizer, veto=True)
    assert not train_step(guard, model, optimizer, 0)
    finding = only(guard)
    assert finding.code == "WP302"
    assert finding.evidence["module"] == "0.last"
    assert finding.evidence["operation"] == operation
    assert "torch." in str(finding.evidence["line"])


def test_a_refused_step_leaves_weights_and_buffers_bit_identical_and_optimizers_alone():
    last = LogPower()
    model = network(last)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    guard = Guard(model, optimizer, veto=True)
    train_step(guard, model, optimizer, 0)
    before, moments = bits(model.state_dict()), copy.deepcopy(optimizer.state_dict()["state"])
    bad = batch(1)
    bad[2, 1] = float("nan")
    terms = loss_terms(model(bad))
    optimizer.zero_grad()
    total(terms).backward()
    # The forward pass has poisoned the statistics already.
    assert bool(model.state_dict()["0.norm.running_mean"].isnan().any())
    assert not guard.step(1, terms)
    assert bits(model.state_dict()) == before
    torch.testing.assert_close(optimizer.state_dict()["state"], moments, rtol=0, atol=0)
    assert only(guard).evidence["operation"] == "input"


def test_200_healthy_steps_have_no_finding_and_the_guard_changes_no_bit():
    def run(watched: bool) -> dict[str, bytes]:
        model = network(LogPower())
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
        guard = Guard(model, optimizer, veto=watched)
        torch.manual_seed(1)
        assert all(train_step(guard, model, optimizer, step) for step in range(200))
        assert guard.read() == []
        assert guard.word() == "ok"
        return bits(model.state_dict())

    assert run(True) == run(False)


def test_without_veto_the_bad_step_is_reported_when_the_rows_are_read():
    last = LogPower()
    model = network(last)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    guard = Guard(model, optimizer, read_every=4)
    found = []
    for step in range(8):
        last.silent = step == 5
        assert train_step(guard, model, optimizer, step)
        found.append(len(guard.findings))
    assert found == [0, 0, 0, 0, 0, 0, 0, 1]
    assert (only(guard).code, only(guard).step) == ("WP301", 5)
    assert "1.bias" in str(only(guard).evidence["bad_parameters"])


def test_bad_steps_in_a_row_are_counted_and_found_once():
    last = LogPower()
    model = network(last)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    guard = Guard(model, optimizer, veto=True)
    last.silent = True
    for step in range(5):
        train_step(guard, model, optimizer, step)
    assert (guard.refused_in_a_row, guard.refused_total, len(guard.findings)) == (5, 5, 1)


def test_an_operation_in_the_loss_is_named_when_the_loop_can_replay():
    model = nn.Linear(3, 1)
    guard = Guard(model, veto=True)

    def terms() -> dict[str, Tensor]:
        return {"ratio": torch.log(model(batch(0)).square().mean() * 0)}

    terms()["ratio"].backward()
    assert not guard.step(0, terms(), replay=terms)
    evidence = only(guard).evidence
    assert (evidence["module"], evidence["operation"]) == ("outside every module", "log")


def test_without_a_replay_a_fault_in_the_loss_is_said_to_be_outside_the_network():
    model = nn.Linear(3, 1)
    guard = Guard(model, veto=True)
    loss = torch.log(model(batch(0)).square().mean() * 0)
    loss.backward()
    assert not guard.step(0, {"ratio": loss})
    assert only(guard).evidence["module"] == "outside every module"


def test_a_gradient_too_large_for_a_float32_norm_is_refused_and_called_that():
    weight = nn.Parameter(torch.zeros(2))  # gradient 1e25: finite, its square 1e50 is not
    model = nn.ParameterList([weight])
    guard = Guard(model, veto=True)
    loss = (weight * 1e25).sum()
    loss.backward()
    assert not guard.step(0, {"loss": loss})
    assert (only(guard).code, only(guard).evidence["kind"]) == ("WP302", "too large")


def test_an_overflow_under_a_loss_scale_is_the_scalers_business_until_the_scale_is_1():
    model = network(Root())
    scale = 4.0
    guard = Guard(model, veto=True, loss_scale=lambda: scale)
    terms = loss_terms(model(batch(0)))
    total(terms).backward()
    assert guard.step(0, terms)
    assert (guard.overflows, guard.findings) == (1, [])
    scale = 1.0
    assert not guard.step(1, terms)
    assert only(guard).code == "WP302"


def test_several_models_and_parameters_that_only_an_optimizer_knows_are_watched():
    generator, critic = nn.Linear(3, 3), nn.Sequential(Root(), nn.Linear(3, 1))
    loose = nn.Parameter(torch.zeros(()))
    optimizers = {
        "generator": torch.optim.SGD([*generator.parameters(), loose], 0.1),
        "critic": torch.optim.SGD(critic.parameters(), 0.1),
    }
    guard = Guard({"generator": generator, "critic": critic}, optimizers, veto=True)
    score = critic(generator(batch(0))).mean()
    score.backward()
    assert not guard.step(0, {"score": score})
    assert only(guard).evidence["module"] == "critic.0"
    assert "generator.weight" in str(only(guard).evidence["bad_parameters"])
    guard = Guard(generator, optimizers["generator"], veto=True)
    optimizers["generator"].zero_grad()
    (loose.sqrt() * 1.0).backward()
    assert not guard.step(0, {})
    assert only(guard).evidence["bad_parameters"] == "1 of 3: optimizer.parameter[2]"


def test_gradients_that_accumulate_over_micro_batches_are_judged_together():
    last = LogPower()
    model = network(last)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    guard = Guard(model, optimizer, veto=True)
    for micro in range(3):
        last.silent = micro == 1
        terms = loss_terms(model(batch(micro)))
        total(terms).backward()
    last.silent = False
    assert bool(torch.stack(list(terms.values())).isfinite().all())  # the last one is healthy
    assert not guard.step(0, terms)
    assert only(guard).code == "WP302"


def test_an_average_of_the_weights_copies_the_network_without_the_guard():
    model = network(LogPower())
    guard = Guard(model, veto=True)
    model(batch(0))
    average = copy.deepcopy(model)
    average(batch(1))
    assert len(guard._recall.calls) == 1


def test_a_compiled_network_is_diagnosed_by_its_eager_code():
    model = cast(nn.Module, torch.compile(network(Root()), backend="eager"))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    guard = Guard(model, optimizer, veto=True)
    assert not train_step(guard, model, optimizer, 0)
    assert only(guard).evidence["module"] == "0.last"


def test_the_saved_alarm_holds_batch_weights_randomness_and_rows(tmp_path):
    last = LogPower()
    model = network(last)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    guard = Guard(model, optimizer, veto=True, recorder=FlightRecorder(tmp_path / "alarms"))
    train_step(guard, model, optimizer, 0)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    last.silent = True
    train_step(guard, model, optimizer, 1)
    assert only(guard).evidence["saved"] == str(tmp_path / "alarms" / "step-00000001")
    alarm = load_batch(tmp_path / "alarms" / "step-00000001")
    assert alarm.step == 1
    assert alarm.finding is not None
    assert alarm.finding.evidence["module"] == "0.last"
    assert [row.step for row in alarm.rows] == [0, 1]
    torch.testing.assert_close(alarm.batch["weights"]["model"], weights, rtol=0, atol=0)
    (call,) = alarm.batch["calls"]
    torch.testing.assert_close(call["arguments"], (batch(1),), rtol=0, atol=0)
    torch.set_rng_state(call["randomness"]["cpu"])


def test_state_goes_on_where_it_was_saved():
    last = LogPower()
    model = network(last)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    guard = Guard(model, optimizer, veto=True)
    for step in range(4):
        last.silent = step >= 2
        train_step(guard, model, optimizer, step)
    other = Guard(model, optimizer, veto=True)
    other.load_state_dict(guard.state_dict())
    train_step(other, model, optimizer, 4)
    assert (other.steps, other.refused_in_a_row, other.refused_total) == (5, 3, 3)
    assert [each.text() for each in other.findings] == [each.text() for each in guard.findings]
    with pytest.raises(ValueError, match="format 9"):
        other.load_state_dict({"format": 9})


def test_the_report_counts_steps_and_prints_findings():
    model = network(Root())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    guard = Guard(model, optimizer, veto=True)
    train_step(guard, model, optimizer, 7)
    head, first, *_ = guard.report().splitlines()
    assert head == "guard: 1 steps watched, 1 refused, 1 finding"
    assert first.startswith("WP302 NONFINITE.BACKWARD at step 7 (FAIL): ")


def test_something_that_is_no_module_is_refused_with_its_name():
    with pytest.raises(TypeError, match="model 'critic' is a int"):
        Guard(cast(Any, {"critic": 3}))


def test_a_critic_that_is_healthy_in_every_step_does_not_hide_a_generator_that_is_not():
    generator, critic = nn.Linear(3, 3), nn.Linear(3, 1)
    guard = Guard({"generator": generator, "critic": critic}, veto=True)
    for step in range(4):
        score = critic(batch(step)).mean()
        score.backward()
        assert guard.step(step, {"critic": score})
        critic.zero_grad()
        loss = torch.log(generator(batch(step)).mean() * 0)
        assert not guard.step(step, {"generator": loss})
    assert (guard.steps, guard.refused_in_a_row, guard.refused_total) == (4, 4, 4)
    assert len(guard.findings) == 1


def test_a_refused_player_leaves_no_gradient_to_the_next_one():
    torch.manual_seed(0)
    players = {"g": nn.Linear(3, 3), "d": nn.Linear(3, 1)}
    optimizers = {name: torch.optim.Adam(net.parameters(), 0.1) for name, net in players.items()}
    guard = Guard(players, optimizers, veto=True)
    refused = []
    for step in range(6):
        for name in ("d", "g"):
            # Each player clears its own gradients only, as most adversarial loops do.
            optimizers[name].zero_grad()
            made = players["g"](batch(step))
            loss = players["d"](made if name == "g" else made.detach()).square().mean()
            bad = (step, name) == (2, "g")
            (loss * (float("nan") if bad else 1.0)).backward()
            if not guard.step(step, {name: loss}):
                refused.append((step, name))
                left = [p.grad for net in players.values() for p in net.parameters()]
                assert left == [None] * 4
                # An optimizer that steps all the same moves nothing.
                before = bits(players[name].state_dict())
                optimizers[name].step()
                assert bits(players[name].state_dict()) == before
            else:
                optimizers[name].step()
    assert refused == [(2, "g")]
    assert only(guard).code == "WP302"


def test_without_veto_gradients_are_left_to_the_loop():
    model = network(Root())
    guard = Guard(model, torch.optim.SGD(model.parameters(), 0.1))
    terms = loss_terms(model(batch(0)))
    total(terms).backward()
    assert guard.step(0, terms)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_buffers_are_restored_even_if_inputs_are_not_remembered():
    model = nn.BatchNorm1d(3)
    guard = Guard(model, veto=True, remember=False)
    before = bits(model.state_dict())
    loss = model(batch(0) * float("nan")).sum()
    assert not guard.step(0, {"loss": loss}, replay=lambda: model(batch(0) * float("nan")).sum())
    assert bits(model.state_dict()) == before
    assert only(guard).evidence["operation"] == "mul"
