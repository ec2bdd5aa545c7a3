"""The objective: closed forms, every parameter reached, finite on silence, no leak of the label."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wellposed.dsp.stft import Stft
from wellposed.engine.system import Moment
from wellposed.losses.phase import group_delay, instantaneous_frequency, phase
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.objective import consistency_term, enhance_terms
from wellposed.systems.enhance.recipe import EnhanceRecipe, Loss, Model
from wellposed.systems.enhance.system import Enhance

TINY = Model(features=8, hidden=6, depth=2, taps_hidden=8)
LOSS = Loss()
RATE = 16000


def white(samples: int, batch: int = 1, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


def total(terms: dict[str, Tensor]) -> Tensor:
    weights = Enhance(EnhanceRecipe()).weights("model")
    return torch.stack([weights[name] * term.mean() for name, term in terms.items()]).sum()


def fresh(*, causal: bool = False) -> Bsrnn:
    torch.manual_seed(0)
    return Bsrnn(TINY.model_copy(update={"causal": causal}), RATE)


def test_the_terms_are_the_weights_of_the_recipe_and_one_value_per_scene():
    terms = enhance_terms(white(4000, 3), white(4000, 3, 1), white(4000, 3, 2), LOSS, RATE)
    assert list(terms) == list(Enhance(EnhanceRecipe()).weights("model"))
    assert {term.shape for term in terms.values()} == {(3,)}


MORE = {"real_imaginary": 0.1, "phase": 0.2, "consistency": 0.3}


def test_terms_that_the_recipe_does_not_weigh_do_not_exist():
    loss = Loss(**MORE)
    system = Enhance(EnhanceRecipe(loss=loss, model=TINY))
    assert set(system.weights("model")) - set(Enhance(EnhanceRecipe()).weights("model")) == set(
        MORE
    )
    assert {name: system.weights("model")[name] for name in MORE} == MORE
    batch = {"noisy": white(4000, 2), "clean": white(4000, 2, 1)}
    terms = system.terms("model", {"model": fresh()}, batch, Moment(0, torch.Generator()))
    assert list(terms) == list(system.weights("model"))
    assert {term.shape for term in terms.values()} == {(2,)}


def test_a_term_that_is_added_changes_no_other():
    signals = white(4000, 2), white(4000, 2, 1), white(4000, 2, 2)
    few, more = (enhance_terms(*signals, loss, RATE) for loss in (LOSS, Loss(**MORE)))
    assert all(torch.equal(few[name], more[name]) for name in few)
    assert set(more) - set(few) == {"real_imaginary", "phase"}


def test_the_phase_term_is_the_sum_of_its_three_kinds_in_every_resolution():
    estimate, clean = white(4000), white(4000, seed=1)
    loss = Loss(phase=1.0, windows_ms=(32.0,), hearing=False)
    made = enhance_terms(estimate, clean, clean, loss, RATE)["phase"]
    level = (clean.square().mean() + 1e-10).sqrt()
    stft = Stft.of_duration(RATE, 32, 8)
    first, second = stft.forward(estimate / level), stft.forward(clean / level)
    kinds = (phase, group_delay, instantaneous_frequency)
    assert_close(made, torch.stack([kind(first, second) for kind in kinds]).sum(0))


@pytest.mark.parametrize("silent", ["noisy", "clean", "both"])
@pytest.mark.parametrize("autocast", [False, True])
def test_added_terms_have_finite_gradients_on_silence(silent: str, autocast: bool):
    system = Enhance(EnhanceRecipe(loss=Loss(**MORE), model=TINY))
    batch = {"noisy": white(4000), "clean": white(4000, seed=1)}
    batch |= {name: torch.zeros(1, 4000) for name in batch if silent in (name, "both")}
    model = fresh()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        terms = system.terms("model", {"model": model}, batch, Moment(0, torch.Generator()))
    torch.stack([terms[name].sum() for name in MORE]).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_an_unchanged_spectrum_is_consistent_and_does_not_depend_on_the_level():
    stft = Stft.of_duration(RATE, 32, 16)
    noisy = white(4000)
    untouched = stft.forward(noisy)
    assert consistency_term(untouched, noisy, stft).item() == pytest.approx(0, abs=1e-10)
    masked = untouched * torch.rand(untouched.shape, generator=torch.Generator().manual_seed(0))
    cost = consistency_term(masked, noisy, stft)
    assert cost > 1e-3
    assert_close(consistency_term(100 * masked, 100 * noisy, stft), cost, rtol=1e-3, atol=0)


def test_an_exact_estimate_costs_nothing():
    clean = white(4000)
    terms = enhance_terms(clean, clean, 2 * clean, LOSS, RATE)
    assert {name: term.item() for name, term in terms.items()} == dict.fromkeys(terms, 0.0)


def test_a_silent_estimate_costs_the_compressed_power_of_the_clean_signal():
    # By hand, from the definition, with one window.
    clean, noisy = white(4000), white(4000, seed=1)
    terms = enhance_terms(0 * clean, clean, noisy, Loss(windows_ms=(32.0,), hearing=False), RATE)
    level = (noisy.square().mean() + 1e-10).sqrt()
    window = torch.hann_window(512).sqrt() / 16  # sqrt(sum of hann) = sqrt(256)
    padded = torch.nn.functional.pad(clean / level, (384, 96 + 384))  # whole hops of 128, and lead
    power = (
        torch.stft(padded, 512, 128, window=window, center=False, return_complex=True)
        .abs()
        .square()
    )
    assert_close(terms["complex"], (power * (power + 1e-6) ** -0.7).mean((1, 2)), rtol=1e-4, atol=0)
    gap = (power + 1e-6) ** 0.15 - 1e-6**0.15
    assert_close(terms["magnitude"], gap.square().mean((1, 2)), rtol=1e-4, atol=0)
    assert_close(terms["waveform"], (clean / level).abs().mean(1))
    powers = 1e-3 + (clean / level).square().mean(1), torch.tensor([1e-3])
    assert_close(terms["level"], powers[0].log10() - powers[1].log10())


@pytest.mark.parametrize("gain", [0.01, 100.0])
def test_quiet_and_loud_scenes_count_alike(gain: float):
    estimate, clean, noisy = (white(4000, seed=seed) for seed in range(3))
    terms = enhance_terms(estimate, clean, noisy, LOSS, RATE)
    scaled = enhance_terms(gain * estimate, gain * clean, gain * noisy, LOSS, RATE)
    for name, term in terms.items():
        assert_close(scaled[name], term, rtol=1e-3, atol=0)


def test_an_error_of_level_costs_in_every_term():
    clean = white(4000)
    estimate = clean + 0.1 * white(4000, seed=1)
    right = enhance_terms(estimate, clean, clean, LOSS, RATE)
    for gain in (0.5, 2.0):
        wrong = enhance_terms(gain * estimate, clean, clean, LOSS, RATE)
        assert all(wrong[name] > right[name] for name in right)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("autocast", [False, True])
def test_every_parameter_receives_a_gradient(causal: bool, autocast: bool):
    model, noisy = fresh(causal=causal), white(8000, 2)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        estimate = model(noisy)
        loss = total(enhance_terms(estimate, white(8000, 2, 1), noisy, LOSS, RATE))
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(
    ("noisy", "clean"),
    [
        (torch.zeros(1, 4000), torch.zeros(1, 4000)),
        (white(4000), torch.zeros(1, 4000)),
        (torch.zeros(1, 4000), white(4000)),
        (1e-12 * white(4000), torch.zeros(1, 4000)),
        (torch.nn.functional.pad(white(1000), (1000, 2000)), torch.zeros(1, 4000)),
    ],
    ids=["all silent", "silent target", "silent input", "far below the floor", "gated"],
)
def test_gradients_are_finite_on_silence(noisy: Tensor, clean: Tensor, autocast: bool):
    model = fresh()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        terms = enhance_terms(model(noisy), clean, noisy, LOSS, RATE)
    total(terms).backward()
    assert all(term.isfinite().all() for term in terms.values())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_the_terms_are_computed_in_float32_under_mixed_precision():
    estimate, clean, noisy = (white(4000, seed=seed) for seed in range(3))
    wanted = enhance_terms(estimate, clean, noisy, LOSS, RATE)
    with torch.autocast("cpu", torch.bfloat16):
        made = enhance_terms(estimate, clean, noisy, LOSS, RATE)
    assert all(torch.equal(made[name], wanted[name]) for name in wanted)


def test_the_estimate_does_not_depend_on_the_clean_signal():
    system = Enhance(EnhanceRecipe(model=TINY))
    model = fresh()
    seen: list[Tensor] = []
    model.register_forward_hook(lambda module, inputs, made: seen.append(made.detach().clone()))
    noisy, clean = white(4000, 4), white(4000, 4, 1)
    moment = Moment(0, torch.Generator())
    first = system.terms("model", {"model": model}, {"noisy": noisy, "clean": clean}, moment)
    batch = {"noisy": noisy, "clean": clean[[2, 3, 1, 0]]}
    second = system.terms("model", {"model": model}, batch, moment)
    assert torch.equal(seen[0], seen[1])
    assert all(not torch.equal(first[name], second[name]) for name in first)
