"""Where in frequency a codec's error is, in shares of the power of a scene; and what rumble does.

python benchmarks/codec_bands.py WEIGHTS --data DIR [--scenes 20] [--split test]
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wellposed.data.mixing import without_rumble
from wellposed.metrics.speech import si_sdr_db
from wellposed.systems.codec.coder import Coder
from wellposed.systems.codec.loading import WEIGHTS
from wellposed.systems.codec.recordings import recordings

EDGES_HZ = (0, 60, 400, 800, 1600, 8000)


def shares(wave: NDArray[np.float32], rate: int, whole: float) -> list[float]:
    """Power of each band over `whole`."""
    power = np.square(np.abs(np.fft.rfft(wave.astype(np.float64)))) / len(wave)
    hertz = np.fft.rfftfreq(len(wave), 1 / rate)
    pairs = itertools.pairwise(EDGES_HZ)
    return [2 * power[(hertz >= low) & (hertz < high)].sum() / whole for low, high in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    weights = WEIGHTS.find(options.weights)
    coder, rows, ratios = Coder.load(weights), [], []
    found = recordings(weights, options.data, options.scenes, options.split)
    for _, wave, rate in itertools.islice(found, options.scenes):
        again, whole = coder.again(wave, rate)[0], float(np.square(wave, dtype=np.float64).sum())
        given = wave[0]
        rows.append([shares(given, rate, whole), shares(again - given, rate, whole)])
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


if __name__ == "__main__":
    main()
