"""The guard in loops of others: a refused step is one that never was, and nothing stays behind."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from wellposed.guard import Guard
from wellposed.guard.adapters.gate import Count, Gate
from wellposed.guard.adapters.loop import LoopGuard, guarded

BAD = 3


def batch(step: int, piece: int = 0) -> Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(100 * piece + step))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))


def adam(model: nn.Module) -> torch.optim.AdamW:
    return torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=0.1)


def loss_of(model: nn.Module, step: int, bad: int = BAD, piece: int = 0) -> Tensor:
    x = batch(step, piece)
    if step == bad:
        x[2, 1] = float("nan")
    return model(x).square().mean()


def bits(model: nn.Module, optimizer: Optimizer | None = None) -> list[bytes]:
    tensors = list(model.state_dict().values())
    for state in optimizer.state_dict()["state"].values() if optimizer is not None else ():
        tensors += [each for each in state.values() if isinstance(each, Tensor)]
    return [each.detach().numpy().tobytes() for each in tensors]


def without_step_3(steps: int = 6, pieces: int = 1) -> list[bytes]:
    """What the weights and moments should be: the run in which the bad step is left out by hand."""
    model = network()
    optimizer = adam(model)
    for step in range(steps):
        if step == BAD:
            continue
        optimizer.zero_grad()
        for piece in range(pieces):
            (loss_of(model, step, piece=piece) / pieces).backward()
        optimizer.step()
    return bits(model, optimizer)


def codes(guard: Guard) -> list[str]:
    return [each.code for each in guard.findings if each.severity.value != "INFO"]


def hooks(model: nn.Module, optimizer: Optimizer) -> int:
    found = sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())
    found += len(optimizer._optimizer_step_pre_hooks) + len(optimizer._optimizer_step_post_hooks)
    found += sum(len(p._backward_hooks or ()) for p in model.parameters())
    return found + ("step" in vars(optimizer))


class Silent:
    """A place for reports."""

    def __init__(self) -> None:
        self.reports: list[str] = []

    def __call__(self, text: str) -> None:
        self.reports.append(text)


def test_in_a_plain_loop_the_bad_step_is_left_out_bit_for_bit_and_reported():
    model, report = network(), Silent()
    optimizer = adam(model)
    with guarded(model, optimizer, report=report) as guard:
        for step in range(6):
            optimizer.zero_grad()
            loss = loss_of(model, step)
            loss.backward()
            guard.terms({"mse": loss})
            optimizer.step()
    assert bits(model, optimizer) == without_step_3()
    assert (codes(guard), guard.findings[0].step) == (["WP301"], BAD)
    (text,) = report.reports
    assert text.startswith("guard: 6 steps watched, 1 refused, 1 finding")
    assert "operation: input" in text


def test_a_gradient_of_zero_would_have_moved_adam():
    # Why a refusal is a step that is not called.
    model = network()
    optimizer = adam(model)
    loss_of(model, 0).backward()
    optimizer.step()
    before = bits(model, optimizer)
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    assert bits(model, optimizer) != before


def test_a_healthy_loop_is_the_same_with_and_without_the_guard():
    def run(watch: bool) -> list[bytes]:
        model = network()
        optimizer = adam(model)
        for_all: AbstractContextManager[LoopGuard | None] = nullcontext()
        with guarded(model, optimizer, report=Silent()) if watch else for_all as guard:
            for step in range(20):
                optimizer.zero_grad()
                loss = loss_of(model, step, bad=-1)
                loss.backward()
                if guard is not None:
                    guard.terms({"mse": loss})
                optimizer.step()
        return bits(model, optimizer)

    assert run(True) == run(False)


def test_everything_is_given_back_even_after_an_exception():
    model, report = network(), Silent()
    optimizer = adam(model)

    def fail() -> None:
        with guarded(model, optimizer, report=report) as guard:
            for step in range(2):
                loss = loss_of(model, step)
                loss.backward()
                guard.terms({"mse": loss})
                optimizer.step()
            assert hooks(model, optimizer) > 0
            raise KeyError("the loop's own fault")

    with pytest.raises(KeyError):
        fail()
    assert hooks(model, optimizer) == 0
    assert len(report.reports) == 1
    assert report.reports[0].startswith("guard: 2 steps watched")


def test_a_scheduler_made_inside_or_before_goes_on_and_ends_unwatched():
    for inside in (False, True):
        model = network()
        optimizer = adam(model)
        make = lambda: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)  # noqa: B023, E731
        scheduler = None if inside else make()
        with guarded(model, optimizer, report=Silent()) as guard:
            scheduler = scheduler or make()
            for step in range(6):
                optimizer.zero_grad()
                loss = loss_of(model, step)
                loss.backward()
                guard.terms({"mse": loss})
                optimizer.step()
                scheduler.step()
        assert guard.refused_total == 1
        assert scheduler.get_last_lr() == [pytest.approx(1e-2 * 0.5**6)]
        before = bits(model)
        loss_of(model, BAD).backward()
        optimizer.step()
        assert bits(model) != before


def test_pieces_of_an_accumulated_step_are_judged_together():
    model = network()
    optimizer = adam(model)
    with guarded(model, optimizer, report=Silent()) as guard:
        for step in range(6):
            optimizer.zero_grad()
            for piece in range(2):
                # Only the first piece of the step is bad.
                loss = loss_of(model, step, bad=BAD if piece == 0 else -1, piece=piece)
                (loss / 2).backward()
                guard.terms({"mse": loss})
            optimizer.step()
    assert bits(model, optimizer) == without_step_3(pieces=2)
    assert guard.findings[0].step == BAD
    assert guard.steps == 6


def test_players_that_take_turns_share_a_number():
    count = Count()
    assert [count.number(name) for name in ("g", "d", "g", "d")] == [0, 0, 1, 1]
    # Two steps of the critic for one of the generator.
    count = Count()
    assert [count.number(name) for name in ("d", "d", "g", "d", "d", "g")] == [0, 1, 1, 2, 3, 3]
    again = Count()
    again.load(count.state())
    assert (again.number("d"), again.latest) == (4, 4)


def test_a_generator_and_a_critic_are_refused_apart_and_numbered_together():
    model, critic = network(), nn.Linear(2, 1)
    players = {"g": adam(model), "d": torch.optim.SGD(critic.parameters(), 0.1)}
    with guarded({"g": model, "d": critic}, players, report=Silent()) as guard:
        for step in range(5):
            for name, optimizer in players.items():
                optimizer.zero_grad()
                out = model(batch(step))
                loss = (critic(out if name == "g" else out.detach())).square().mean()
                loss = loss * (float("nan") if (step, name) == (BAD, "d") else 1.0)
                loss.backward()
                before = bits(critic)
                guard.terms({name: loss})
                optimizer.step()
                assert (bits(critic) == before) == (name == "g" or step == BAD)
    assert guard.steps == 5
    assert (guard.findings[0].step, guard.refused_total) == (BAD, 1)


def test_a_verdict_that_was_asked_for_is_obeyed_and_not_asked_for_again():
    model = network()
    optimizer = adam(model)
    with guarded(model, optimizer, report=Silent()) as guard:
        for step in range(10, 16):
            optimizer.zero_grad()
            loss = loss_of(model, step, bad=12)
            loss.backward()
            before = bits(model)
            accepted = guard.step(step, {"mse": loss})
            optimizer.step()
            # The buffers of a refused step were put back; those of an accepted one stay.
            assert accepted == (step != 12)
            assert accepted == (bits(model) != before) or not accepted
    assert guard.steps == 6
    assert guard.findings[0].step == 12


def test_a_closure_is_evaluated_once_and_judged_before_the_weights_move():
    model = network()
    optimizer = adam(model)
    values = []
    with guarded(model, optimizer, report=Silent()) as guard:
        for step in range(6):

            def closure(step: int = step) -> Tensor:
                optimizer.zero_grad()
                loss = loss_of(model, step)
                loss.backward()
                guard.terms({"mse": loss})
                return loss

            values.append(optimizer.step(closure))
    assert bits(model, optimizer) == without_step_3()
    assert len(values) == 6
    assert all(isinstance(each, Tensor) for each in values)


def test_an_optimizer_that_steps_within_a_step_is_refused_with_what_to_do():
    model = network()
    with pytest.raises(TypeError, match=r"call Guard\.step yourself"):
        Gate(torch.optim.LBFGS(model.parameters()), lambda: True)


def test_numbers_go_on_after_a_resume():
    model = network()
    optimizer = adam(model)
    first, second = LoopGuard(model, optimizer), LoopGuard(model, optimizer)
    for _ in range(3):
        first.decide("optimizer")
        first.forget()
    second.load_state_dict(first.state_dict())
    assert second.count.number("optimizer") == 3
    assert second.steps == 3


def test_without_veto_nothing_is_refused():
    model = network()
    optimizer = adam(model)
    with guarded(model, optimizer, veto=False, report=Silent()) as guard:
        for step in range(6):
            optimizer.zero_grad()
            loss = loss_of(model, step)
            loss.backward()
            guard.terms({"mse": loss})
            optimizer.step()
    assert all(bool(each.isnan().any()) for each in model.parameters())
    assert "WP301" in codes(guard)


class Scaled:
    """A loop in half precision with a gradient scaler, on the CPU."""

    def __init__(self, scale: float) -> None:
        self.model = network()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-2)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=1000)

    def train(self, spoil: Callable[[int, Tensor], Tensor], clip: bool = False) -> LoopGuard:
        with guarded(self.model, self.optimizer, scaler=self.scaler, report=Silent()) as guard:
            for step in range(6):
                self.optimizer.zero_grad()
                with torch.autocast("cpu", torch.float16):
                    out = self.model(batch(step))
                loss = spoil(step, out.float()).square().mean()
                self.scaler.scale(loss).backward()
                if clip:
                    self.scaler.unscale_(self.optimizer)
                    nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                guard.terms({"mse": loss})
                self.scaler.step(self.optimizer)
                self.scaler.update()
        return guard


def count_of(optimizer: Optimizer) -> int:
    return int(next(iter(optimizer.state_dict()["state"].values()))["step"])


@pytest.mark.parametrize("clip", [False, True])
def test_with_a_scaler_a_loss_that_is_not_finite_is_found_though_the_scaler_would_hide_it(clip):
    loop = Scaled(scale=8.0)
    guard = loop.train(lambda step, out: out * (float("nan") if step == BAD else 1.0), clip)
    assert codes(guard) == ["WP301"]
    assert (guard.findings[0].step, guard.refused_total, guard.overflows) == (BAD, 1, 0)
    assert count_of(loop.optimizer) == 5
    # Rows hold the gradient of the loss, not of the scaled loss: known without scaler and guard.
    norm = guard._rows.history[0].values["gradient_norm"]
    plain = network()
    loss_of(plain, 0).backward()
    grads = [each.grad for each in plain.parameters() if each.grad is not None]
    whole = torch.cat([each.flatten() for each in grads])
    expected = min(float(whole.norm()), 1.0) if clip else float(whole.norm())
    assert norm == pytest.approx(expected, rel=0.02)


def test_an_overflow_under_a_finite_loss_is_left_to_the_scaler_and_counted():
    loop = Scaled(scale=2.0**40)
    guard = loop.train(lambda step, out: out)
    assert codes(guard) == []
    assert guard.overflows > 0
    assert loop.scaler.get_scale() == 2.0 ** (40 - guard.overflows)
    assert "left to the scaler" in guard.report()


def test_a_compiled_network_is_refused_and_named_like_a_plain_one():
    model = network()
    compiled = torch.compile(model, backend="eager")
    assert isinstance(compiled, nn.Module)
    optimizer = adam(model)
    with guarded(compiled, optimizer, report=Silent()) as guard:
        for step in range(5):
            optimizer.zero_grad()
            loss = loss_of(compiled, step)
            loss.backward()
            before = bits(model, optimizer)
            guard.terms({"mse": loss})
            optimizer.step()
            assert step != BAD or bits(model, optimizer)[-1] == before[-1]
    assert codes(guard) == ["WP301"]
    assert guard.findings[0].evidence["operation"] == "input"
    assert all(bool(each.isfinite().all()) for each in model.state_dict().values())


@pytest.fixture
def accelerate() -> Iterator[Any]:
    module = pytest.importorskip("accelerate", reason="needs pip install 'wellposed[accelerate]'")
    yield module
    module.state.AcceleratorState._reset_state(reset_partial_state=True)
    module.state.GradientState._reset_state()


def test_under_accelerate_only_the_last_piece_of_a_step_is_judged(accelerate):
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    plain = network()
    inner = adam(plain)
    model, optimizer = accelerator.prepare(plain, inner)
    with guarded(model, optimizer, accelerator=accelerator, report=Silent()) as guard:
        for step in range(6):
            for piece in range(2):
                with accelerator.accumulate(model):
                    loss = loss_of(model, step, piece=piece)
                    accelerator.backward(loss)
                    guard.terms({"mse": loss})
                    optimizer.step()
                    optimizer.zero_grad()
    assert bits(plain, inner) == without_step_3(pieces=2)
    assert (guard.steps, guard.findings[0].step, codes(guard)) == (6, BAD, ["WP301"])
    assert hooks(plain, inner) == 0
    assert "step" not in vars(optimizer)


@pytest.mark.parametrize("clip", [False, True])
def test_accelerates_own_optimizer_with_a_scaler_leaves_out_the_step_and_keeps_its_scale(
    accelerate, clip
):
    # Accelerate offers float16 on accelerators only; its optimizer takes any scaler.
    accelerate.Accelerator(cpu=True)
    plain = network()
    scaler = torch.amp.GradScaler("cpu", init_scale=16.0, growth_interval=1000)
    optimizer = accelerate.optimizer.AcceleratedOptimizer(adam(plain), scaler=scaler)
    loop = SimpleNamespace(
        sync_gradients=True,
        scaler=scaler,
        unscale_gradients=lambda each: scaler.unscale_(each.optimizer),
    )
    with guarded(plain, optimizer, accelerator=loop, report=Silent()) as guard:
        for step in range(6):
            scaler.scale(loss_of(plain, step)).backward()
            if clip:
                loop.unscale_gradients(optimizer)
            guard.terms({"mse": loss_of(plain, step).detach()})
            optimizer.step()
            optimizer.zero_grad()
    assert codes(guard) == ["WP301"]
    assert count_of(optimizer.optimizer) == 5
    assert scaler.get_scale() == 16.0


# What Lightning 2.6.6 itself does with PyTorch 2.13.
in_lightning = pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")


def lightning() -> Any:
    return pytest.importorskip(
        "lightning.pytorch", reason="needs pip install 'wellposed[lightning]'"
    )


def trainer(callback: Any, **options: Any) -> Any:
    return lightning().Trainer(
        accelerator="cpu",
        devices=1,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"max_epochs": 1, **options},
    )


def callback(**options: Any) -> Any:
    lightning()
    from wellposed.guard.adapters.lightning import GuardCallback

    return GuardCallback(report=Silent(), **options)


def module(**parts: Any) -> Any:
    base: Any = lightning().LightningModule

    class Module(base):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()
            self.seen: list[list[bytes]] = []

        def configure_optimizers(self) -> Any:
            return adam(self.net)

        def training_step(self, number: Any, index: int) -> Tensor:
            step, piece = (int(each) for each in number)
            loss = loss_of(self.net, step, piece=piece)
            self.log("l2", loss.detach())
            return loss

    for name, part in parts.items():
        setattr(Module, name, part)
    return Module()


class Numbers:
    """A loader of (step, piece); of a list Lightning would take every entry for a loader."""

    def __init__(self, steps: int, pieces: int) -> None:
        self.all = [torch.tensor([step, piece]) for step in range(steps) for piece in range(pieces)]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)


def numbers(steps: int, pieces: int = 1) -> Numbers:
    return Numbers(steps, pieces)


@in_lightning
@pytest.mark.parametrize("pieces", [1, 2])
def test_lightning_leaves_out_the_bad_step_bit_for_bit(pieces):
    watching, system = callback(), module()
    fit = trainer(watching, accumulate_grad_batches=pieces)
    fit.fit(system, numbers(6, pieces))
    assert bits(system.net, fit.optimizers[0]) == without_step_3(pieces=pieces)
    (finding,) = watching.guard.findings
    assert (finding.code, finding.step) == ("WP301", BAD)
    assert finding.evidence["operation"] == "input"
    assert (watching.guard.steps, watching.guard.refused_total) == (6, 1)
    assert len(watching._report.reports) == 1
    assert hooks(system.net, fit.optimizers[0]) == 0


@in_lightning
def test_lightning_takes_the_terms_that_are_logged_and_the_loss_otherwise():
    for options, expected in (({}, "term/loss"), ({"terms": ("l2",)}, "term/l2")):
        watching, system = callback(**options), module()
        trainer(watching).fit(system, numbers(2))
        row = watching.guard._rows.history[0]
        assert row.values[expected] == pytest.approx(loss_of(network(), 0).item())


@in_lightning
def test_lightning_accumulates_the_loss_of_whole_batches():
    watching = callback()
    trainer(watching, accumulate_grad_batches=2).fit(module(), numbers(1, 2))
    (row,) = watching.guard._rows.history
    expected = torch.stack([loss_of(network(), 0, piece=piece) for piece in range(2)]).mean()
    assert row.values["term/loss"] == pytest.approx(expected.item())


@in_lightning
def test_a_term_that_was_never_logged_is_named_with_those_that_were():
    with pytest.raises(ValueError, match=r"'snr' was not logged; found l2"):
        trainer(callback(terms=("snr",))).fit(module(), numbers(2))


@in_lightning
def test_lightning_with_manual_optimization_numbers_players_together():
    def configure(self: Any) -> Any:
        self.critic = nn.Linear(2, 1)
        return adam(self.net), torch.optim.SGD(self.critic.parameters(), 0.1)

    def turn(self: Any, number: Any, index: int) -> None:
        step = int(number[0])
        for name, optimizer in zip("gd", self.optimizers(), strict=True):
            out = self.net(batch(step))
            loss = self.critic(out if name == "g" else out.detach()).square().mean()
            loss = loss * (float("nan") if (step, name) == (BAD, "d") else 1.0)
            optimizer.zero_grad()
            self.manual_backward(loss)
            watching.tell({name: loss})
            before = bits(self.critic)
            optimizer.step()
            self.seen.append([bits(self.critic) == before])

    watching = callback()
    system = module(configure_optimizers=configure, training_step=turn)
    system.automatic_optimization = False
    trainer(watching).fit(system, numbers(5))
    still = [same for (same,) in system.seen]
    assert still == [True, False] * BAD + [True, True] + [True, False]
    assert watching.guard.steps == 5
    assert (watching.guard.findings[0].step, codes(watching.guard)) == (BAD, ["WP301"])
    assert watching.guard.refused_total == 1


@in_lightning
def test_lightning_with_scaled_gradients_judges_the_unscaled_ones():
    precision = pytest.importorskip("lightning.pytorch.plugins.precision")
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1000)
    watching, system = callback(), module()
    plugin = precision.MixedPrecision("16-mixed", "cpu", scaler)
    fit = trainer(watching, plugins=[plugin])
    fit.fit(system, numbers(6))
    assert codes(watching.guard) == ["WP301"]
    assert count_of(fit.optimizers[0]) == 5
    values = watching.guard._rows.history[0].values
    assert values["term/loss"] == pytest.approx(loss_of(network(), 0).item(), rel=0.02)


@in_lightning
def test_lightning_judges_values_per_item_of_a_validation():
    def validate(self: Any, number: Any, index: int) -> Any:
        with torch.no_grad():
            return {"snr": -self.net(batch(int(number[0]))).square().mean(1)}

    watching = callback(better={"snr": "higher"}, select="snr")
    system = module(validation_step=validate)
    trainer(watching, max_epochs=2, num_sanity_val_steps=1).fit(system, numbers(3), numbers(2))
    first, second = watching.guard._examiner.evidence.validations
    assert (first.step, second.step) == (2, 5)
    assert (len(first.scores["snr"]), first.select, first.training) == (12, "snr", ())
    assert first.scores["snr"] != second.scores["snr"]


@in_lightning
def test_a_resumed_lightning_run_keeps_what_was_found_and_its_numbers(tmp_path):
    first = callback()
    begun = trainer(first)
    begun.fit(module(), numbers(5))
    begun.save_checkpoint(tmp_path / "run.ckpt")
    second = callback()
    trainer(second, max_epochs=2).fit(module(), numbers(5), ckpt_path=str(tmp_path / "run.ckpt"))
    assert second.guard.steps == 10
    # The bad batch came again in the second epoch.
    assert second.guard.refused_total == 2
    assert [each.step for each in second.guard.findings] == [BAD, 5 + BAD]


def test_without_lightning_the_extra_is_named(monkeypatch):
    callback()
    adapter = sys.modules["wellposed.guard.adapters.lightning"]
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'wellposed\[lightning\]'"):
        adapter._base()
