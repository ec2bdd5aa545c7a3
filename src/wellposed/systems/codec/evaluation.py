"""How good a codec is at each of its bitrates: scores, true rates, distance to what is possible.

Promise: every recording is coded once, into a real file, and every point is decoded from that file
with stages left out; rates are those of files. Opus stands beside at its own rates where its
programs are installed; where not, the table says so.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wellposed.data.audio import Waveform, resample, write
from wellposed.errors import DataError
from wellposed.metrics.catalogue import require_packages
from wellposed.metrics.distortion_rate import reference_curve
from wellposed.metrics.rate import Usage, actual_kbps, nominal_kbps
from wellposed.metrics.score import Score, undefined
from wellposed.metrics.table import (
    Row,
    Summary,
    failures,
    label,
    score_pair,
    spread,
    summarise,
    write_csv,
    write_json,
)
from wellposed.systems.codec import opus
from wellposed.systems.codec.bitstream.truncate import truncate
from wellposed.systems.codec.coder import Coder
from wellposed.systems.codec.lossy import decoded_with_losses

LOSSES = (0.05, 0.1, 0.2)
"""Shares of lost frames that are tried, beside none."""
OPUS_KBPS = (6.0, 8.0, 12.0, 16.0)
LOUD_EXAMPLES = 3
"""Recordings whose sounds are kept for the report."""
LONGEST_EXAMPLE_S = 6.0


@dataclass
class Point:
    """One way to code all recordings."""

    name: str
    kind: str
    """"codec", "opus" or "loss"."""
    nominal_kbps: float
    stages: int = 0
    loss: float = 0.0
    rows: list[Row] = field(default_factory=list)
    effective_kbps: float | None = None

    def summary(self, seed: int) -> dict[str, Summary]:
        """Means with 95 % intervals."""
        return summarise(self.rows, seed)


@dataclass
class CodecEvaluation:
    """Scores of a codec on a set of recordings."""

    model: str
    files: list[str]
    points: list[Point]
    references: dict[str, list[float]]
    """Mean reference SNR [dB] of the recordings, by envelope and way, at the codec's rates."""
    usage: Usage
    notes: list[str]
    seed: int = 0

    def text(self) -> str:
        """Table for people: a block for each point, the use of the codebooks, and the notes."""
        lines = [f"{len(self.files)} recordings, {self.model}: mean [95 % interval]"]
        for point in self.points:
            lines.append(f"\n{point.name}")
            if point.effective_kbps is not None:
                lines.append(f"{label('effective_kbps')}  {point.effective_kbps:.3f}")
            summary = point.summary(self.seed)
            width = max(len(label(name)) for name in summary)
            lines += [
                f"{label(name):<{width}}  {spread(entry)}  n={entry['n']}"
                for name, entry in summary.items()
            ]
            for name, reasons in failures(point.rows).items():
                lines += [f"  {name}: {n} undefined: {why}" for why, n in reasons.items()]
        lines.append("\nrate-distortion reference, mean SNR [dB] at the rates of the codes")
        rates = [p.nominal_kbps for p in self.points if p.kind == "codec"]
        lines.append("kbit/s      " + " ".join(f"{rate:6.2f}" for rate in rates))
        lines += [
            f"{name:<12}" + " ".join(f"{value:6.1f}" for value in values)
            for name, values in self.references.items()
        ]
        used = [
            f"{stage + 1}: {perplexity:.0f} ({used})"
            for stage, (perplexity, used) in enumerate(
                zip(self.usage.perplexities(), self.usage.used(), strict=True)
            )
        ]
        lines.append(
            f"perplexity (codes used) of {self.usage.books[0]} by stage: {', '.join(used)}"
        )
        return "\n".join([*lines, *self.notes])

    def content(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "model": self.model,
            "files": self.files,
            "seed": self.seed,
            "points": [
                {
                    "name": point.name,
                    "kind": point.kind,
                    "stages": point.stages,
                    "loss": point.loss,
                    "nominal_kbps": point.nominal_kbps,
                    "effective_kbps": point.effective_kbps,
                    "metrics": point.summary(self.seed),
                    "failures": failures(point.rows),
                }
                for point in self.points
            ],
            "references": self.references,
            "perplexities": self.usage.perplexities(),
            "used": self.usage.used(),
            "notes": self.notes,
        }

    def write(self, folder: Path) -> None:
        """Write rates.json, rates.csv (a line per recording) and rates.txt."""
        tables = {f"{point.name}/": point.rows for point in self.points}
        write_csv(folder / "rates.csv", self.files, tables)
        write_json(folder / "rates.json", self.content())
        (folder / "rates.txt").write_text(self.text() + "\n", encoding="utf-8")


Recording = tuple[str, Waveform, int]
"""Name, (1, time), rate [Hz]."""


def evaluate(
    coder: Coder,
    recordings: Iterable[Recording],
    *,
    stages: Sequence[int] | None = None,
    losses: Sequence[float] = LOSSES,
    with_opus: bool = True,
    names: Sequence[str] | None = None,
    examples: Path | None = None,
    progress: Callable[[int, str], None] | None = None,
) -> CodecEvaluation:
    """Score a codec on mono recordings at every number of `stages` (None: all, a half, a quarter).

    With `examples` the sounds of the first recordings are written below that folder. Raises
    DataError (no recording, more than one channel), RunError (a package is missing).
    """
    network = coder.network
    everything = len(network.books)
    counts = sorted({*(stages or (everything, -(-everything // 2), -(-everything // 4)))})
    chosen = tuple(names or default_names())
    require_packages(chosen)
    frames_per_second = network.rate / network.hop
    points = [
        Point(_name(n, nominal_kbps(network.books[:n], frames_per_second)), "codec",
              nominal_kbps(network.books[:n], frames_per_second), stages=n)
        for n in counts
    ]  # fmt: skip
    notes: list[str] = []
    rivals = _rivals(with_opus, notes)
    lossy = [
        Point(f"{100 * loss:g} % of frames lost", "loss", points[-1].nominal_kbps, everything, loss)
        for loss in losses
    ]
    usage, files = Usage(network.books), []
    curves: dict[str, list[list[float]]] = {}
    for number, (name, wave, rate) in enumerate(recordings):
        if len(wave) != 1:
            raise DataError(f"{name}: {len(wave)} channels; codecs are scored on mono recordings")
        made: dict[str, Waveform] = {"original": wave}
        content = coder.file_of(wave, rate)
        usage.add(coder.codes_in(content))
        curve = _curves(wave, rate, network.rate, [point.nominal_kbps for point in points])
        for key, values in curve.items():
            curves.setdefault(key, []).append(values)
        for index, point in enumerate(points):
            fewer = _cut(coder, content, point.stages)
            again = _decoded(coder, fewer)
            row = score_pair(reference=wave[0], estimate=again[0], rate=rate, names=chosen)
            row["actual_kbps"] = Score(actual_kbps(len(fewer), wave.shape[1] / rate))
            row["rd_gap_db"] = _gap(curve["A constant"][index], row)
            point.rows.append(row)
            made[point.name] = again
        for point in lossy:
            again = decoded_with_losses(coder, content, point.loss, seed=number)
            point.rows.append(
                score_pair(reference=wave[0], estimate=again[0], rate=rate, names=chosen)
            )
        for point in rivals:
            result = opus.through_opus(wave, rate, point.nominal_kbps)
            row = score_pair(reference=wave[0], estimate=result.wave[0], rate=rate, names=chosen)
            row["actual_kbps"] = Score(result.kbps)
            point.rows.append(row)
            made[point.name] = result.wave
        files.append(name)
        if examples is not None and number < LOUD_EXAMPLES:
            _keep(examples / Path(name).stem, made, rate)
        if progress is not None:
            progress(len(files), name)
    if not files:
        raise DataError("evaluation: there is no recording to score; give at least one")
    for point in points:
        point.effective_kbps = usage.effective_kbps(frames_per_second, point.stages)
    if not usage.enough():
        notes.append(
            f"{usage.frames} frames are too few to see all {max(network.books)} codes: effective "
            "rates and perplexities are lower bounds."
        )
    means = {key: np.mean(values, axis=0).tolist() for key, values in curves.items()}
    return CodecEvaluation(coder.name, files, [*points, *lossy, *rivals], means, usage, notes)


def default_names() -> tuple[str, ...]:
    """Metrics of a codec; PESQ where its package is installed."""
    return (
        "pesq_wb", "stoi", "aligned_si_sdr_db", "aligned_snr_db", "delay_samples",
        "mel_distance_db", "level_error_db", "amplitude_error_db",
    )  # fmt: skip


def _name(stages: int, kbps: float) -> str:
    return f"{stages} {'stage' if stages == 1 else 'stages'}, {kbps:.2f} kbit/s"


def _rivals(wanted: bool, notes: list[str]) -> list[Point]:
    if not wanted:
        return []
    if opus.missing():
        notes.append(f"no Opus beside: {', '.join(opus.missing())} not installed (opus-tools).")
        return []
    notes.append(f"Opus by {opus.version()}, constant bitrate, complexity 10, frames of 20 ms.")
    return [Point(f"Opus, {kbps:g} kbit/s", "opus", kbps) for kbps in OPUS_KBPS]


def _cut(coder: Coder, content: bytes, stages: int) -> bytes:
    sink = io.BytesIO()
    truncate(coder.open(io.BytesIO(content), "evaluation"), sink, stages=stages)
    return sink.getvalue()


def _decoded(coder: Coder, content: bytes) -> Waveform:
    return np.concatenate(list(_blocks(coder, content)), axis=1)


def _blocks(coder: Coder, content: bytes) -> Iterator[Waveform]:
    yield from coder.decode(coder.open(io.BytesIO(content), "evaluation"))


def _curves(
    wave: Waveform, rate: int, coded_rate: int, kbps: Sequence[float]
) -> dict[str, list[float]]:
    """Reference SNRs of a recording, at the rate of the network."""
    low = resample(wave, rate, coded_rate)[0]
    a, b = (reference_curve(low, coded_rate, kbps, envelope) for envelope in ("A", "B"))
    return {
        "A constant": list(a.constant),
        "B constant": list(b.constant),
        "A variable": list(a.variable),
    }


def _gap(reference_db: float, row: Row) -> Score:
    found = row.get("aligned_snr_db")
    if found is None or found.value is None:
        return undefined("there is no aligned SNR to compare with")
    if not np.isfinite(reference_db):
        return undefined("the reference is silent")
    return Score(reference_db - found.value)


def _keep(folder: Path, made: dict[str, Waveform], rate: int) -> None:
    longest = round(LONGEST_EXAMPLE_S * rate)
    for number, (name, wave) in enumerate(made.items()):
        plain = name.replace("/", "_per_").replace(" ", "_").replace(",", "")
        write(folder / f"{number:02d}_{plain}.flac", wave[:, :longest], rate)
