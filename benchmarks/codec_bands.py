"""Where in frequency a codec's error is, in shares of the power of a scene; and what rumble does.

python benchmarks/codec_bands.py WEIGHTS --data DIR [--scenes 20] [--split test]
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from wellposed.data.mixing import without_rumble
from wellposed.metrics.speech import si_sdr_db
from wellposed.systems.codec.coder import Coder
from wellposed.systems.codec.loading import WEIGHTS
from wellposed.systems.codec.recipe import FRAMES_PER_SECOND
from wellposed.systems.codec.recordings import recordings

EDGES_HZ = (0, 60, 400, 800, 1600, 8000)


def shares(wave: NDArray[np.float32], rate: int, whole: float) -> list[float]:
    """Power of each band over `whole`."""
    power = np.square(np.abs(np.fft.rfft(wave.astype(np.float64)))) / len(wave)
    hertz = np.fft.rfftfreq(len(wave), 1 / rate)
    pairs = itertools.pairwise(EDGES_HZ)
    return [2 * power[(hertz >= low) & (hertz < high)].sum() / whole for low, high in pairs]


def modulation(wave: NDArray[np.float32], rate: int) -> list[float]:
    """Power of the envelope from 1.6 to 7 kHz near multiples of 50 Hz, over what is beside.

    1: patterns that repeat in every frame are not heard.
    """
    sections = signal.butter(4, (1600, 7000), "bandpass", fs=rate, output="sos")
    envelope = np.abs(signal.hilbert(signal.sosfiltfilt(sections, wave)))
    hertz, power = signal.welch(envelope - envelope.mean(), rate, nperseg=rate // 2)
    found = []
    for wanted in (1, 2, 3):
        away = np.abs(hertz - wanted * FRAMES_PER_SECOND)
        found.append(power[away <= 2].mean() / np.median(power[(away > 4) & (away < 24)]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    weights = WEIGHTS.find(options.weights)
    coder, rows, ratios, buzz = Coder.load(weights), [], [], []
    found = recordings(weights, options.data, options.scenes, options.split)
    for _, wave, rate in itertools.islice(found, options.scenes):
        again, whole = coder.again(wave, rate)[0], float(np.square(wave, dtype=np.float64).sum())
        given = wave[0]
        rows.append([shares(given, rate, whole), shares(again - given, rate, whole)])
        buzz.append([modulation(each, rate) for each in (given, again)])
        clean = [without_rumble(each, rate) for each in (again, given)]
        ratios.append([si_sdr_db(again, given).value, si_sdr_db(*clean).value])
    mean = np.mean(rows, axis=0)
    print(f"{options.scenes} scenes of {options.split}, shares of the power of the scene")
    print("Hz      " + " ".join(f"{low}-{high:<6}" for low, high in itertools.pairwise(EDGES_HZ)))
    for name, values in zip(("sound", "error"), mean, strict=True):
        print(f"{name:6s} " + " ".join(f"{value:9.1%}" for value in values))
    print(
        "SI-SDR [dB]: {:.1f}; both without what is below 60 Hz: {:.1f}".format(*np.mean(ratios, 0))
    )

    print("envelope from 1.6 to 7 kHz at 50, 100, 150 Hz, over what is beside")
    for name, values in zip(("sound", "coded"), np.mean(buzz, axis=0), strict=True):
        print(f"{name:6s} " + " ".join(f"{value:5.1f}" for value in values))


if __name__ == "__main__":
    main()
