"""Scores against closed forms, a second implementation, and everything that has no score."""

import math
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from wellposed.errors import RunError
from wellposed.metrics import catalogue, speech
from wellposed.metrics.score import Score, mean_score, undefined

RATE = 16000
TIME = np.arange(2 * RATE) / RATE
# Whole periods in 2 s, hence exactly orthogonal and without mean; power 1/2 each.
SINE, COSINE = np.sin(2 * np.pi * 440 * TIME), np.cos(2 * np.pi * 440 * TIME)
SILENCE = np.zeros_like(TIME)
WAVEFORM_METRICS = [
    speech.si_sdr_db,
    speech.snr_db,
    speech.level_error_db,
    speech.amplitude_error_db,
]
RATED_METRICS = [speech.pesq_wb, speech.pesq_nb, speech.stoi, speech.estoi]
EVERY_METRIC = WAVEFORM_METRICS + [
    lambda estimate, reference, score=score: score(estimate, reference, RATE)
    for score in RATED_METRICS
]


def speech_like(seed: int, seconds: float = 2.0, rate: int = RATE) -> np.ndarray:
    """Harmonics of 120 Hz in syllables of 250 ms: enough for PESQ to find an utterance."""
    time = np.arange(round(seconds * rate)) / rate
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, 25)
    voice = sum(np.sin(2 * np.pi * 120 * k * time + phases[k]) / k for k in range(1, 25))
    return 0.1 * voice * np.clip(np.sin(2 * np.pi * 2 * time), 0, None)


def noise_like(signal: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(signal.size)
    return noise * np.sqrt(np.mean(signal**2))


def value(score: Score) -> float:
    assert score.value is not None, score.reason
    return score.value


def test_orthogonal_noise_at_a_hundredth_of_the_power_gives_20_db():
    assert value(speech.si_sdr_db(SINE + 0.1 * COSINE, SINE)) == pytest.approx(20, abs=1e-9)
    assert value(speech.snr_db(SINE + 0.1 * COSINE, SINE)) == pytest.approx(20, abs=1e-9)


@pytest.mark.parametrize("gain", [0.5, 1.0, 3.0])
def test_a_gain_shows_in_level_and_snr_but_not_in_si_sdr(gain):
    estimate = gain * (SINE + 0.1 * COSINE)
    assert value(speech.si_sdr_db(estimate, SINE)) == pytest.approx(20, abs=1e-9)
    expected = 20 * math.log10(gain)
    assert value(speech.level_error_db(estimate, SINE)) == pytest.approx(expected, abs=1e-9)
    error = (gain - 1) ** 2 + (0.1 * gain) ** 2  # relative to the power of the sine
    assert value(speech.snr_db(estimate, SINE)) == pytest.approx(-10 * math.log10(error), abs=1e-9)


def test_orthogonal_noise_leaves_the_level_alone():
    assert value(speech.level_error_db(SINE + 5 * COSINE, SINE)) == pytest.approx(0, abs=1e-9)


def test_the_amplitude_is_that_of_everything_at_any_level():
    for level in (1.0, 1e-12, 1e200):
        doubled = value(speech.amplitude_error_db(level * (SINE + COSINE), SINE))
        assert doubled == pytest.approx(10 * math.log10(2) + 20 * math.log10(level), abs=1e-9)


def test_an_added_offset_is_distortion_of_its_power():
    # 0.1^2 against 1/2: the mean is not removed.
    expected = 10 * math.log10(0.5 / 0.01)
    assert value(speech.si_sdr_db(SINE + 0.1, SINE)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("level", [1e-200, 1e-12, 1e12, 1e200])
def test_extreme_levels_neither_overflow_nor_vanish(level):
    estimate = SINE + 0.1 * COSINE
    assert value(speech.si_sdr_db(level * estimate, SINE)) == pytest.approx(20, abs=1e-9)
    assert value(speech.si_sdr_db(estimate, level * SINE)) == pytest.approx(20, abs=1e-9)
    expected = 20 * math.log10(level)
    assert value(speech.level_error_db(level * estimate, SINE)) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_si_sdr_equals_the_best_snr_over_all_gains_found_by_search(seed):
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal(500) + rng.uniform(-1, 1)
    estimate = rng.uniform(0.1, 3) * reference + rng.standard_normal(500)

    def negative_ratio_db(gain: float) -> float:
        error = np.sum((estimate - gain * reference) ** 2)
        return -10 * math.log10(np.sum((gain * reference) ** 2) / error)

    # Least squares by numpy gives the gain; the value around it is checked to be its ratio.
    gain = np.linalg.lstsq(reference[:, None], estimate, rcond=None)[0][0]
    found = minimize_scalar(lambda g: np.sum((estimate - g * reference) ** 2), tol=1e-12)
    assert found.x == pytest.approx(gain, rel=1e-5)
    si_sdr = value(speech.si_sdr_db(estimate, reference))
    assert si_sdr == pytest.approx(-negative_ratio_db(gain), abs=1e-9)
    assert value(speech.level_error_db(estimate, reference)) == pytest.approx(
        20 * math.log10(gain), abs=1e-9
    )


def test_inverted_polarity_keeps_si_sdr_and_has_no_level():
    estimate = -(SINE + 0.1 * COSINE)
    assert value(speech.si_sdr_db(estimate, SINE)) == pytest.approx(20, abs=1e-9)
    score = speech.level_error_db(estimate, SINE)
    assert score == undefined("the projection of the estimate on the reference is not positive")


@pytest.mark.parametrize("score", EVERY_METRIC)
@pytest.mark.parametrize("constant", [0.0, 0.25])
def test_silence_on_either_side_has_no_score(score, constant):
    silent = SILENCE + constant
    assert score(silent, SINE) == undefined("the estimate is silent")
    assert score(SINE, silent) == undefined("the reference is silent")
    assert score(silent, silent) == undefined("the reference is silent")


@pytest.mark.parametrize("score", EVERY_METRIC)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_have_no_score(score, bad):
    broken = SINE.copy()
    broken[7] = bad
    assert score(broken, SINE) == undefined("the estimate has NaN or infinite samples")
    assert score(SINE, broken) == undefined("the reference has NaN or infinite samples")


@pytest.mark.parametrize("score", EVERY_METRIC)
def test_no_samples_have_no_score(score):
    assert score(SINE[:0], SINE[:0]) == undefined("no samples")


@pytest.mark.parametrize("score", [speech.si_sdr_db, speech.snr_db])
def test_a_copy_has_no_ratio_instead_of_an_infinite_one(score):
    assert score(SINE, SINE) == undefined("the estimate is a copy of the reference")


def test_a_scaled_copy_has_no_si_sdr_and_one_rounded_to_float32_has():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal(100_000)
    scaled = 0.3 * reference
    assert speech.si_sdr_db(scaled, reference).value is None
    # The error is uniform within 2^-24 of the power of two below the sample, so its RMS is 2^-24 /
    # sqrt(3) of that: 149.3 dB below it, and up to 6 dB more below the sample itself.
    rounded = scaled.astype(np.float32)
    assert 149.2 < value(speech.si_sdr_db(rounded, reference)) < 155.4


def test_an_orthogonal_estimate_has_nothing_of_the_reference():
    left, right = np.repeat([1.0, 0.0], 100), np.repeat([0.0, 1.0], 100)
    assert speech.si_sdr_db(right, left) == undefined("nothing of the reference is in the estimate")


def test_the_improvement_is_the_difference_of_the_two():
    noisy, estimate = SINE + COSINE, SINE + 0.1 * COSINE
    assert value(speech.si_sdr_improvement_db(estimate, SINE, noisy)) == pytest.approx(20, abs=1e-9)


def test_the_improvement_over_a_clean_input_is_undefined_and_names_that_side():
    score = speech.si_sdr_improvement_db(SINE + COSINE, SINE, SINE)
    assert score == undefined("noisy input: the estimate is a copy of the reference")
    assert speech.si_sdr_improvement_db(SILENCE, SINE, SINE + COSINE) == undefined(
        "the estimate is silent"
    )


def test_unequal_lengths_are_a_mistake_of_the_caller():
    with pytest.raises(AssertionError, match="against"):
        speech.si_sdr_db(SINE[:-1], SINE)


def test_pesq_of_a_copy_is_the_top_of_its_scale():
    # P.862.2: 0.999 + 4 / (1 + exp(-1.3669 * 4.5 + 3.8224)); P.862.1: the same form.
    clean = speech_like(0)
    top_wb = 0.999 + 4 / (1 + math.exp(-1.3669 * 4.5 + 3.8224))
    top_nb = 0.999 + 4 / (1 + math.exp(-1.4945 * 4.5 + 4.6607))
    assert value(speech.pesq_wb(clean, clean, RATE)) == pytest.approx(top_wb, abs=1e-3)
    assert value(speech.pesq_nb(clean, clean, RATE)) == pytest.approx(top_nb, abs=1e-3)


def test_more_noise_never_raises_pesq_or_stoi():
    clean = speech_like(1)
    noise = noise_like(clean, 2)
    for score in (speech.pesq_wb, speech.pesq_nb, speech.stoi, speech.estoi):
        values = [value(score(clean + gain * noise, clean, RATE)) for gain in (0.03, 0.3, 3.0)]
        assert values == sorted(values, reverse=True)


def test_wide_band_pesq_at_8_khz_is_refused_and_narrow_band_is_not():
    clean = speech_like(3, rate=8000)
    noisy = clean + 0.1 * noise_like(clean, 4)
    assert speech.pesq_wb(noisy, clean, 8000) == undefined("8 kHz has no wide band; use pesq_nb")
    assert 1 < value(speech.pesq_nb(noisy, clean, 8000)) < 4.6


def test_a_signal_at_48_khz_gets_nearly_the_pesq_it_has_at_16_khz():
    clean, noise = speech_like(5), noise_like(speech_like(5), 6)
    fine = speech_like(5, rate=48000)
    # The same noise, brought to 48 kHz by zero-padding its spectrum.
    spectrum = np.zeros(fine.size // 2 + 1, complex)
    spectrum[: clean.size // 2] = np.fft.rfft(noise)[:-1]
    finer_noise = np.fft.irfft(3 * spectrum, fine.size)
    at_16 = value(speech.pesq_wb(clean + 0.1 * noise, clean, 16000))
    at_48 = value(speech.pesq_wb(fine + 0.1 * finer_noise, fine, 48000))
    assert at_48 == pytest.approx(at_16, abs=0.05)


def test_pesq_refuses_what_would_crash_or_raise_in_its_c_code():
    clean = speech_like(7, seconds=0.25)
    short = undefined("shorter than 0.25 s, the least for pesq")
    assert speech.pesq_wb(clean, clean, RATE) == short
    long = np.tile(speech_like(7), 21)
    assert speech.pesq_wb(long, long, RATE) == undefined(
        "longer than 40 s, too many utterances for pesq"
    )
    faint = speech_like(7)
    assert speech.pesq_wb(1e-30 * faint, faint, RATE) == undefined(
        "pesq has no value for so faint an estimate"
    )
    assert speech.pesq_wb(faint, 1e-30 * faint, RATE) == undefined(
        "pesq found no utterance in the reference"
    )


def test_pesq_without_its_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(catalogue, "find_spec", lambda package: None)
    with pytest.raises(RunError, match=r'pesq_wb: .*pip install "wellposed\[metrics\]"'):
        speech.pesq_wb(SINE, SINE, RATE)


@pytest.mark.parametrize("score", [speech.stoi, speech.estoi])
def test_stoi_of_a_copy_is_one(score):
    clean = speech_like(8) + 1e-3 * noise_like(speech_like(8), 9)
    assert value(score(clean, clean, RATE)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("score", [speech.stoi, speech.estoi])
@pytest.mark.parametrize("seconds", [0.001, 0.39, 0.398])
def test_stoi_of_too_short_signals_is_counted_and_warns_nobody(score, seconds):
    clean = noise_like(SINE, 10)[: round(seconds * RATE)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score(clean + 0.1, clean, RATE)
    assert found == undefined("fewer than 30 frames (0.4 s) of speech, the least for STOI")


def test_stoi_of_long_silence_around_little_speech_is_undefined():
    clean = np.concatenate([SILENCE, SINE[: RATE // 5], SILENCE])
    assert speech.stoi(clean + 0.01 * noise_like(clean, 11), clean, RATE).value is None


def test_estoi_is_repeatable_to_the_bit_and_leaves_the_global_generator_alone():
    # Digital silence between syllables, where the dither of pystoi decides.
    clean = np.sin(2 * np.pi * 300 * TIME) * np.clip(np.sin(2 * np.pi * 2 * TIME), 0, None)
    gated = np.where(clean > 0.2, clean, 0.0)
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.standard_normal(6)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    first = speech.estoi(gated, clean, RATE)
    np.testing.assert_array_equal(np.random.standard_normal(3), expected[:3])  # noqa: NPY002
    assert speech.estoi(gated, clean, RATE) == first
    np.testing.assert_array_equal(np.random.standard_normal(3), expected[3:])  # noqa: NPY002


def test_the_score_of_several_channels_is_their_mean_or_the_first_failure():
    assert mean_score([Score(1.0), Score(3.0)]) == Score(2.0)
    assert mean_score([Score(1.0), undefined("a"), undefined("b")]) == undefined("a")


def test_a_score_is_a_finite_value_or_a_reason():
    for wrong in ((None, ""), (1.0, "why"), (math.nan, ""), (math.inf, "")):
        with pytest.raises(AssertionError):
            Score(*wrong)
