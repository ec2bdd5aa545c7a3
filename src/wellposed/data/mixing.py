"""Arithmetic of mixing: active level, scaling to a ratio, equalising and changing speed.

All on float32 arrays `(time,)`. Randomness comes in through a passed generator.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Wave = NDArray[np.float32]

SILENCE = 1e-10
"""Mean power below which a signal counts as silent: -100 dB re full scale, under the dither
of 16-bit audio (-98 dBFS)."""


RUMBLE_HZ = (30.0, 60.0)
"""Below the first nothing of a clean recording is speech, above the second all may be: the
lowest voices have their fundamental at 60 Hz."""


def power(wave: Wave) -> float:
    """Mean square."""
    return float(np.mean(np.square(wave, dtype=np.float64)))


def active_power(wave: Wave, rate: int) -> float:
    """Mean square over the 20 ms frames within 30 dB of the loudest one: pauses do not count.

    A rough stand-in for the active speech level of ITU-T P.56, whose margin to the speech
    level is 15.9 dB: the 30 dB from the loudest frame include soft speech.
    """
    frame = max(1, rate // 50)
    whole = len(wave) // frame * frame
    if whole == 0:
        return power(wave)
    frames = np.mean(np.square(wave[:whole], dtype=np.float64).reshape(-1, frame), axis=1)
    return float(frames[frames >= frames.max() * 1e-3].mean())


def dynamic_range_db(wave: Wave, rate: int) -> float:
    """Distance of loud and quiet 20 ms frames (90th and 8th percentile) [dB].

    Small for speech recorded in noise, whose pauses are not quiet.
    """
    frame = max(1, rate // 50)
    whole = len(wave) // frame * frame
    if whole == 0:
        return 0.0
    frames = np.mean(np.square(wave[:whole], dtype=np.float64).reshape(-1, frame), axis=1)
    low, high = np.percentile(frames, [8, 90])
    return float(10 * np.log10((high + 1e-12) / (low + 1e-12)))


def gain_for_ratio(signal_power: float, noise_power: float, ratio_db: float) -> float:
    """Gain for the noise that makes the power ratio `ratio_db`; 0 if the noise is silent."""
    if noise_power < SILENCE:
        return 0.0
    return float(np.sqrt(signal_power / noise_power * 10 ** (-ratio_db / 10)))


def without_rumble(wave: Wave, rate: int) -> Wave:
    """Remove what lies below a voice, by a zero-phase filter with a raised-cosine edge.

    Clean recordings hold rumble too: as a target it teaches to keep it, and as a reference it
    counts as speech.
    """
    spectrum = scipy.fft.rfft(wave)
    low, high = RUMBLE_HZ
    place = (np.linspace(0.0, rate / 2, len(spectrum)) - low) / (high - low)
    spectrum *= (0.5 - 0.5 * np.cos(np.pi * np.clip(place, 0.0, 1.0))).astype(np.float32)
    return scipy.fft.irfft(spectrum, n=len(wave)).astype(np.float32)


def stretched_length(samples: int, speed: float) -> int:
    """Samples of source needed for `samples` of output at `speed`, quick to transform."""
    return int(scipy.fft.next_fast_len(max(2, round(samples * speed)), real=True))


def equaliser(rng: np.random.Generator, bins: int, rate: int, spread_db: float) -> NDArray:
    """Random smooth magnitude response over `bins` from 0 to rate / 2.

    Gaussian gains of standard deviation `spread_db` at octaves from 60 Hz up, joined linearly
    over log-frequency; zero mean over the octaves, so the level changes little.
    """
    knots = 60.0 * 2.0 ** np.arange(int(np.log2(rate / 2 / 60.0)) + 2)
    gains = rng.normal(0.0, spread_db, len(knots))
    gains -= gains.mean()
    frequency = np.linspace(0.0, rate / 2, bins)
    curve = np.interp(np.log2(np.maximum(frequency, 1.0)), np.log2(knots), gains)
    return (10 ** (curve / 20)).astype(np.float32)


def reshape_sound(wave: Wave, samples: int, response: NDArray | None) -> Wave:
    """Change speed and colour in one pass: `wave` of any length to `samples`.

    Resampling is by cutting or padding the spectrum, so pitch and formants move with the
    speed, as on a tape. `response` is sampled at `samples // 2 + 1` bins of the output.
    """
    spectrum = scipy.fft.rfft(wave)
    bins = samples // 2 + 1
    if len(spectrum) < bins:
        spectrum = np.pad(spectrum, (0, bins - len(spectrum)))
    spectrum = spectrum[:bins] * np.float32(samples / len(wave))
    if response is not None:
        spectrum *= response
    return scipy.fft.irfft(spectrum, n=samples).astype(np.float32)
