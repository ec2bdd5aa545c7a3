"""What an extractor does for two speakers of any gender, and without the target, in all.

`wellposed evaluate` tells scenarios apart; this reads its scores.csv and pools them.
"""

import argparse
import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from wellposed.intervals import mean_interval

Rows = list[dict[str, str]]
TWO = ("present multi, other", "present multi, same")
SCENARIOS = {
    "two speakers": TWO,
    "two speakers, other gender": TWO[:1],
    "two speakers, same gender": TWO[1:],
    "two others": ("present multi, two",),
    "target in part": ("partial",),
    "with the target": ("present", "partial"),
    "without the target": ("absent",),
    "without, one voice": ("absent single",),
    "without, two voices": ("absent multi",),
}
"""Names of groups, and what the scenarios in them have in their names."""
METRICS = (
    "si_sdr_improvement_db", "level_error_db", "confusion", "not_improved", "absent_attenuation_db",
    "false_alarm", "miss",
)  # fmt: skip


def numbers(rows: Rows, name: str) -> list[float]:
    """The values that are defined."""
    return [float(row[name]) for row in rows if row[name]]


def gaps(rows: Rows) -> list[float]:
    """SI-SDR by the right enrolment less that by a wrong one [dB]."""
    ours, other = "si_sdr_db", "wrong/si_sdr_db"
    return [float(row[ours]) - float(row[other]) for row in rows if row[ours] and row[other]]


def line(name: str, values: list[float]) -> str:
    """Mean with its interval and median; of what may be below zero, of the absolute values too."""
    mean, sizes = mean_interval(values, np.random.default_rng(0)), np.abs(values)
    told = f"{mean.mean:.2f} [{mean.low:.2f}, {mean.high:.2f}]"
    absolute = f", absolute: mean {sizes.mean():.2f}, median {np.median(sizes):.2f}"
    return f"  {name:<24}{told:<24} median {np.median(values):.2f}" + absolute * (min(values) < 0)


def of(rows: Rows, scenarios: Iterable[str]) -> Rows:
    """Those of the scenarios."""
    return [row for row in rows if any(each in row["file"] for each in scenarios)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", type=Path, help="scores.csv of `wellposed evaluate ... --out`")
    with parser.parse_args().scores.open(encoding="utf-8", newline="") as source:
        every = list(csv.DictReader(source))
    for group, scenarios in SCENARIOS.items():
        rows = of(every, scenarios)
        print(f"{group}, {len(rows)} scenes")
        found = {name: numbers(rows, name) for name in METRICS}
        found["right less wrong"] = gaps(rows)
        for name, values in found.items():
            if values:
                print(line(name, values))


if __name__ == "__main__":
    main()
