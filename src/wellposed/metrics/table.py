"""Tables of scores: many files, many metrics, means with intervals, failures counted.

Promise: no file vanishes. A score that could not be computed is left out of the mean and counted
beside it with its reason; a mean of no values is NaN.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import isfinite, isnan
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from wellposed.intervals import Interval, mean_interval, paired_interval
from wellposed.metrics import alignment, mel, speech
from wellposed.metrics.catalogue import metric
from wellposed.metrics.score import Score, Signal, undefined

Row = Mapping[str, Score]
"""The scores of one file by the name of the metric."""


class Summary(TypedDict):
    """Mean of one metric over many files and its 95 % interval, in the unit of the metric."""

    mean: float
    low: float
    high: float
    n: int
    """How many files have a value."""
    failed: int
    """How many have none."""


_WAVEFORM: dict[str, Callable[[Signal, Signal], Score]] = {
    "si_sdr_db": speech.si_sdr_db,
    "snr_db": speech.snr_db,
    "level_error_db": speech.level_error_db,
    "amplitude_error_db": speech.amplitude_error_db,
    "delay_samples": alignment.delay_samples,
    "aligned_snr_db": alignment.aligned_snr_db,
    "aligned_si_sdr_db": alignment.aligned_si_sdr_db,
}
_RATED: dict[str, Callable[[Signal, Signal, int], Score]] = {
    "pesq_wb": speech.pesq_wb,
    "pesq_nb": speech.pesq_nb,
    "stoi": speech.stoi,
    "estoi": speech.estoi,
    "mel_distance_db": mel.mel_distance_db,
}


def score_pair(
    *,
    reference: Signal,
    estimate: Signal,
    rate: int,
    names: Sequence[str],
    noisy: Signal | None = None,
) -> dict[str, Score]:
    """Score one estimate, all signals (time,) and of equal length, in the order of `names`.

    By keyword only: most metrics are not symmetric and a swap would go unseen. `noisy` is
    wanted by `si_sdr_improvement_db`. Raises RecipeError for an unknown name, RunError for a
    package that is not installed.
    """
    scores = {}
    for name in names:
        if metric(name).needs_noisy:
            scores[name] = (
                undefined("there is no noisy input to compare with")
                if noisy is None
                else speech.si_sdr_improvement_db(estimate, reference, noisy)
            )
        elif name in _WAVEFORM:
            scores[name] = _WAVEFORM[name](estimate, reference)
        elif metric(name).of_file:
            scores[name] = undefined("belongs to a coded file, not to two signals")
        elif metric(name).of_scene:
            scores[name] = undefined("needs to know who speaks where in a scene")
        else:
            scores[name] = _RATED[name](estimate, reference, rate)
    return scores


def summarise(rows: Sequence[Row], seed: int) -> dict[str, Summary]:
    """Mean and 95 % interval of each metric over the files that have a value.

    Each metric has its own generator, keyed by seed and name, so adding a metric changes no
    other interval.
    """
    summary = {}
    for name in _names(rows):
        scores = [row[name] for row in rows if name in row]
        values = [score.value for score in scores if score.value is not None]
        interval = mean_interval(values, _generator(seed, name))
        summary[name] = _summary(interval, len(scores) - len(values))
    return summary


def compare(rows: Sequence[Row], others: Sequence[Row], seed: int) -> dict[str, Summary]:
    """Mean of `rows - others`, file by file, with its 95 % interval.

    Of each metric that both have, over the files where both have a value; `failed` counts the
    other files.
    """
    assert len(rows) == len(others), f"{len(rows)} against {len(others)} files: not pairs"
    comparison = {}
    for name in [name for name in _names(rows) if name in _names(others)]:
        pairs = [
            (row[name].value, other[name].value) for row, other in zip(rows, others, strict=True)
        ]
        both = [(a, b) for a, b in pairs if a is not None and b is not None]
        first, second = [a for a, _ in both], [b for _, b in both]
        interval = paired_interval(first, second, _generator(seed, name))
        comparison[name] = _summary(interval, len(pairs) - len(both))
    return comparison


def failures(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """How often each metric had no value, by reason; metrics without failure are absent."""
    counted: dict[str, Counter[str]] = {}
    for row in rows:
        for name, score in row.items():
            if score.value is None:
                counted.setdefault(name, Counter())[score.reason] += 1
    return {name: dict(reasons.most_common()) for name, reasons in counted.items()}


def text_table(summary: Mapping[str, Summary], reasons: Mapping[str, Mapping[str, int]]) -> str:
    """Lines for people: title, unit, direction, mean [95 % interval], and what failed and why."""
    lines = []
    width = max((len(label(name)) for name in summary), default=0)
    for name, entry in summary.items():
        lines.append(f"{label(name):<{width}}  {spread(entry)}  n={entry['n']}")
        for reason, count in reasons.get(name, {}).items():
            lines.append(f"  {count} of {entry['n'] + entry['failed']} undefined: {reason}")
    return "\n".join(lines)


def label(name: str) -> str:
    """Title, unit and direction: `SI-SDR [dB], higher is better`."""
    entry = metric(name)
    unit = f" [{entry.unit}]" if entry.unit else ""
    way = f"{entry.better} is better"
    if entry.better == "none":
        way = "0 is right" if entry.note.startswith("0 is right") else entry.note
    return f"{entry.title}{unit}, {way}"


def spread(entry: Summary) -> str:
    """Mean and interval: `2.731 [2.512, 2.949]`; says so where there is none."""
    if not entry["n"]:
        return "undefined"
    if isnan(entry["low"]):
        return f"{entry['mean']:.3f} [one value, no interval]"
    return f"{entry['mean']:.3f} [{entry['low']:.3f}, {entry['high']:.3f}]"


def write_csv(path: Path, files: Sequence[str], tables: Mapping[str, Sequence[Row]]) -> None:
    """Write one line per file; `tables` maps a prefix of the column names to the scores.

    An undefined score is an empty cell and its reason stands in the last column, `undefined`.
    """
    columns = [(prefix, name) for prefix, rows in tables.items() for name in _names(rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *[prefix + name for prefix, name in columns], "undefined"])
        for index, entry in enumerate(files):
            scores = {prefix + name: tables[prefix][index][name] for prefix, name in columns}
            cells = ["" if s.value is None else repr(float(s.value)) for s in scores.values()]
            why = [f"{name}: {s.reason}" for name, s in scores.items() if s.value is None]
            writer.writerow([entry, *cells, "; ".join(why)])


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that every parser reads: numbers that are not finite become strings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain(content), indent=2) + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """Nested values with numbers that are not finite as strings, which every parser reads."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, *name.encode()])


def _summary(interval: Interval, failed: int) -> Summary:
    return {
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
        "failed": failed,
    }
