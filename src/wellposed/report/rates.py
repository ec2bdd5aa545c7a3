"""The section of a codec: quality over bitrate, beside Opus and what is possible, with sounds."""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from wellposed.data import audio
from wellposed.errors import DataError
from wellposed.metrics.catalogue import METRICS
from wellposed.report import sound
from wellposed.report.draw import DASHES, Chart, Line, draw_chart
from wellposed.report.facts import number
from wellposed.report.markup import table, tag, text
from wellposed.report.sound import Sound
from wellposed.report.wording import figure

CURVES = (
    "pesq_wb", "stoi", "aligned_si_sdr_db", "aligned_snr_db", "mel_distance_db", "level_error_db",
)  # fmt: skip
REFERENCES = {"A constant": "reference A", "B constant": "reference B"}
AXIS = "kbit/s"

Point = Mapping[str, Any]


def rates_section(run: Path, budget: int) -> str:
    """The section, of at most `budget` bytes; "" where `wellposed evaluate` has left no rates."""
    path = run / "evaluation" / "rates.json"
    if not path.is_file():
        return ""
    content = json.loads(path.read_text(encoding="utf-8"))
    points: list[Point] = content["points"]
    parts = [tag("h2", "Bitrates", id="rates-title"), tag("p", text(_lead(content)), class_="lead")]
    charts = [chart for name in CURVES if (chart := _chart(name, content))]
    top = max(_kbps(point) for point in points)
    panels = [
        tag(
            "figure",
            tag("h4", text(chart.title))
            + _legend(chart)
            + draw_chart(chart, (), (0.0, 1.05 * top), f"rates-{i}"),
            class_="panel",
        )
        for i, chart in enumerate(charts)
    ]
    parts.append(tag("div", "".join(panels), class_="panels"))
    parts.append(tag("div", _table(points), class_="card"))
    parts += [tag("p", text(note), class_="quiet") for note in content["notes"]]
    html = "".join(parts)
    html += _players(run / "evaluation" / "examples", budget - len(html))
    return f'<section id="rates" aria-labelledby="rates-title">\n{html}\n</section>'


def _lead(content: Mapping[str, Any]) -> str:
    return (
        f"{len(content['files'])} recordings, each coded once and decoded with fewer and fewer "
        "stages; the axis is the size of the files. The references are what a Gaussian of their "
        "spectrum would allow, good to about 3 dB, and say nothing about what ears mind."
    )


def _chart(name: str, content: Mapping[str, Any]) -> Chart | None:
    lines = [_line(label, kind, name, content["points"])
             for label, kind in (("this codec", "codec"), ("Opus", "opus"))]  # fmt: skip
    if name == "aligned_snr_db":
        rates = [point["nominal_kbps"] for point in content["points"] if point["kind"] == "codec"]
        lines += [
            Line(label, np.asarray(rates, float), np.asarray(content["references"][key], float))
            for key, label in REFERENCES.items()
            if key in content["references"]
        ]
    drawn = tuple(line for line in lines if line.values.size)[: len(DASHES)]
    entry = METRICS[name]
    if not drawn:
        return None
    return Chart(entry.title, entry.unit, drawn, dots=True, wide=False, axis=AXIS)


def _line(label: str, kind: str, name: str, points: Sequence[Point]) -> Line:
    chosen = sorted(
        (point for point in points if point["kind"] == kind and name in point["metrics"]),
        key=_kbps,
    )
    entries = [point["metrics"][name] for point in chosen]
    mean, low, high = (
        np.array([number(entry[key]) for entry in entries]) for key in ("mean", "low", "high")
    )
    return Line(label, np.array([_kbps(point) for point in chosen]), mean, low, high)


def _kbps(point: Point) -> float:
    entry = point["metrics"].get("actual_kbps")
    return number(entry["mean"]) if entry else float(point["nominal_kbps"])


def _legend(chart: Chart) -> str:
    items = []
    for i, (line, dash) in enumerate(zip(chart.lines, DASHES, strict=False), 1):
        parts = dash[1] if isinstance(dash, tuple) else ()
        pattern = " ".join(f"{2 * part:g}" for part in parts) or "none"
        swatch = (
            '<svg viewBox="0 0 30 10" aria-hidden="true"><path d="M0 5H30" stroke-width="2.5" '
            f'stroke="var(--series-{i})" stroke-dasharray="{pattern}"/></svg>'
        )
        items.append(tag("li", swatch + text(line.label)))
    return tag("ul", "".join(items), class_="legend")


def _table(points: Sequence[Point]) -> str:
    names = [name for name in METRICS if any(name in point["metrics"] for point in points)]
    head = ["Metric", *[str(point["name"]) for point in points]]
    rows = []
    for name in names:
        entry = METRICS[name]
        title = f"{entry.title} [{entry.unit}]" if entry.unit else entry.title
        rows.append([title, *[_cell(point["metrics"].get(name)) for point in points]])
    effective = [point["effective_kbps"] for point in points]
    rows.append(
        ["entropy of the codes [kbit/s]", *["" if e is None else figure(e) for e in effective]]
    )
    return table("Mean over the recordings, 95 % interval", head, rows)


def _cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None or not entry["n"]:
        return ""
    mean, low, high = (number(entry[key]) for key in ("mean", "low", "high"))
    ends = f" ({figure(low)} to {figure(high)})" if np.isfinite(low) else ""
    return figure(mean) + ends


def _players(folder: Path, budget: int) -> str:
    """Players of the recordings' versions, as many as fit."""
    html = ""
    serial = count(1)
    for example in sorted(path for path in folder.glob("*") if path.is_dir()):
        tracks = []
        for path in sorted(example.glob("*.flac")):
            title = path.stem.split("_", 1)[-1].replace("_per_", "/").replace("_", " ")
            try:
                samples, rate = audio.read(path)
            except DataError as error:
                tracks.append(tag("p", text(error)))
                continue
            each = Sound(title, samples[0], rate, samples.shape[1] / rate, path)
            player = (
                f'<audio controls preload="none" aria-label="{text(title)}" '
                f'src="{sound.audio_uri(each)}"></audio>'
            )
            tracks.append(tag("figure", tag("h4", text(title)) + player, class_="track"))
        block = tag(
            "article",
            tag("h3", text(example.name)) + tag("div", "".join(tracks), class_="tracks"),
            class_="example",
            id=f"rate-example-{next(serial)}",
        )
        if len(html) + len(block) > budget:
            note = f"Not embedded, to keep the page small; listen in {folder.name}/."
            return html + tag("p", text(note), class_="quiet")
        html += block
    return html
