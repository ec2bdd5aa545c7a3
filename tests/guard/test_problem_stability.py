"""The stability questions of a problem: healthy ones pass, each sick one is found and named."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from little_problem import LENGTH, problem
from torch import Tensor, nn

from wellposed.guard.audit.problem import audit_problem
from wellposed.guard.audit.problem.questions.longer_sequences import growth
from wellposed.guard.audit.verdict import Answer

TIME = {"noisy": {"time": 1}}


def many(number: int) -> dict[str, Tensor]:
    """Items of white noise: no clock in the data."""
    draws = torch.Generator().manual_seed(number)
    clean = torch.randn(16, LENGTH, generator=draws)
    return {"noisy": clean + 0.5 * torch.randn(16, LENGTH, generator=draws), "clean": clean}


def asked(question: str, **changes: Any) -> tuple[Answer, dict[str, Any]]:
    """The one answer to one question, and the numbers."""
    made = audit_problem(problem(**changes), only=(question,))
    (answer,) = made.answers
    return answer, made.numbers


class Carried(nn.Module):
    """`(batch, time)` to the same, through a linear recurrence with a decay."""

    def __init__(self, decay: float, sizes: bool = False) -> None:
        super().__init__()
        self.decay, self.sizes = decay, sizes
        self.gain = nn.Parameter(torch.tensor(1e-3))
        self.inner = nn.Identity()

    def forward(self, noisy: Tensor) -> Tensor:
        given = noisy.abs() if self.sizes else noisy
        state, states = torch.zeros_like(given[:, 0]), []
        for frame in given.unbind(1):
            state = self.decay * state + frame
            states.append(state)
        return noisy + self.gain * self.inner(torch.stack(states, 1))


class Recurrent(nn.Module):
    """An LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.walk, self.out = nn.LSTM(1, 8, batch_first=True), nn.Linear(8, 1)

    def forward(self, noisy: Tensor) -> Tensor:
        return noisy + self.out(self.walk(noisy[..., None])[0])[..., 0]


def long(network: nn.Module, batch: Any = many) -> tuple[Answer, dict[str, Any]]:
    return asked(
        "longer_sequences", build=lambda: {"model": network}, batch=batch, axes=TIME
    )  # fmt: skip


@pytest.mark.parametrize("network", [Recurrent(), Carried(0.9), Carried(0.9, True)])
def test_what_forgets_is_bounded(network):
    answer, _ = long(network)
    assert answer.word == "ok", answer.text
    assert answer.text.startswith("bounded on 1, 2, 4, 8 training lengths: ")
    assert answer.text.endswith("and the gradient")


def test_a_long_memory_that_ends_is_bounded():
    # 128 frames, two training sequences: exponents fall from 0.7 to 0.2.
    answer, numbers = long(Carried(1 - 1 / 128, True))
    assert answer.word == "ok", answer.text
    rises = numbers["growth_exponents"]["model.inner"]["each_doubling"]
    assert rises[0] > rises[1] > rises[2] > 0


def test_a_sum_of_sizes_adds_up():
    answer, numbers = long(Carried(1.0, True))
    assert answer.finding is not None
    assert answer.finding.code == "WP304"
    assert answer.finding.evidence["subject"] == "model.inner"
    assert "adds up" in answer.text
    assert numbers["growth_exponents"]["model.inner"]["last_doubling"] == pytest.approx(1, abs=0.1)


def test_a_sum_of_noise_is_not_bounded_either():
    answer, _ = long(Carried(1.0))
    assert answer.finding is not None
    assert answer.finding.evidence["subject"] == "model.inner"
    assert float(answer.finding.evidence["low"]) > 0.25


def test_a_state_that_feeds_itself_grows_beyond_a_sum_or_is_not_finite():
    answer, _ = long(Carried(1.02))
    assert answer.finding is not None
    assert "grows with itself" in answer.text
    answer, _ = long(Carried(2.0))
    assert answer.finding is not None
    assert answer.finding.code == "WP301"
    assert "is not finite on 2 training lengths" in answer.text


def test_the_exponent_of_a_power_is_that_power():
    made = growth("x", [[length**0.7, 3 * length**0.7] for length in (1, 2, 4, 8)], 0.05)
    assert made is not None
    assert made.last.mean == pytest.approx(0.7)
    assert made.unbounded


def test_without_a_time_axis_lengths_are_not_asked():
    answer, _ = asked("longer_sequences")
    assert answer.word == "--"
    assert "no input has a time axis; declare it" in answer.text


class Levelled(nn.Module):
    """Divides by the level of its input, with or without a floor."""

    def __init__(self, floor: float) -> None:
        super().__init__()
        self.floor, self.gain = floor, nn.Parameter(torch.ones(()))

    def forward(self, noisy: Tensor) -> Tensor:
        level = noisy.square().mean(-1, keepdim=True).add(self.floor).sqrt()
        return self.gain * noisy / level


def sound(network: nn.Module, **changes: Any) -> tuple[Answer, dict[str, Any]]:
    given: dict[str, Any] = {"build": lambda: {"model": network}, "waveforms": ("noisy",)}
    return asked("degenerate_inputs", **(given | changes))


def test_a_floor_makes_degenerate_inputs_harmless():
    answer, numbers = sound(Levelled(1e-2))
    assert answer.word == "ok", answer.text
    assert set(numbers["gradient_of_degenerate_inputs"]) == {
        "silence", "a constant at full scale", "an impulse", "subnormal numbers", "a clipped wave"
    }  # fmt: skip


def test_a_division_by_silence_is_not_finite():
    answer, _ = sound(Levelled(0.0))
    assert answer.finding is not None
    assert (answer.finding.code, answer.finding.severity) == ("WP301", "FAIL")
    assert answer.text == "the estimate is not finite for silence, subnormal numbers"


def test_a_root_of_silence_has_a_finite_value_and_no_finite_gradient():
    def rooted(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"size": networks["model"](batch["noisy"]).square().sum(-1).sqrt()}

    answer, _ = sound(Levelled(1e-2), terms=rooted)
    assert answer.finding is not None
    assert answer.finding.code == "WP302"
    assert "the gradient is not finite for silence" in answer.text


def test_an_item_that_pulls_harder_than_a_batch_is_told():
    def relative(
        networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        estimate = networks["model"](batch["noisy"])
        level = batch["clean"].square().mean(-1) + 1e-12
        return {"relative": (estimate - batch["clean"] + 0.1).square().mean(-1) / level}

    answer, _ = sound(nn.Conv1d(4, 4, 1), terms=relative, batch=rows)
    assert answer.finding is not None
    assert (answer.finding.code, answer.finding.severity) == ("WP314", "WARN")
    assert float(answer.finding.evidence["ratio"]) > 4


def rows(number: int) -> dict[str, Tensor]:
    """Items of four channels, as a convolution without a batch of its own wants them."""
    draws = torch.Generator().manual_seed(number)
    clean = torch.randn(4, 4, LENGTH, generator=draws)
    return {"noisy": clean + 0.5 * torch.randn(4, 4, LENGTH, generator=draws), "clean": clean}


class Decaying(nn.Module):
    """Starts with decays near one, unless somebody writes over them."""

    def __init__(self) -> None:
        super().__init__()
        self.decay = nn.Linear(1, 4)
        nn.init.constant_(self.decay.weight, 0.99)

    def forward(self, noisy: Tensor) -> Tensor:
        return noisy * self.decay.weight.mean()


def init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)


def memory(networks: Mapping[str, nn.Module]) -> tuple[float, float, float]:
    network = networks["model"]
    assert isinstance(network, Decaying)
    return float(network.decay.weight.detach().mean()), 0.9, 1.0


def test_an_invariant_that_survives_is_told_with_its_value():
    answer, _ = asked(
        "initialisation", build=lambda: {"model": Decaying()}, invariants={"the decay": memory}
    )
    assert answer.text == "the initialisation is as it was meant: the decay 0.99 (0.9 to 1)"


def test_a_walk_over_the_whole_network_is_named_as_what_may_have_lost_it():
    answer, _ = asked(
        "initialisation",
        build=lambda: {"model": Decaying().apply(init_weights)},
        invariants={"the decay": memory},
    )
    assert answer.finding is not None
    assert answer.finding.code == "WP322"
    assert [each.name for each in answer.finding.suspects] == [
        "init_weights", "a later initialisation"
    ]  # fmt: skip
    assert nn.Module.apply.__qualname__ == "Module.apply"


def test_without_a_declared_invariant_it_is_not_asked():
    answer, _ = asked("initialisation")
    assert answer.word == "--"


def test_evaluations_repeat_or_what_does_not_is_named():
    answer, _ = asked("evaluation_repeats")
    assert answer.text == "the first training batch fetched and estimated twice: the same bits"

    def noisy(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> Tensor:
        made = networks["model"](batch["noisy"])
        return made + 0.1 * torch.randn(made.shape)

    answer, _ = asked("evaluation_repeats", estimate=noisy)
    assert answer.finding is not None
    assert answer.finding.code == "WP403"
    assert answer.finding.evidence["subject"] == "the networks"

    def fresh(number: int) -> dict[str, Tensor]:
        clean = torch.randn(4, LENGTH)
        return {"noisy": clean + 0.5 * torch.randn(4, LENGTH), "clean": clean}

    answer, _ = asked("evaluation_repeats", batch=fresh)
    assert answer.finding is not None
    assert answer.text == "noisy, clean of the first training batch is not the same twice"


def test_a_nan_that_repeats_is_the_same():
    def undefined(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> Tensor:
        return networks["model"](batch["noisy"]) * math.nan

    answer, _ = asked("evaluation_repeats", estimate=undefined)
    assert answer.word == "ok"
