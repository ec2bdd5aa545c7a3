"""Mixing: active level, ratios, equalisers and speed, each against its formula."""

import numpy as np
import pytest

from wellposed.data.mixing import (
    active_power,
    dynamic_range_db,
    equaliser,
    gain_for_ratio,
    power,
    reshape_sound,
    stretched_length,
    without_rumble,
)

RATE = 16000


def tone(frequency_hz: float, samples: int = RATE, amplitude: float = 0.5) -> np.ndarray:
    time = np.arange(samples) / RATE
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)


def test_the_power_of_a_sine_is_half_its_squared_amplitude():
    assert power(tone(100)) == pytest.approx(0.125, rel=1e-6)
    # In float32 the sum over many small squares would stall; it is made in float64.
    assert power(np.full(10**7, 1e-4, np.float32)) == pytest.approx(1e-8, rel=1e-6)


def test_pauses_do_not_count_for_the_active_power():
    half = tone(100)
    half[8000:] = 0
    assert active_power(half, RATE) == pytest.approx(0.125, rel=1e-5)
    assert power(half) == pytest.approx(0.0625, rel=1e-5)


@pytest.mark.parametrize(("below_db", "counts"), [(29.0, True), (31.0, False)])
def test_frames_within_30_db_of_the_loudest_are_active(below_db: float, counts: bool):
    wave = tone(100)
    wave[8000:] *= np.float32(10 ** (-below_db / 20))
    quiet = 10 ** (-below_db / 10)
    wanted = 0.125 * (1 + quiet) / 2 if counts else 0.125
    assert active_power(wave, RATE) == pytest.approx(wanted, rel=1e-5)


def test_less_than_a_frame_is_active_as_a_whole():
    assert active_power(np.full(5, 0.1, np.float32), RATE) == pytest.approx(0.01, rel=1e-6)


def test_the_dynamic_range_is_the_distance_of_loud_and_quiet_frames():
    wave = tone(100)
    wave[12000:] *= np.float32(0.01)
    assert dynamic_range_db(wave, RATE) == pytest.approx(40.0, abs=0.01)
    assert dynamic_range_db(tone(100), RATE) == pytest.approx(0.0, abs=1e-3)
    assert dynamic_range_db(np.zeros(3, np.float32), RATE) == 0.0


@pytest.mark.parametrize("ratio_db", [-5.0, 0.0, 20.0])
def test_the_gain_makes_the_ratio(ratio_db: float):
    gain = gain_for_ratio(0.3, 0.02, ratio_db)
    assert 10 * np.log10(0.3 / (gain**2 * 0.02)) == pytest.approx(ratio_db, abs=1e-9)
    assert gain_for_ratio(0.3, 0.0, ratio_db) == 0.0


def test_a_stretched_length_is_near_and_quick_to_transform():
    for samples in (1, 100, 16001, 32000):
        for speed in (0.81, 1.0, 1.21):
            length = stretched_length(samples, speed)
            assert max(2, round(samples * speed)) <= length <= 1.08 * samples * speed + 8
            for prime in (2, 3, 5, 7, 11):
                while length % prime == 0:
                    length //= prime
            assert length == 1


def test_an_equaliser_has_zero_mean_over_its_octaves_and_the_spread_asked_for():
    # 60 Hz * 2 ** k up to the Nyquist frequency and one above; the bins hit the octaves exactly.
    bins = 8000 // 20 + 1
    knots = [3 * 2**k for k in range(8)]  # in steps of 20 Hz: 60 Hz to 7680 Hz
    curves = np.stack(
        [
            20 * np.log10(equaliser(np.random.default_rng(seed), bins, RATE, 6.0))
            for seed in range(400)
        ]
    )
    at_octaves = curves[:, knots]
    # 9 knots, the last (15.4 kHz) out of sight: a mean removed leaves 6 * sqrt(8 / 9) = 5.66 dB.
    assert at_octaves.std() == pytest.approx(6 * np.sqrt(8 / 9), rel=0.05)
    assert np.abs(at_octaves.mean(0)).max() < 1.2  # 5.66 / sqrt(400) = 0.28, four times that
    # Between octaves a straight line over log-frequency: half way lies at sqrt(2).
    halfway = (at_octaves[:, 5] + at_octaves[:, 6]) / 2
    between = curves[:, round(knots[5] * 2**0.5)]
    assert np.abs(between - halfway).max() < 0.2
    assert (curves[:, 0] == curves[:, 1]).all()


def test_no_spread_is_a_flat_equaliser():
    curve = equaliser(np.random.default_rng(0), 100, RATE, 0.0)
    assert (curve == 1).all()
    assert curve.dtype == np.float32


def test_the_same_length_and_no_response_leave_a_sound_as_it_is():
    wave = np.random.default_rng(0).normal(0, 0.1, 3000).astype(np.float32)
    again = reshape_sound(wave, 3000, None)
    assert again.dtype == np.float32
    np.testing.assert_allclose(again, wave, atol=1e-6)


@pytest.mark.parametrize(("length", "samples"), [(8000, 10000), (10000, 8000)])
def test_a_change_of_speed_moves_the_pitch_and_keeps_the_amplitude(length: int, samples: int):
    # 80 periods in the source are 80 periods in the output.
    turn = 2 * np.pi * 80 * np.arange(length) / length
    wave = (0.5 * np.sin(turn)).astype(np.float32)
    wanted = 0.5 * np.sin(2 * np.pi * 80 * np.arange(samples) / samples)
    np.testing.assert_allclose(reshape_sound(wave, samples, None), wanted, atol=2e-6)


def test_a_response_scales_each_frequency():
    response = np.ones(RATE // 2 + 1, np.float32)
    response[1000] = 0.25  # one second: bin 1000 is 1 kHz
    made = reshape_sound(tone(1000) + tone(300), RATE, response)
    np.testing.assert_allclose(made, 0.25 * tone(1000) + tone(300), atol=2e-6)


def test_reshaping_leaves_its_input_and_response_alone():
    wave, response = tone(100), np.full(501, 0.5, np.float32)
    kept = wave.copy(), response.copy()
    reshape_sound(wave, 1000, response)
    assert (wave == kept[0]).all()
    assert (response == kept[1]).all()


@pytest.mark.parametrize(("hz", "gain"), [(10, 0.0), (30, 0.0), (45, 0.5), (60, 1.0), (3000, 1.0)])
def test_rumble_is_removed_and_voices_pass(hz: int, gain: float):
    # Whole periods, so that each tone is one bin of the spectrum.
    tone = np.sin(2 * np.pi * hz * np.arange(16000) / 16000).astype(np.float32)
    assert np.allclose(without_rumble(tone, 16000), gain * tone, atol=1e-4)
