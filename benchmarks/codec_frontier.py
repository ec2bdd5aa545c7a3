"""What a bitrate could give at best: PESQ and SI-SDR of ideally coded test scenes, and of Opus.

Each coefficient of an MDCT of 20 ms is sent through the test channel of a Gaussian of its variance
(envelope A of `metrics/distortion_rate.py`, told for nothing): no codec of independent frames has a
smaller error for the bits. GAMMA says what is made small: the squared error (0), or that error over
the power of the coefficient to GAMMA, as noise shaping does (1: the same SNR everywhere). "Filled":
what gets no bits is noise of its variance instead of nothing, and not counted as bits either.

    python benchmarks/codec_frontier.py WEIGHTS --data DIR [--scenes 20] [--kbps 6]
"""

import argparse
import itertools
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from wellposed.metrics.distortion_rate import FRAMES_PER_SECOND, mdct, variances
from wellposed.metrics.speech import pesq_wb, si_sdr_db
from wellposed.systems.codec.loading import WEIGHTS
from wellposed.systems.codec.recordings import recordings

Array = NDArray[np.float64]
GAMMAS = (0.0, 0.25, 0.5, 0.75, 0.9)
STEPS = 60
"""Of the search for the level of the water, which halve an interval of 200 bits: 1e-15 bits."""


def framed(wave: Array, half: int) -> Array:
    whole = -(-len(wave) // half) * half
    padded = np.pad(wave, (half, whole - len(wave) + half))
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * half)[::half]


def sound(coefficients: Array, samples: int) -> Array:
    """Inverse of `mdct`: its transpose, and neighbours added."""
    half = coefficients.shape[1]
    back = coefficients @ mdct(np.eye(2 * half)).T
    made = np.zeros((len(back) + 1) * half)
    for number, frame in enumerate(back):
        made[number * half : (number + 2) * half] += frame
    return made[half : half + samples]


def errors(v: Array, bits: float, gamma: float) -> Array:
    """Variance of the error of each coefficient when every frame has so many bits."""
    logs = (1 - gamma) * np.log2(v)
    low, high = logs.min(1, keepdims=True) - 100, logs.max(1, keepdims=True) + 100
    for _ in range(STEPS):
        middle = (low + high) / 2
        spent = np.maximum(0, logs - middle).sum(1, keepdims=True) / 2
        low, high = np.where(spent > bits, middle, low), np.where(spent > bits, high, middle)
    return np.minimum(v, 2.0**high * v**gamma)


def coded(x: Array, v: Array, bits: float, gamma: float, rng: np.random.Generator) -> list[Array]:
    """Coefficients after the channel, without and with noise where no bits are."""
    d = errors(v, bits, gamma)
    keep = 1 - d / v
    made = keep * x + np.sqrt(d * keep) * rng.standard_normal(x.shape)
    filled = np.where(keep > 0, made, np.sqrt(v) * rng.standard_normal(x.shape))
    return [made, filled]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--kbps", type=float, default=6.0)
    options = parser.parse_args()
    weights, scores = WEIGHTS.find(options.weights), {}
    bits = 1000 * options.kbps / FRAMES_PER_SECOND
    found = recordings(weights, options.data, options.scenes)
    for _, wave, rate in itertools.islice(found, options.scenes):
        reference, half = wave[0].astype(np.float64), rate // FRAMES_PER_SECOND
        x, rng = mdct(framed(reference, half)), np.random.default_rng(0)
        v = variances(wave[0], rate, "A")
        v *= np.square(x).sum() / v.sum()
        for gamma in GAMMAS:
            for name, made in zip(("", ", filled"), coded(x, v, bits, gamma, rng), strict=True):
                again = sound(made, len(reference)).astype(np.float32)
                pair = pesq_wb(again, wave[0], rate).value, si_sdr_db(again, wave[0]).value
                scores.setdefault(f"{gamma:g}{name}", []).append(pair)
    print(f"{options.kbps:g} kbit/s, {options.scenes} scenes; gamma: PESQ, SI-SDR [dB]")
    for name, pairs in scores.items():
        pesq, ratio = (fmean(each[n] for each in pairs) for n in (0, 1))
        print(f"{name:14s} {pesq:.2f} {ratio:6.1f}")


if __name__ == "__main__":
    main()
