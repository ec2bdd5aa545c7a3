"""Spectrograms: the level of a known tone, one range for one example, sounds that come back."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from wellposed.report.sound import (
    LONGEST_S,
    Sound,
    audio_uri,
    describe,
    picture_uri,
    power_db,
    read_sounds,
    shared_range,
)

RATE = 16000


def tone(amplitude: float, frequency: float = 1000.0, rate: int = RATE) -> Sound:
    time = np.arange(rate) / rate
    samples = (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)
    return Sound("noisy", samples, rate, 1.0, Path("noisy.flac"))


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.001])
def test_a_sine_of_amplitude_a_peaks_at_20_log10_a_db_in_its_bin(amplitude: float) -> None:
    picture = power_db(tone(amplitude))
    middle = picture[:, picture.shape[1] // 2]
    assert middle.argmax() == 32  # 1000 Hz / 31.25 Hz
    assert middle.max() == pytest.approx(20 * np.log10(amplitude), abs=1e-3)


def test_a_thin_line_at_48_khz_survives_the_smaller_picture() -> None:
    picture = power_db(tone(1.0, 20000.0, 48000))
    assert picture.shape[0] <= 257
    assert picture[:, picture.shape[1] // 2].max() == pytest.approx(0, abs=1e-3)


def test_the_range_is_80_db_below_the_loudest_of_all_rounded_up_to_tens() -> None:
    assert shared_range([np.full((2, 2), -63.0), np.full((2, 2), -21.0)]) == (-100.0, -20.0)


def test_loud_is_bright_and_high_is_up() -> None:
    decibels = np.array([[-100.0, -100.0], [-20.0, -20.0]])  # the second row is the higher one
    content = base64.b64decode(picture_uri(decibels, -100.0, -20.0).split(",")[1])
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("L"), dtype=int)
    assert (pixels[0] > 200).all()
    assert (pixels[1] < 5).all()


def test_the_embedded_sound_is_the_sound() -> None:
    sound = tone(0.5)
    content = base64.b64decode(audio_uri(sound).removeprefix("data:audio/flac;base64,"))
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(samples, sound.samples, atol=1 / 32768)


def test_the_description_carries_level_and_peak() -> None:
    # RMS of a sine is 3.01 dB below its peak of 20 log10(0.1) = -20 dB.
    assert "RMS −23 dBFS, peak −20 dBFS." in describe(tone(0.1), power_db(tone(0.1)), -100, -20)


def test_silence_is_called_silence() -> None:
    silence = tone(0.0)
    low, high = shared_range([power_db(silence)])
    assert "Digital silence." in describe(silence, power_db(silence), low, high)


def test_a_long_sound_is_cut_and_its_length_remembered(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clean.flac", np.zeros(8000 * 13), 8000, "PCM_16")
    (sound,) = read_sounds(tmp_path)
    assert (sound.role, sound.seconds, sound.whole_s) == ("clean", LONGEST_S, 13.0)
