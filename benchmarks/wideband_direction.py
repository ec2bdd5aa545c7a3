"""How far wide-band directions are off: beside their bound, and on recordings with known ones.

    python benchmarks/wideband_direction.py                            # simulated, with the bound
    python benchmarks/wideband_direction.py --recordings FILE... --array geometry.yaml

Simulated: white noise from a far source at four microphones (a corner and 10 cm along each axis),
exact delays, white noise of the microphones; one second at 16 kHz. The bound is the stochastic one,
summed over the bins of non-overlapping windows: with white signals every bin says its part.
Recordings whose name ends in a unit vector, `_X_Y_Z` with m for minus, x right, y forward, z up.
"""

import argparse
import math
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wellposed.data.audio import read
from wellposed.dsp.arrays.geometry import direction
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.metrics.bounds.fisher import Fisher, stochastic
from wellposed.systems.locate.microphones import SPEED_OF_SOUND, Microphones
from wellposed.systems.locate.wideband import locate_talk

RATE, SECONDS, WINDOW = 16000, 1.0, 1024
CORNER = [[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]]
AZIMUTH, ELEVATION = math.radians(100.0), math.radians(-35.0)


def main() -> None:
    """Print a table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=Path, nargs="*", default=[])
    parser.add_argument("--array", type=Path)
    parser.add_argument("--seeds", type=int, default=30)
    options = parser.parse_args()
    if options.recordings:
        of_recordings(options.recordings, Microphones.read(options.array))
    else:
        simulated(options.seeds)


def simulated(seeds: int) -> None:
    """Root mean square errors over seeds, and the bound."""
    microphones = Microphones(torch.tensor(CORNER, dtype=torch.float64), SPEED_OF_SOUND)
    print("| SNR [dB] | azimuth [deg] | bound | ratio | elevation [deg] | bound | ratio |")
    print("|-|-|-|-|-|-|-|")
    for snr_db in (20, 10, 5, 0, -5, -10):
        talks = [locate_talk(heard(snr_db, seed), RATE, microphones) for seed in range(seeds)]
        made = [(each.heard.azimuth, each.heard.elevation) for each in talks]
        errors = np.degrees(np.array(made) - (AZIMUTH, ELEVATION))
        rms = np.sqrt((errors**2).mean(0))
        least = np.degrees(bound(snr_db).numpy())
        cells = [f"{rms[i]:.4f} | {least[i]:.4f} | {rms[i] / least[i]:.2f}" for i in range(2)]
        print(f"| {snr_db} | {' | '.join(cells)} |", flush=True)


def heard(snr_db: float, seed: int) -> np.ndarray:
    """One second of the source and the microphones' noise, float32."""
    draws = np.random.default_rng(seed)
    time = round(SECONDS * RATE)
    spectrum = np.fft.rfft(draws.standard_normal(time))
    hertz = np.fft.rfftfreq(time, 1 / RATE)
    unit = direction(torch.tensor(AZIMUTH), torch.tensor(ELEVATION)).double().numpy()
    leads = np.array(CORNER) @ unit / SPEED_OF_SOUND
    clean = np.fft.irfft(spectrum * np.exp(2j * np.pi * hertz * leads[:, None]), time)
    noise = draws.standard_normal(clean.shape)
    return (0.1 * (clean + 10 ** (-snr_db / 20) * noise)).astype(np.float32)


def bound(snr_db: float) -> Tensor:
    """Standard deviations of azimuth and elevation [rad] that no unbiased estimate beats."""
    positions = torch.tensor(CORNER, dtype=torch.float64)
    place = Places.of(torch.tensor([AZIMUTH]).double(), torch.tensor([ELEVATION]).double())
    noise = torch.tensor(10 ** (-snr_db / 10), dtype=torch.float64)
    power = torch.ones(1, 1, dtype=torch.complex128)
    windows = round(SECONDS * RATE / WINDOW)
    whole: Fisher | None = None
    for number in range(1, WINDOW // 2):
        wavelength = SPEED_OF_SOUND / (number * RATE / WINDOW)
        array = Array(positions, wavelength, model="far")
        slopes = array.derivatives(place, ("azimuth", "elevation"))
        part = stochastic(array.response(place), slopes, power, noise, windows)
        whole = part if whole is None else whole + part
    assert whole is not None
    return whole.deviations(1)[:, 0]


def of_recordings(paths: list[Path], microphones: Microphones) -> None:
    """Errors in the order of channels as it is, and with the last two exchanged."""
    print(
        "| recording | azimuth, true | off [deg] | elevation, true | told | agreement | exchanged |"
    )
    print("|-|-|-|-|-|-|-|")
    for path in paths:
        sound, rate = read(path)
        true = np.degrees(truth(path))
        talk = locate_talk(sound, rate, microphones)
        told = np.degrees((talk.heard.azimuth, talk.heard.elevation))
        off = (told[0] - true[0] + 180) % 360 - 180
        other = locate_talk(sound[[0, 1, 3, 2]], rate, microphones)
        wrong = (math.degrees(other.heard.azimuth) - true[0] + 180) % 360 - 180
        spread = [math.degrees(each) for each in talk.deviations]
        print(
            f"| {path.stem} | {true[0]:.2f} | {off:+.3f} ± {spread[0]:.3f} | {true[1]:.1f} | "
            f"{told[1]:.1f} ± {spread[1]:.1f} | {talk.heard.agreement:.2f} | "
            f"{wrong:+.1f} deg, agreement {other.heard.agreement:.2f} |",
            flush=True,
        )


def truth(path: Path) -> tuple[float, float]:
    """Azimuth and elevation [rad] of the unit vector at the end of a name."""
    numbers = re.findall(r"(?<=_)m?\d[\d.]*(?=_|$)", path.stem)[-3:]
    right, forward, up = (float(each.replace("m", "-")) for each in numbers)
    return math.atan2(right, forward), math.asin(up / math.hypot(right, forward, up))


if __name__ == "__main__":
    main()
