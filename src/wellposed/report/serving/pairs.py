"""Every run against every other: mean paired differences on the items that both were scored on."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode

import numpy as np

from wellposed.metrics.catalogue import METRICS
from wellposed.report.charts import name_of
from wellposed.report.facts import RunFacts
from wellposed.report.markup import tag, text
from wellposed.report.serving.board import framed, run_address
from wellposed.report.serving.itemwise import (
    NOISY,
    Items,
    Paired,
    paired,
    read_evaluations,
    same_items,
)
from wellposed.report.wording import count, figure, signed

MOST = 12
"""Runs of one table: 66 intervals take a second or two."""
NONE = (
    "No two runs have scores of the same evaluation: run `wellposed evaluate RUN --data PAIRS` for "
    "two of them with the same data."
)
LEAD = (
    "Each cell is the run of its row less that of its column: the mean over the items that both "
    "have, with its 95 % interval and their number. In colour and bold where the interval does not "
    "hold 0; of runs that are equally good, one cell in twenty is so by chance."
)
Scored = Sequence[tuple[str, Items]]


def pairs_page(runs: Sequence[tuple[str, RunFacts]], metric: str) -> str:
    """A table for each evaluation, in one metric; "" takes the first that it has."""
    evaluations: dict[str, list[tuple[str, Items]]] = {}
    for key, facts in runs:
        for name, items in read_evaluations(facts.folder).items():
            evaluations.setdefault(name, []).append((key, items))
    parts = [
        tag("section", _section(name, scored, metric))
        for name, scored in evaluations.items()
        if len(scored) > 1
    ]
    content = tag("p", text(LEAD if parts else NONE), class_="lead") + "".join(parts)
    top = f" \N{MIDDLE DOT} {tag('a', 'all runs', href='/')}"
    return framed("All pairs", "All pairs of runs", content, top=top)


def _section(evaluation: str, scored: Scored, metric: str) -> str:
    metrics = _metrics(scored)
    chosen = metric if metric in metrics else next(iter(metrics), "")
    title, unit = name_of(chosen)
    links = [
        tag("a", text(name_of(each)[0]), href=f"/pairs?{urlencode({'metric': each})}")
        for each in metrics
        if each != chosen
    ]
    parts = [tag("h2", text(f"{evaluation}: {title}" + (f" [{unit}]" if unit else "")))]
    parts.append(tag("p", f"Other metrics: {', '.join(links)}", class_="quiet") if links else "")
    if len(scored) > MOST:
        parts.append(tag("p", text(f"The first {MOST} of {count(len(scored), 'run')}.")))
    parts.append(_table(evaluation, scored[:MOST], chosen))
    return "".join(parts)


def _metrics(scored: Scored) -> list[str]:
    """Metrics that any item has, in the order of the files."""
    names = (name for _, items in scored for row in items.values() for name in row)
    return [name for name in dict.fromkeys(names) if not name.startswith(NOISY)]


def _table(evaluation: str, scored: Scored, metric: str) -> str:
    head = "".join(
        tag("th", tag("a", text(key), href=run_address(key)), scope="col") for key, _ in scored
    )
    rows = []
    for key, items in scored:
        cells = "".join(tag("td", _cell(items, other, metric)) for _, other in scored)
        name = tag("th", tag("a", text(key), href=run_address(key)), scope="row")
        rows.append(tag("tr", name + cells))
    caption = f"Row less column in {evaluation}"
    content = tag("caption", text(caption)) + tag("thead", tag("tr", tag("th", "Run") + head))
    content += tag("tbody", "".join(rows))
    return (
        f'<div class="scroll card" tabindex="0" role="region" aria-label="{text(caption)}">'
        f"{tag('table', content, class_='board')}</div>"
    )


def _cell(row: Items, column: Items, metric: str) -> str:
    if row is column:
        return ""
    names, _ = same_items(column, row)
    only = {name: _only(items, names, metric) for name, items in (("a", column), ("b", row))}
    found = paired(only["a"], only["b"], names)
    return "".join(_parts(found[0])) if found else "no pairs"


def _only(items: Items, names: list[str], metric: str) -> dict[str, Mapping[str, float]]:
    return {name: {metric: items[name].get(metric, np.nan)} for name in names}


def _parts(each: Paired) -> Iterator[str]:
    low, high = each.difference.low, each.difference.high
    yield tag("span", text(signed(each.difference.mean)), class_=f"word {_kind(each, low, high)}")
    ends = f"{figure(low)} to {figure(high)}" if np.isfinite(low) else "no interval"
    yield tag("small", text(f"{ends}, {each.difference.n}"))


def _kind(each: Paired, low: float, high: float) -> str:
    """Colour of a cell: better, worse, or nothing sure."""
    better = METRICS[each.metric].better if each.metric in METRICS else "none"
    if not (low > 0 or high < 0) or better == "none":
        return "silent"
    return "good" if (low > 0) == (better == "higher") else "bad"
