"""The STFT: exact inverse, closed forms, the same bins at every rate, no look ahead."""

import cmath
import math

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.stft import Stft

RATES = (8000, 16000, 22050, 44100, 48000)


def white(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def sine_window_transform(bins_away: float, size: int) -> float:
    """Sum of sin(pi n / N) exp(-2 pi i m n / N) over n = 0 .. N - 1, by two geometric series."""
    low, high = (math.pi * (1 + sign * 2 * bins_away) / (2 * size) for sign in (-1, 1))
    return 0.5 * (1 / math.tan(low) + 1 / math.tan(high))


@pytest.mark.parametrize("rate", RATES)
def test_the_inverse_is_exact_for_every_length(rate: int):
    stft = Stft.of_duration(rate, 32, 16)
    # A step of 97 (prime) meets every remainder modulo the hop sooner or later.
    for samples in [1, 2, 3, stft.hop - 1, stft.hop, stft.hop + 1, *range(5, 3001, 97)]:
        wave = white(samples, seed=samples)
        again = stft.inverse(stft.forward(wave), samples)
        assert again.shape == wave.shape
        assert_close(again, wave, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("window", "hop"), [(512, 128), (96, 32), (45, 15), (10, 2)])
def test_the_inverse_is_exact_with_more_overlap_and_odd_windows(window: int, hop: int):
    stft = Stft(window, hop, 16000)
    for samples in range(1, 300, 7):
        wave = white(2, 3, samples)
        assert_close(stft.inverse(stft.forward(wave), samples), wave, rtol=0, atol=1e-12)


def test_the_inverse_is_exact_to_rounding_in_float32():
    wave = white(4, 16000, dtype=torch.float32)
    stft = Stft.of_duration(16000, 32, 16)
    assert_close(stft.inverse(stft.forward(wave), 16000), wave, rtol=0, atol=3e-6)


def test_the_inverse_of_a_changed_spectrum_is_the_nearest_signal():
    # Least squares: the residual of the best fit is orthogonal to the transform of every signal.
    # Real signals and one-sided spectra: inner bins stand for two, so they count twice.
    stft = Stft(16, 4, 16000)
    made = torch.complex(white(1, 20, 9, seed=1), white(1, 20, 9, seed=2))
    made = torch.fft.rfft(torch.fft.irfft(made, n=16))  # bins 0 and 8 of a real frame are real
    samples = 17 * 4
    residual = made - stft.forward(stft.inverse(made, samples))
    probe = stft.forward(white(1, samples, seed=3))
    twice = torch.tensor([1.0, *[2.0] * 7, 1.0], dtype=torch.float64)
    overlap = ((residual * probe.conj()).real * twice).sum()
    size = ((residual.abs().square() * twice).sum() * (probe.abs().square() * twice).sum()).sqrt()
    assert abs(overlap / size) < 1e-12


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("ratio", [2, 4])
def test_unit_white_noise_has_unit_power_in_every_bin(rate: int, ratio: int):
    stft = Stft.of_duration(rate, 32, 32 / ratio)
    power = stft.forward(white(200 * stft.window, seed=rate)).abs().square()
    inner = power[ratio - 1 : -ratio]  # the frames at the edges contain zeros
    # The bin power is exponential with mean 1; of F / ratio independent frames the mean of all
    # inner bins spreads by (F / ratio * bins) ** -0.5 at most: about 0.6 % here at 8 kHz.
    assert inner.mean().item() == pytest.approx(1.0, abs=0.03)
    assert inner[:, 1:-1].mean(0).amin() > 0.6
    assert inner[:, 1:-1].mean(0).amax() < 1.5


@pytest.mark.parametrize("rate", [8000, 22050])
@pytest.mark.parametrize("bin_number", [1, 7, 60])
def test_a_cosine_at_a_bin_centre_gives_the_closed_form(rate: int, bin_number: int):
    stft = Stft.of_duration(rate, 32, 8)
    size, amplitude, phase = stft.window, 0.7, 0.4
    time = torch.arange(8 * size, dtype=torch.float64)
    turn = 2 * math.pi * bin_number / size
    spectrum = stft.forward(amplitude * torch.cos(turn * time + phase))
    for frame in (3, 4, 11):
        start = (frame + 1) * stft.hop - size
        near = cmath.rect(amplitude / 2 / math.sqrt(size / 2), phase + turn * start)
        wanted = near * sine_window_transform(0, size)
        wanted += near.conjugate() * sine_window_transform(2 * bin_number, size)
        assert spectrum[frame, bin_number].item() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("rate", RATES)
def test_interior_frames_equal_torch_stft(rate: int):
    stft = Stft.of_duration(rate, 32, 8)
    wave = white(2, 6 * stft.window + 5)
    window = torch.hann_window(stft.window, dtype=torch.float64).sqrt()
    theirs = torch.stft(
        wave,
        stft.window,
        stft.hop,
        window=window / window.square().sum().sqrt(),
        center=False,
        return_complex=True,
    ).transpose(1, 2)
    first = stft.window // stft.hop - 1
    ours = stft.forward(wave)[:, first : first + theirs.shape[1]]
    assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("ratio", [2, 4])
def test_a_frame_does_not_depend_on_samples_after_its_end(ratio: int):
    stft = Stft.of_duration(16000, 32, 32 / ratio)
    wave = white(4000, dtype=torch.float32)
    whole = stft.forward(wave)
    for frame in (0, 1, 5, 8):
        end = (frame + 1) * stft.hop
        other = wave.clone()
        other[end:] = 1e6
        assert torch.equal(stft.forward(other)[: frame + 1], whole[: frame + 1])
        # ... and it does depend on the last sample before it.
        other[end - 1] += 1.0
        assert not torch.equal(stft.forward(other)[frame], whole[frame])


def test_the_bins_have_the_same_spacing_at_every_rate():
    for rate in (8000, 12000, 16000, 24000, 32000, 48000):
        assert Stft.of_duration(rate, 32, 16).bin_hz == 31.25
    # Where 16 ms are no whole number of samples the hop is rounded: 0.5 / 176 at 11.025 kHz.
    for rate in (11025, 22050, 44100):
        assert Stft.of_duration(rate, 32, 16).bin_hz == pytest.approx(31.25, rel=0.5 / 176)


@pytest.mark.parametrize("rate", RATES)
def test_frames_says_how_many_there_are(rate: int):
    stft = Stft.of_duration(rate, 32, 8)
    for samples in (1, stft.hop, stft.hop + 1, 1999):
        assert stft.forward(torch.zeros(samples)).shape == (stft.frames(samples), stft.bins)


def test_any_leading_shape_gives_what_each_signal_gives_alone():
    stft = Stft(64, 32, 16000)
    waves = white(2, 3, 500)
    spectra = stft.forward(waves)
    assert_close(spectra[1, 2], stft.forward(waves[1, 2]))
    assert_close(stft.inverse(spectra, 500)[1, 2], stft.inverse(spectra[1, 2], 500))


@pytest.mark.parametrize(("window", "hop"), [(512, 512), (500, 256), (512, 0), (256, 512)])
def test_windows_that_do_not_add_up_are_refused(window: int, hop: int):
    with pytest.raises(ValueError, match="multiple of the hop"):
        Stft(window, hop, 16000)


def test_a_duration_that_is_no_whole_multiple_is_refused():
    with pytest.raises(ValueError, match=r"32.* no whole multiple of 12"):
        Stft.of_duration(16000, 32, 12)


def test_a_signal_without_samples_is_refused():
    with pytest.raises(ValueError, match="without samples"):
        Stft(512, 256, 16000).forward(torch.zeros(2, 0))
