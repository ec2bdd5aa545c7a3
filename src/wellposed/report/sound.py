"""Sounds of an example: bytes for a player, a spectrogram, and numbers that say the same.

The noisy input, the estimate and the clean reference of one example share one colour range, so
that a difference in colour is a difference in level. 0 dB is a sine at full scale.
"""

import base64
import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from wellposed.data import audio

LONGEST_S = 12.0  # of a sound in the page: at 48 kHz a trio of such sounds is about 3 MB
WINDOW_MS = 32.0
HOP_MS = 8.0
RANGE_DB = 80.0  # quietest colour below the loudest: speech with its pauses spans 50 to 60 dB
MOST_COLUMNS = 560
MOST_ROWS = 257
COLOURS = "magma"  # lightness rises evenly, so it reads in grey and for colour-blind people
LEVELS = 64  # colours of the picture; steps of 1.25 dB are finer than the eye tells here
FLOOR_DB = -140.0

TITLES = {"noisy": "Noisy input", "estimate": "Estimate", "clean": "Clean reference"}

Decibels = NDArray[np.float64]


@dataclass(frozen=True)
class Sound:
    """One file of an example, its first channel, cut to what the page embeds."""

    role: str
    samples: NDArray[np.float32]
    """(time,), full scale 1"""
    rate: int
    whole_s: float
    """Length of the file, which may be longer than `samples`."""
    file: Path

    @property
    def seconds(self) -> float:
        """Length of what is embedded."""
        return len(self.samples) / self.rate


def read_sounds(folder: Path) -> list[Sound]:
    """The sounds of one example, in the order of `TITLES`.

    Raises:
        DataError: a file is there but cannot be read.
    """
    return [_read(role, path) for role in TITLES if (path := folder / f"{role}.flac").is_file()]


def audio_uri(sound: Sound) -> str:
    """The sound as `data:` address, FLAC of 16 bits."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(sound.samples, -1, 1), sound.rate, "PCM_16", format="FLAC")
    return _data_uri("audio/flac", buffer.getvalue())


def power_db(sound: Sound) -> Decibels:
    """Spectrogram (frequency, time) [dB re a sine at full scale], 32 ms Hann windows."""
    size = round(sound.rate * WINDOW_MS / 1000)
    hop = max(round(sound.rate * HOP_MS / 1000), len(sound.samples) // MOST_COLUMNS, 1)
    window = np.hanning(size + 1)[:-1]
    padded = np.pad(sound.samples.astype(np.float64), (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: len(sound.samples) : hop]
    amplitude = np.abs(np.fft.rfft(frames * window, axis=-1)).T * 2 / window.sum()
    amplitude[[0, -1]] /= 2  # DC and Nyquist have no mirror image
    rows = -(-len(amplitude) // MOST_ROWS)
    if rows > 1:  # the loudest of neighbouring bins, so that no thin harmonic gets lost
        amplitude = np.maximum.reduceat(amplitude, np.arange(0, len(amplitude), rows), axis=0)
    return 20 * np.log10(np.maximum(amplitude, 10 ** (FLOOR_DB / 20)))


def shared_range(pictures: list[Decibels]) -> tuple[float, float]:
    """Quietest and loudest colour [dBFS] for all pictures of one example, in tens of dB."""
    top = max(float(picture.max()) for picture in pictures)
    high = float(np.ceil(max(top, FLOOR_DB + RANGE_DB) / 10) * 10)
    return high - RANGE_DB, high


def picture_uri(decibels: Decibels, low: float, high: float) -> str:
    """The spectrogram as `data:` address of a PNG, low frequencies at the foot."""
    share = np.clip((decibels[::-1] - low) / (high - low), 0, 1)
    image = Image.fromarray(np.round(share * (LEVELS - 1)).astype(np.uint8), mode="P")
    image.putpalette((palette() * 255).round().astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return _data_uri("image/png", buffer.getvalue())


def palette() -> NDArray[np.float64]:
    """The colours of `picture_uri` from quiet to loud, (LEVELS, 3) in 0..1."""
    return mpl.colormaps[COLOURS](np.linspace(0, 1, LEVELS))[:, :3]


def describe(sound: Sound, decibels: Decibels, low: float, high: float) -> str:
    """The spectrogram in words and numbers."""
    parts = [
        f"Spectrogram of the {TITLES[sound.role].lower()}: {sound.seconds:.1f} s, "
        f"0 to {sound.rate / 2000:g} kHz, colours from {low:.0f} to {high:.0f} dBFS."
    ]
    peak = float(np.abs(sound.samples).max(initial=0))
    rms = float(np.sqrt(np.mean(sound.samples.astype(np.float64) ** 2)))
    if peak == 0:
        return " ".join([*parts, "Digital silence."])
    parts.append(f"RMS {_db(rms)}, peak {_db(peak)}.")
    edges = [0.0, 1000.0, 4000.0, sound.rate / 2]
    frequencies = np.linspace(0, sound.rate / 2, len(decibels))
    for first, last in pairwise(edges):
        chosen = (frequencies >= first) & (frequencies < last)
        if chosen.any():
            band = np.sqrt(np.mean(10 ** (decibels[chosen] / 10)))
            parts.append(f"{first / 1000:g} to {last / 1000:g} kHz: {_db(float(band))} per bin.")
    return " ".join(parts)


def _read(role: str, path: Path) -> Sound:
    info = audio.inspect(path)
    samples, rate = audio.read(path, frames=min(info.frames, round(LONGEST_S * info.rate)))
    return Sound(role, samples[0], rate, info.seconds, path)


def _db(amplitude: float) -> str:
    level = 20 * np.log10(max(amplitude, 10 ** (FLOOR_DB / 20)))
    return f"{level:.0f} dBFS".replace("-", "\N{MINUS SIGN}")


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
