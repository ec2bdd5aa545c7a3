"""The section of curves: panels, what their marks mean, and the scores as a table."""

from collections.abc import Sequence

import numpy as np

from wellposed.report.charts import (
    MOST_PANELS,
    NOISY,
    baseline,
    letter,
    marked_events,
    marks_of,
    name_of,
    panels_of,
    span_of,
    training_charts,
    validation_charts,
)
from wellposed.report.draw import DASHES, Chart, Line, draw_chart, has_trend
from wellposed.report.facts import Event, RunFacts, Score
from wellposed.report.markup import prose, table, tag, text
from wellposed.report.verdict import INTERVAL, has_interval
from wellposed.report.wording import count, figure

MOST_OPEN_EVENTS = 8


def curves_section(facts: RunFacts) -> str:
    """All panels of the run with findings and events marked where they happened."""
    validation, training = validation_charts(facts), training_charts(facts)
    if not validation and not training:
        return tag("p", "The history has no values to draw yet.", class_="lead")
    parts = [_key(facts, validation, training), _found(facts), _events(marked_events(facts))]
    for title, charts, prefix in (
        ("Validation", validation, "validation"),
        ("Training", training, "training"),
    ):
        if charts:
            parts.append(tag("h3", title, class_="subhead"))
            parts.append(_panels(facts, charts, prefix))
        if charts and prefix == "validation":
            parts.append(_scores(facts))
    if not validation:
        parts.append(tag("p", "No validation was recorded.", class_="quiet"))
    return "".join(parts)


def _panels(facts: RunFacts, charts: Sequence[Chart], prefix: str) -> str:
    marks, span = marks_of(facts), span_of(facts)
    told = _told(facts)
    panels = [
        tag(
            "figure",
            tag("h4", text(chart.title))
            + legend(chart)
            + draw_chart(chart, marks, span, f"{prefix}-{i}")
            + _caption(chart, told.get(f"panel-{prefix}-{i}", [])),
            class_="panel",
            id=f"panel-{prefix}-{i}",
            tabindex="-1",
        )
        for i, chart in enumerate(charts[:MOST_PANELS])
    ]
    html = tag("div", "".join(panels), class_="panels")
    left = [chart.title for chart in charts[MOST_PANELS:]]
    if left:
        note = f"Not drawn, to keep the page small: {', '.join(left)}."
        html += tag("p", text(note), class_="quiet")
    return html


def legend(chart: Chart) -> str:
    """Names of the curves with their last values; "" for a curve alone."""
    if len(chart.lines) < 2:
        return ""
    items = []
    for i, line in enumerate(chart.lines):
        dash = DASHES[i]
        pattern = (
            " ".join(f"{2 * part:g}" for part in dash[1]) if isinstance(dash, tuple) else "none"
        )
        swatch = (
            f'<svg viewBox="0 0 30 10" aria-hidden="true"><path d="M0 5H30" stroke-width="2.5" '
            f'stroke="var(--series-{i + 1})" stroke-dasharray="{pattern}"/></svg>'
        )
        items.append(tag("li", swatch + text(f"{line.label} {_last(line)}")))
    return tag("ul", "".join(items), class_="legend")


def _last(line: Line) -> str:
    return figure(float(line.values[-1])) if line.values.size else ""


def _told(facts: RunFacts) -> dict[str, list[int]]:
    """Numbers of the findings that speak of each panel."""
    told: dict[str, list[int]] = {}
    for i, finding in enumerate(facts.findings, 1):
        for panel, _ in panels_of(facts, finding):
            told.setdefault(panel, []).append(i)
    return told


def _caption(chart: Chart, findings: Sequence[int]) -> str:
    parts = []
    for line in chart.lines:
        good = line.values[np.isfinite(line.values)]
        bad = line.values.size - good.size
        name = f"{line.label}: " if len(chart.lines) > 1 else ""
        if good.size and len(chart.lines) == 1:
            ends = f"first {figure(good[0])}, last {figure(good[-1])}, "
            spread = f"range {figure(good.min())} to {figure(good.max())}"
            parts.append(ends + spread if good.size > 1 else f"one value, {figure(good[0])}")
        if bad:
            parts.append(f"{name}{count(bad, 'value')} not finite")
    links = [tag("a", f"finding {i}", href=f"#finding-{i}") for i in findings]
    said = [text("; ".join(parts))] if parts else []
    if links:
        said.append(f"See {', '.join(links)}")
    return tag("figcaption", ". ".join(said)) if said else ""


def _has_band(line: Line) -> bool:
    return line.low is not None and bool(np.isfinite(line.low).any())


def _key(facts: RunFacts, validation: Sequence[Chart], training: Sequence[Chart]) -> str:
    items = []
    if facts.findings:
        items.append('<b class="alarm">1 2 3</b> red line: a finding starts')
    if marked_events(facts):
        items.append('<b class="event">a b c</b> dotted line: an event')
    if facts.best_step is not None:
        items.append('<b class="best">\N{BLACK STAR}</b> the best checkpoint')
    if any(chart.level is not None for chart in validation):
        items.append("dashed level: the noisy input")
    if any(_has_band(line) for chart in validation for line in chart.lines):
        items.append(f"band: {INTERVAL} of the mean")
    if any(has_trend(chart, line) for chart in training for line in chart.lines):
        items.append("thin: every logged value; thick: medians of equal stretches")
    if any(not np.isfinite(line.values).all() for c in training for line in c.lines):
        items.append('<b class="alarm">\N{MULTIPLICATION X}</b> a value that is not finite')
    return tag("ul", "".join(tag("li", item) for item in items), class_="key")


def _found(facts: RunFacts) -> str:
    """The marks of findings as text, so that they can be reached without a pointer."""
    items = [
        tag(
            "li",
            tag("b", str(i), class_="alarm")
            + " "
            + tag("a", prose(finding.title), href=f"#finding-{i}")
            + text(f" ({finding.code}) from step {finding.since_step:,}"),
            id=f"mark-{i}",
            tabindex="-1",
        )
        for i, finding in enumerate(facts.findings, 1)
    ]
    if not items:
        return ""
    content = tag("ol", "".join(items), class_="events", aria_label="Findings on the curves")
    if len(items) <= MOST_OPEN_EVENTS:
        return content
    return tag("details", tag("summary", text(count(len(items), "finding"))) + content)


def _events(events: Sequence[Event]) -> str:
    if not events:
        return ""
    items = [
        tag(
            "li",
            tag("b", letter(i))
            + text(f" {event.name} at step {event.step:,}")
            + prose(f": {event.message}" if event.message else ""),
            id=f"event-{i}",
        )
        for i, event in enumerate(events, 1)
    ]
    content = tag("ol", "".join(items), class_="events")
    if len(events) <= MOST_OPEN_EVENTS:
        return content
    return tag("details", tag("summary", text(count(len(events), "event"))) + content)


def _scores(facts: RunFacts) -> str:
    rows = []
    # Nobody scores the input of a codec or a locator.
    noisy = any(name.startswith(NOISY) for name in facts.validation)
    for name, scores in facts.validation.items():
        if name.startswith(NOISY):
            continue
        title, unit = name_of(name)
        best = next((score for score in scores if score.step == facts.best_step), None)
        shown = [baseline(facts, name)] * noisy + [best, scores[-1]]
        cells = [_cell(score) for score in shown]
        rows.append([f"{title} [{unit}]" if unit else title, *cells, _scenes(scores[-1])])
    columns = ["Noisy input"] * noisy + [f"Best, step {facts.best_step or 0:,}", "Last"]
    head = ["Metric", *columns, "Scenes"]
    return tag(
        "div", table(f"Mean over the validation scenes, {INTERVAL}", head, rows), class_="card"
    )


def _cell(score: Score | None) -> str:
    if score is None:
        return "not measured"
    ends = f" ({figure(score.low)} to {figure(score.high)})" if has_interval(score) else ""
    return figure(score.mean) + ends


def _scenes(score: Score) -> str:
    return f"{score.n:,}" + (f" of {score.n + score.failed:,}" if score.failed else "")
