"""Arrays in, arrays of the same shape out, and what is refused."""

import numpy as np
import pytest

from wellposed.errors import DataError
from wellposed.systems.enhance.use import Enhancer

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("samples", [1, 2, 3, 255, 256, 1_999, 2_000])
def test_the_output_has_the_shape_of_the_input(enhancer, noise, rate, channels, samples):
    waveform = noise(channels, samples)
    out = enhancer(waveform, rate)
    assert out.shape == waveform.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()


def test_every_length_up_to_two_thousand_samples_comes_back(enhancer, noise):
    waveform = noise(1, 2_000)[0]
    for samples in range(1, 2_001, 41):
        assert enhancer(waveform[:samples], 44_100).shape == (samples,)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_louder_input_gives_the_same_output_as_much_louder(enhancer, noise, rate):
    waveform = noise(1, rate)
    out = enhancer(waveform, rate)
    for gain in (0.1, 8.0):
        louder = enhancer(np.float32(gain) * waveform, rate)
        np.testing.assert_allclose(louder, gain * out, atol=1e-4 * gain * np.abs(out).max())


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_silence_gives_silence(enhancer, rate):
    assert not enhancer(np.zeros((2, rate), np.float32), rate).any()


def test_a_channel_is_processed_as_if_it_were_alone(enhancer, noise):
    waveform = noise(3, 30_000)
    together = enhancer(waveform, 22_050)
    for channel, out in zip(waveform, together, strict=True):
        np.testing.assert_array_equal(enhancer(channel, 22_050), out)


def test_the_input_is_left_as_it_was_and_double_precision_is_accepted(enhancer, noise):
    waveform = noise(1, 5_000).astype(np.float64)
    before = waveform.copy()
    out = enhancer(waveform, 16_000)
    np.testing.assert_array_equal(waveform, before)
    np.testing.assert_array_equal(out, enhancer(waveform.astype(np.float32), 16_000))


def test_the_output_stays_in_time_through_other_rates(enhancer, noise):
    # Low noise at 48 kHz, enhanced there, against the same signal enhanced at the model's rate.
    spectrum = np.fft.rfft(noise(1, 48_000)[0])
    spectrum[5_000:] = 0
    high = np.fft.irfft(spectrum, 48_000).astype(np.float32)
    low = np.fft.irfft(spectrum[:8_001] / 3, 16_000).astype(np.float32)
    expected = enhancer(low, 16_000)[800:-800]
    found = enhancer(high, 48_000)[::3][800:-800]
    error_db = 20 * np.log10(np.std(found - expected) / np.std(expected))
    assert error_db < -50


@pytest.mark.parametrize(
    ("waveform", "problem"),
    [
        (np.zeros(0, np.float32), "at least one sample"),
        (np.zeros((2, 0), np.float32), "at least one sample"),
        (np.zeros((1, 2, 3), np.float32), r"\(1, 2, 3\)"),
        (np.zeros(9, np.int16), "divide int16 by 32768"),
        (np.array([0.1, np.nan]), "NaN or infinite"),
        (np.array([0.1, 1e300]), "NaN or infinite"),
        (np.full(4_000, 1e25), "not finite"),
        (np.zeros((16_000, 2), np.float32), "transpose"),
    ],
)
def test_what_is_no_waveform_is_refused(enhancer, waveform, problem):
    with pytest.raises(DataError, match=problem):
        enhancer(waveform, 16_000)


def test_a_rate_of_zero_is_refused(enhancer):
    with pytest.raises(DataError, match="rate of 0 Hz"):
        enhancer(np.ones(5), 0)


def test_sound_above_the_band_is_told_once_with_its_share(enhancer, noise):
    told = []
    mine = Enhancer(enhancer.network, notice=told.append)
    # Half the power of white noise at 32 kHz lies above 8 kHz: -3 dB.
    rng = np.random.default_rng(0)
    white = (0.1 * rng.standard_normal((1, 32_000))).astype(np.float32)
    mine(white, 32_000)
    mine(white, 32_000)
    assert len(told) == 1
    assert "above 8 kHz (-3 dB" in told[0]


def test_a_low_sound_at_a_high_rate_is_nothing_to_tell(enhancer):
    told = []
    time = np.arange(48_000) / 48_000
    Enhancer(enhancer.network, notice=told.append)(np.sin(2 * np.pi * 500 * time), 48_000)
    assert told == []


def test_a_stream_in_blocks_equals_the_array_at_once(enhancer, noise):
    waveform = noise(2, 80_001)
    blocks = (waveform[:, i : i + 7_919] for i in range(0, 80_001, 7_919))
    streamed = np.concatenate(list(enhancer.stream(blocks, 44_100, 80_001)), axis=1)
    np.testing.assert_array_equal(streamed, enhancer(waveform, 44_100))
