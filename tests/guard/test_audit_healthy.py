"""Sound losses have no FAIL, whatever the probes: 20 seeds, and real speech."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from reported_losses import reported
from torch import Tensor

from wellposed.guard import Severity, audit_loss
from wellposed.guard.audit import Probes
from wellposed.losses.compressed import compressed_complex, compressed_magnitude
from wellposed.losses.extraction import soft_error_db, squared_log_gain
from wellposed.losses.level import level_distance
from wellposed.losses.loudness import loudness_distance
from wellposed.losses.mel import mel_distance
from wellposed.losses.phase import group_delay, instantaneous_frequency, phase
from wellposed.losses.spectrum import consistency, real_imaginary
from wellposed.losses.waveform import neg_snr_db, waveform_l1

SEEDS = range(20)
Loss = Callable[[Tensor, Tensor], Tensor]

CHEAP: dict[str, tuple[Loss, dict[str, Any]]] = {
    "l1": (reported()["l1"], {}),
    "mse": (reported()["mse"], {}),
    "thresholded_snr": (reported()["thresholded_snr"], {}),
    "waveform_l1": (waveform_l1, {}),
    "neg_snr_db": (neg_snr_db, {}),
    "level_distance": (level_distance, {"role": "term"}),
    "soft_error_db": (soft_error_db, {}),
    "squared_log_gain": (squared_log_gain, {"role": "term"}),
}
COSTLY: dict[str, tuple[Loss, dict[str, Any]]] = {
    "complex_l1": (reported()["complex_l1"], {}),
    "multi_resolution": (reported()["multi_resolution"], {"invariances": ("phase",)}),
    "compressed_complex": (compressed_complex, {"domain": "spectrum"}),
    "compressed_magnitude": (
        compressed_magnitude,
        {"domain": "spectrum", "invariances": ("phase",)},
    ),
    "real_imaginary": (real_imaginary, {"domain": "spectrum"}),
    "phase": (phase, {"domain": "spectrum", "role": "term"}),
    "group_delay": (group_delay, {"domain": "spectrum", "role": "term"}),
    "instantaneous_frequency": (
        instantaneous_frequency,
        {"domain": "spectrum", "role": "term"},
    ),
    "consistency": (consistency, {"domain": "spectrum", "role": "term"}),
    "mel_distance": (mel_distance, {"role": "term"}),
    "loudness_distance": (loudness_distance, {"role": "term"}),
}
# The floors of these are made for unit power of the mixture.
UNIT_LEVEL = {
    name for name, (_, declared) in COSTLY.items() if declared.get("domain") == "spectrum"
} - {"complex_l1"} | {"level_distance", "loudness_distance"}


def fails(name: str, seed: int) -> list[str]:
    loss, declared = (CHEAP | COSTLY)[name]
    probes = Probes.synthetic(seed, 1.0 if name in UNIT_LEVEL else 0.1)
    made = audit_loss(loss, seed=seed, probes=probes, **declared)
    return [each.title for each in made.findings if each.severity == Severity.FAIL]


@pytest.mark.parametrize("name", CHEAP)
def test_a_sound_loss_has_no_fail_over_twenty_seeds(name: str):
    assert {seed: fails(name, seed) for seed in SEEDS} == {seed: [] for seed in SEEDS}


@pytest.mark.parametrize("name", COSTLY)
def test_a_sound_spectral_loss_has_no_fail(name: str):
    assert fails(name, 0) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", COSTLY)
def test_a_sound_spectral_loss_has_no_fail_over_twenty_seeds(name: str):
    assert {seed: fails(name, seed) for seed in SEEDS} == {seed: [] for seed in SEEDS}


@pytest.mark.parametrize("name", CHEAP)
def test_a_sound_loss_has_no_fail_on_real_speech(name: str, shared_data):
    from wellposed.cli.audit_subject import real_speech

    probes = real_speech(shared_data, 0)
    if name in UNIT_LEVEL:
        probes = Probes.given(probes.reference / probes.level)
    loss, declared = CHEAP[name]
    made = audit_loss(loss, probes=probes, **declared)
    assert not made.codes(Severity.FAIL)


def test_every_public_loss_of_ours_is_among_them():
    import importlib
    import inspect
    import pkgutil

    import wellposed.losses

    found = set()
    for entry in pkgutil.iter_modules(wellposed.losses.__path__):
        module = importlib.import_module(f"wellposed.losses.{entry.name}")
        found |= {
            name
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if function.__module__ == module.__name__ and not name.startswith("_")
        }
    assert found == set(CHEAP | COSTLY) - set(reported())


def test_the_weights_of_a_loss_and_the_global_generator_stay_as_they_were():
    bank = torch.nn.Linear(4, 4)
    before = torch.random.get_rng_state(), bank.weight.detach().clone()

    class Learned(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bank = bank

        def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
            jitter = 1 + 1e-6 * torch.rand(())
            gap = (estimate - reference).unflatten(-1, (-1, 4))
            return jitter * self.bank(gap).abs().mean()

    audit_loss(Learned())
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert torch.equal(before[1], bank.weight)
    assert bank.weight.grad is None
    assert bank.weight.dtype == torch.float32
