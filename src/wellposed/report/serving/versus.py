"""Two runs beside each other: score by score, curve by curve, setting by setting."""

from collections.abc import Iterator, Mapping

import numpy as np

from wellposed.engine.recipe import leaves
from wellposed.metrics.catalogue import METRICS
from wellposed.report.charts import MOST_PANELS, NOISY, name_of
from wellposed.report.curves import legend
from wellposed.report.draw import Chart, Line, draw_chart
from wellposed.report.facts import RunFacts, Score, Series
from wellposed.report.markup import table, tag, text
from wellposed.report.serving.board import framed, run_address
from wellposed.report.serving.itemwise import (
    Items,
    Paired,
    paired,
    read_evaluations,
    same_items,
)
from wellposed.report.verdict import verdict
from wellposed.report.wording import count, figure, signed

HEAD = ("Metric", "A", "B", "B less A", "95 % interval", "Pairs", "In words")
NO_PAIRS = (
    "There are no scores of the same items in both: run `wellposed evaluate RUN --data PAIRS` for "
    "both with the same data to compare them item by item. Curves follow, side by side."
)
CURVES = ("loss", "gradient_norm", "learning_rate")


def versus(first: tuple[str, RunFacts], second: tuple[str, RunFacts]) -> str:
    """The page that compares two runs, by their keys."""
    (a, one), (b, other) = first, second
    parts = [_who("A", a, one), _who("B", b, other), *_items(one, other)]
    parts.append(tag("h2", "Curves, A and B in one panel") + _curves(one, other))
    parts.append(tag("h2", "What differs in their recipes") + _recipes(one, other))
    top = f" · {tag('a', 'all runs', href='/')}"
    content = "".join(tag("section", each) for each in parts)
    return framed(f"{a} and {b}", f"{a} and {b}", content, top=top)


def _who(letter: str, key: str, facts: RunFacts) -> str:
    title = tag("h2", f"{letter}: {tag('a', text(key), href=run_address(key))}")
    return title + tag("p", text(verdict(facts)), class_="lead")


def _items(one: RunFacts, other: RunFacts) -> Iterator[str]:
    first, second = read_evaluations(one.folder), read_evaluations(other.folder)
    title = tag("h2", "Item by item")
    tables = [_table(name, first[name], second[name]) for name in first if name in second]
    if any(tables):
        yield title + "".join(tables)
    else:
        yield title + tag("p", text(NO_PAIRS)) + tag("p", text(_scenes(one, other)))


def _table(evaluation: str, first: Items, second: Items) -> str:
    names, others = same_items(first, second)
    if not names:
        return ""
    lead = f"{evaluation}: {count(len(names), 'item')} in both. How hard an item is, is the same "
    lead += "for both and cancels."
    if others:
        lead += f" {count(others, 'item')} of the same name had another input, and are left out."
    rows = [_row(each) for each in paired(first, second, names)]
    return tag("p", text(lead)) + table(f"Paired differences in {evaluation}", HEAD, rows)


def _row(each: Paired) -> list[str]:
    title, unit = name_of(each.metric)
    difference = each.difference
    known = np.isfinite(difference.low)
    ends = f"{signed(difference.low)} to {signed(difference.high)}" if known else "none"
    return [
        f"{title} [{unit}]" if unit else title,
        figure(each.first),
        figure(each.second),
        signed(difference.mean),
        ends,
        str(difference.n),
        _words(each) if known else difference.note,
    ]


def _words(each: Paired) -> str:
    """Which run is better, where the interval says so."""
    low, high = each.difference.low, each.difference.high
    if low <= 0 <= high:
        return "no sure difference"
    better = METRICS[each.metric].better if each.metric in METRICS else "none"
    if better == "none":
        return "B is higher" if low > 0 else "A is higher"
    return "B is better" if (low > 0) == (better == "higher") else "A is better"


def _scenes(one: RunFacts, other: RunFacts) -> str:
    """Whether their validations may be compared at all."""
    if not (one.scenes and other.scenes):
        return "At least one was never validated."
    if one.scenes == other.scenes:
        return "Both were validated on the same scenes, so the means below may be compared."
    return (
        "They were validated on different scenes: the means below tell nothing of which is better."
    )


def _curves(one: RunFacts, other: RunFacts) -> str:
    charts = [*_validations(one, other), *_trainings(one, other)][:MOST_PANELS]
    if not charts:
        return tag("p", "There is nothing to draw in both.")
    span = (0.0, float(max(one.last_step or 0, other.last_step or 0, 1)))
    panels = [
        tag(
            "figure",
            tag("h3", text(chart.title)) + legend(chart) + draw_chart(chart, (), span, f"pair-{i}"),
            class_="panel",
        )
        for i, chart in enumerate(charts)
    ]
    return tag("div", "".join(panels), class_="panels")


def _validations(one: RunFacts, other: RunFacts) -> Iterator[Chart]:
    for name, scores in one.validation.items():
        if name in other.validation and not name.startswith(NOISY):
            title, unit = name_of(name)
            lines = (_scores("A", scores), _scores("B", other.validation[name]))
            yield Chart(title, unit, lines, dots=True, wide=False)


def _scores(label: str, scores: tuple[Score, ...]) -> Line:
    columns = np.asarray([(each.step, each.mean, each.low, each.high) for each in scores], float)
    return Line(label, *columns.T)


def _trainings(one: RunFacts, other: RunFacts) -> Iterator[Chart]:
    for name in CURVES:
        if name in one.train and name in other.train:
            title, unit = name_of(name)
            lines = (_series("A", one.train[name]), _series("B", other.train[name]))
            yield Chart(title, unit, lines, wide=name != "learning_rate")


def _series(label: str, series: Series) -> Line:
    return Line(label, series.steps, series.values)


def _recipes(one: RunFacts, other: RunFacts) -> str:
    first, second = dict(leaves(one.recipe)), dict(leaves(other.recipe))
    rows = [
        [key, _said(first, key), _said(second, key)]
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key)
    ]
    if not rows:
        return tag("p", "Nothing: the recipes are equal.")
    return table("Settings that differ", ("Setting", "A", "B"), rows)


def _said(recipe: Mapping[str, object], key: str) -> str:
    return str(recipe[key]) if key in recipe else "not there"
