"""The untrained codec is a block transform: the right length, level and, above all, no delay."""

import pytest
import torch
from torch import Tensor

from wellposed.dsp.cosines import cosines
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.recipe import Model
from wellposed.systems.codec.transform import start_as_transform

PLAIN = Model(latent=96, bands=0, follow="frequency", quantizer="factorised", comb=0.0)
"""The lowest frequencies alone."""


def untrained(rate: int = 16000, **changes: int) -> Codec:
    torch.manual_seed(0)
    codec = Codec(PLAIN.model_copy(update=changes), rate).eval()
    start_as_transform(codec)
    return codec


def low(samples: int, rate: int, below_hz: float = 800.0) -> Tensor:
    """Noise of the lowest frequencies, at the level of speech."""
    noise = torch.randn(1, samples, generator=torch.Generator().manual_seed(1))
    spectrum = torch.fft.rfft(noise)
    frequency = torch.fft.rfftfreq(samples, 1 / rate)
    wave = torch.fft.irfft(spectrum * (frequency < below_hz), n=samples)
    return 0.05 * wave / wave.square().mean().sqrt()


def test_the_cosines_are_orthonormal():
    rows = cosines(320, 320)
    assert torch.allclose(rows @ rows.T, torch.eye(320).double(), atol=1e-12)


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
@torch.no_grad()
def test_low_frequencies_pass_without_delay_at_every_rate(rate: int):
    codec, wave = untrained(rate), low(rate // 2, rate, 2000.0)
    made = codec(wave, quantize=False).wave
    error = (made - wave).square().mean() / wave.square().mean()
    assert error < 0.2  # blocks without overlap know no frequency exactly
    length = 2 * wave.shape[-1]
    cross = torch.fft.irfft(torch.fft.rfft(made, n=length) * torch.fft.rfft(wave, n=length).conj())
    assert int(cross.argmax()) == 0


@torch.no_grad()
def test_a_click_comes_out_where_it_went_in():
    codec = untrained()
    for at in (1000, 1111, 1279, 1280):
        wave = torch.zeros(1, 3200)
        wave[0, at] = 0.5
        made = codec(wave, quantize=False).wave
        assert int(made.abs().argmax()) == at


@torch.no_grad()
def test_books_fitted_to_the_transform_code_well_from_the_start():
    codec = untrained(size=64, stages=6)
    rows = torch.cat([codec.latents(low(16000, 16000, hz)) for hz in range(100, 1300, 50)])
    codec.quantizer.start(rows, torch.Generator().manual_seed(0))
    wave = low(16000, 16000, 525.0)
    errors = [float((codec(wave, n).wave - wave).square().mean()) for n in (1, 3, 6)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 * float(wave.square().mean())
