"""Logs of healthy runs, drawn: curves that settle, noise of several kinds, schedules, rounding.

Nothing here knows a threshold of the doctor. Each log is a CSV as a training script might write it.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from wellposed.doctor import Asked, Diagnosis, diagnose, prepare, read_log

Values = NDArray[np.float64]
Diagnosed = Callable[..., Diagnosis]


@pytest.fixture
def diagnosed(tmp_path: Path) -> Diagnosed:
    """A function from a log's text and its name to the diagnosis of its first table."""

    def read(text: str, name: str = "log.csv", asked: Asked | None = None) -> Diagnosis:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return diagnose(prepare(read_log(path)[0], asked or Asked()))

    return read


@pytest.fixture(scope="session")
def drawn_log() -> Callable[[int], str]:
    """A function from a seed to the CSV of a healthy run."""
    return healthy_log


def healthy_log(seed: int) -> str:
    """One log; every property of it is drawn."""
    draw = np.random.default_rng(seed)
    n = int(draw.choice([30, 100, 400, 1500, 3000]))
    every = int(draw.choice([1, 10, 100]))
    validations = int(draw.integers(3, min(n // 3, 60) + 1))
    steps = every * np.arange(1, n + 1)
    due = np.unique(np.linspace(n / validations, n, validations).round().astype(int)) - 1
    columns = {"step": [f"{step}" for step in steps]}
    written = str(draw.choice([".4g", ".6g", ".12g", ".4f", ".5f"]))
    for name, values in _training(draw, n).items():
        columns[name] = [f"{value:{written}}" for value in values]
    for name, values in _validation(draw, len(due)).items():
        column = [""] * n
        for row, value in zip(due, values, strict=True):
            column[row] = f"{value:{written}}"
        columns[name] = column
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *map(",".join, rows)]) + "\n"


def settling(draw: np.random.Generator, n: int, pace: tuple[float, float] = (1, 8)) -> Values:
    """From 0 to 1, ever slower; how far it gets differs."""
    return 1 - np.exp(-draw.uniform(*pace) * np.arange(1, n + 1) / n)


def noise(draw: np.random.Generator, n: int) -> Values:
    """Values of standard deviation about 1: normal, heavy-tailed, skewed; some are correlated."""
    kind = draw.integers(4)
    if kind == 0:
        white = draw.normal(size=n)
    elif kind == 1:
        white = draw.standard_t(5, size=n) / np.sqrt(5 / 3)
    elif kind == 2:
        white = draw.exponential(size=n) - 1
    else:
        white = (np.exp(0.5 * draw.normal(size=n)) - 1.133) / 0.604
    r = float(draw.choice([0.0, 0.0, 0.3, 0.6]))
    values = np.empty(n)
    last = 0.0
    for index, value in enumerate(white):
        values[index] = last = r * last + np.sqrt(1 - r * r) * value
    return values


def _training(draw: np.random.Generator, n: int) -> dict[str, Values]:
    gain = draw.uniform(0.3, 0.9)
    scale, spread = 10 ** draw.uniform(-2, 1), 10 ** draw.uniform(-2.5, -0.5)
    loss = scale * (1 - gain * settling(draw, n)) * (1 + spread * noise(draw, n))
    if draw.random() < 0.3:
        # A loss in dB, which passes through zero.
        loss = 5 - 20 * settling(draw, n) + draw.uniform(0.1, 2) * noise(draw, n)
    norm = np.exp(0.3 * noise(draw, n)) * (0.3 + np.exp(-np.arange(n) / n))
    warm = max(1, int(draw.uniform(0, 0.1) * n))
    rate = np.minimum(np.arange(n) / warm, 0.5 + 0.5 * np.cos(np.pi * np.arange(n) / n))
    found = {"train/loss": loss, "lr": 1e-3 * rate, "grad_norm": norm}
    if draw.random() < 0.3:
        found["d_loss"] = 0.5 + 0.1 * noise(draw, n).clip(-3, 3)
    return found


def _validation(draw: np.random.Generator, n: int) -> dict[str, Values]:
    grown, spread = settling(draw, n), 10 ** draw.uniform(-2.5, -1)
    if draw.random() < 0.2:
        # The log of a run that was taken up when it had nearly arrived.
        grown = 1 - 0.02 * (1 - grown)
    start, gain = draw.uniform(1, 6), draw.uniform(3, 10)
    found = {
        "val/si_sdr_db": start + gain * (grown + spread * noise(draw, n)),
        "val/pesq": 1.5 + draw.uniform(0.3, 1.5) * (grown + spread * noise(draw, n)),
        "val/snr": draw.uniform(-4, 2) + draw.uniform(7, 12) * (grown + spread * noise(draw, n)),
        "val/loss": 2 - draw.uniform(0.3, 1.5) * (grown + spread * noise(draw, n)),
    }
    # The level starts anywhere and settles a little below the reference, as it does under noise.
    first, last = draw.uniform(-8, 4), draw.uniform(-1.5, 0.3)
    wander = draw.uniform(0.02, 0.3) * noise(draw, n)
    level = last + (first - last) * (1 - settling(draw, n, (3, 12))) + wander
    found["val/rms_ratio"] = 10 ** (level / 20)
    found["val/ta_energy_db"] = -20 - 10 * grown + wander
    kept = [name for name in found if draw.random() < 0.8]
    return {name: found[name] for name in kept}
