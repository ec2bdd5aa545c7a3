"""Room responses: the direct sound is untouched, the rest decays and has the ratio drawn."""

import numpy as np
import pytest

from wellposed.data.rooms import aligned_response, reverberate, synthetic_response


def white(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_synthetic_room_keeps_within_its_ranges(rate: int):
    for seed in range(40):
        response = synthetic_response(rate, np.random.default_rng(seed))
        assert response.dtype == np.float32
        assert response[0] == 1
        # At least a millisecond free of reflections: 34 cm of detour.
        assert not response[1 : int(rate * 0.001)].any()
        assert 0.15 * rate - 1 <= len(response) <= 0.7 * rate
        rest_db = 10 * np.log10(np.sum(response[1:].astype(np.float64) ** 2))
        assert -12.01 <= rest_db <= 0.01


def test_the_tail_falls_by_60_db_over_its_length():
    # The length of the response is the reverberation time. Early reflections end at 50 ms.
    slopes = []
    for seed in range(40):
        response = synthetic_response(16000, np.random.default_rng(seed)).astype(np.float64)
        decay_s = len(response) / 16000
        tail = response[1000:]
        if len(tail) < 3000:
            continue
        time = np.arange(1000, len(response)) / 16000
        # Log of squared Gaussians has a constant mean, so a line fits without bias.
        slope = np.polyfit(time, 20 * np.log10(np.abs(tail) + 1e-12), 1)[0]
        slopes.append(slope * decay_s)
    assert np.mean(slopes) == pytest.approx(-60, abs=1.5)


def test_reverberation_equals_convolution_and_keeps_the_length():
    wave, response = white(500), white(80, seed=1)
    made = reverberate(wave, response)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, np.convolve(wave, response)[:500], atol=1e-6)


def test_a_room_neither_delays_nor_scales_the_direct_sound():
    wave = white(4000)
    made = reverberate(wave, synthetic_response(16000, np.random.default_rng(0)))
    np.testing.assert_allclose(made[:16], wave[:16], atol=1e-6)


def test_an_aligned_response_begins_with_its_strongest_sample_at_gain_one():
    response = np.array([0.0, 0.1, -0.5, 0.25, 0.1], np.float32)
    np.testing.assert_allclose(aligned_response(response), [1.0, -0.5, -0.2], rtol=1e-6)
