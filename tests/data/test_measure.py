"""Measures of one file against their formulas."""

import math

import numpy as np
import pytest
import soundfile

from wellposed.data import audio
from wellposed.data.measure import flat_samples, measure


def tone(frequency, amplitude, seconds=2.0, rate=16_000):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(seconds * rate) / rate)


def rounded(signal):
    """As 16-bit PCM stores it."""
    return (np.rint(signal * 2**15).clip(-(2**15), 2**15 - 1) / 2**15).astype(np.float32)


def test_level_peak_and_offset_of_a_tone_follow_their_formulas(tmp_path):
    signal = np.stack([tone(1_000, 0.5) + 0.1, tone(1_000, 0.5) - 0.2]).astype(np.float32)
    audio.write(tmp_path / "x.wav", signal, 16_000, subtype="FLOAT")
    facts, _ = measure(tmp_path / "x.wav")
    assert facts.level_db == pytest.approx(10 * math.log10(0.125 + (0.01 + 0.04) / 2), abs=1e-4)
    assert facts.peak == pytest.approx(0.7, abs=1e-6)
    assert facts.offset == pytest.approx(-0.2, abs=1e-6)
    assert facts.offset_share == pytest.approx(0.04 / (0.125 + 0.04), abs=1e-6)
    assert (facts.rate, facts.channels, facts.frames, facts.seconds) == (16_000, 2, 32_000, 2.0)
    assert (facts.flat, facts.nonfinite, facts.problem) == (0, 0, "")


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_flat_tops_are_counted_exactly_also_behind_a_fader(gain):
    # 100 Hz at 16 kHz clipped at half its amplitude: each half wave is flat for a third of a
    # period, 160 / 3 = 53.3 samples; 200 periods, two half waves each.
    clipped = rounded(gain * tone(100, 1.0).clip(-0.5, 0.5))
    assert flat_samples(clipped) == pytest.approx(2 * 200 * 160 / 3, rel=0.01)


@pytest.mark.parametrize("frequency", [20, 50, 440, 3_000])
@pytest.mark.parametrize("amplitude", [3e-4, 0.01, 0.3, 0.99])
def test_the_round_top_of_a_tone_is_not_clipped_however_slow_or_quiet(frequency, amplitude):
    assert flat_samples(rounded(tone(frequency, amplitude))) == 0


def test_noise_is_clipped_only_when_it_is():
    noise = np.random.default_rng(0).standard_normal(50_000)
    smooth = np.convolve(noise, np.hanning(9), mode="same")
    assert flat_samples(rounded(0.1 * smooth / smooth.std())) == 0
    assert flat_samples(rounded(0.6 * smooth / smooth.std())) > 1_000


def test_broken_samples_are_counted_and_left_out_of_the_level(tmp_path):
    signal = tone(1_000, 0.5).astype(np.float32)
    signal[8_000] = np.nan
    signal[9_000:9_010] = -np.inf
    soundfile.write(tmp_path / "x.wav", signal, 16_000, subtype="FLOAT")
    facts, heard = measure(tmp_path / "x.wav")
    assert (facts.nonfinite, facts.nonfinite_s) == (11, 0.5)
    assert facts.level_db == pytest.approx(10 * math.log10(0.125), abs=0.01)
    assert heard is not None


def test_silence_has_no_level(tmp_path):
    audio.write(tmp_path / "x.wav", np.zeros((1, 8_000), np.float32), 16_000)
    facts, _ = measure(tmp_path / "x.wav")
    assert (facts.level_db, facts.peak, facts.offset_share) == (-math.inf, 0.0, 0.0)


def test_the_digest_sees_samples_and_not_containers(tmp_path, voice):
    signal = voice(0, 1.0)
    audio.write(tmp_path / "x.wav", signal, 16_000)
    audio.write(tmp_path / "x.flac", signal, 16_000)
    audio.write(tmp_path / "y.wav", 0.99 * signal, 16_000)
    audio.write(tmp_path / "z.wav", signal, 8_000)
    x, same, quieter, slower = (
        measure(tmp_path / name)[0].digest for name in ("x.wav", "x.flac", "y.wav", "z.wav")
    )
    assert x == same
    assert len({x, quieter, slower}) == 3


def test_a_file_that_breaks_off_is_a_problem_and_no_exception(tmp_path, voice):
    audio.write(tmp_path / "x.flac", voice(0, 3.0), 16_000)
    content = (tmp_path / "x.flac").read_bytes()
    (tmp_path / "x.flac").write_bytes(content[: len(content) // 2])
    facts, heard = measure(tmp_path / "x.flac")
    assert "cut off" in facts.problem
    assert heard is None
