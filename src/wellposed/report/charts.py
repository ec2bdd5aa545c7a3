"""Which curves a run has, in which order, and what is marked on them.

The metric that chooses the checkpoint comes first, then the other validation metrics, then what
was logged while training. Every finding and every event of the run is a mark on every panel.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from wellposed.guard.findings import Finding
from wellposed.metrics.catalogue import METRICS
from wellposed.report.draw import DASHES, Chart, Line, Mark
from wellposed.report.facts import Event, RunFacts, Score, Series
from wellposed.report.wording import TRAINING_TITLES, plain, with_unit

NOISY = "noisy/"
LINEAR = ("learning_rate", "items_per_s")  # their course is read, not their orders of magnitude
MOST_PANELS = 30  # of one kind; a panel takes 0.1 s and 20 to 120 kB
QUIET_EVENTS = ("started", "finished")  # they stand at the ends of every axis anyway


def validation_charts(facts: RunFacts) -> list[Chart]:
    """A panel for each metric; a metric of the noisy input becomes a level in its panel."""
    names = [name for name in facts.validation if not name.startswith(NOISY)]
    names.sort(key=lambda name: name != facts.select)
    return [_validation_chart(facts, name) for name in names]


def training_charts(facts: RunFacts) -> list[Chart]:
    """Panels of `loss` and its terms, the gradient norm, the learning rate and all the rest."""
    groups: dict[str, dict[str, Series]] = {}
    for name, series in facts.train.items():
        groups.setdefault(_group(name), {})[name] = series
    order = list(TRAINING_TITLES)
    keys = sorted(groups, key=lambda key: order.index(key) if key in order else len(order))
    return [chart for key in keys for chart in _training_charts(key, groups[key])]


def marks_of(facts: RunFacts) -> list[Mark]:
    """Findings are numbered as in their list, events have letters."""
    findings = [
        Mark(finding.since_step, str(i), f"#finding-{i}", alarm=True)
        for i, finding in enumerate(facts.findings, 1)
    ]
    events = [
        Mark(event.step, letter(i), f"#event-{i}", alarm=False)
        for i, event in enumerate(marked_events(facts), 1)
    ]
    return findings + events


def marked_events(facts: RunFacts) -> list[Event]:
    """The events worth a mark."""
    return [event for event in facts.events if event.name not in QUIET_EVENTS]


def panels_of(facts: RunFacts, finding: Finding) -> list[tuple[str, str]]:
    """Id and title of the panels that a finding speaks of; the first panel where it names none."""
    panels = [
        (f"panel-{prefix}-{i}", chart)
        for prefix, charts in (
            ("validation", validation_charts(facts)),
            ("training", training_charts(facts)),
        )
        for i, chart in enumerate(charts[:MOST_PANELS])
    ]
    words = {str(value) for value in finding.evidence.values()} | set(finding.evidence)
    words |= {f"loss/{word}" for word in words}
    named = [(panel, chart.title) for panel, chart in panels if words & set(chart.keys)]
    return named or [(panel, chart.title) for panel, chart in panels[:1]]


def letter(i: int) -> str:
    """1, 2, ... as a, b, ... z, aa, ab, ..."""
    text = ""
    while i:
        i, digit = divmod(i - 1, 26)
        text = chr(ord("a") + digit) + text
    return text


def span_of(facts: RunFacts) -> tuple[float, float]:
    """The steps that all panels share."""
    last = facts.last_step or 0
    return 0.0, float(max(last, 1))


def baseline(facts: RunFacts, name: str) -> Score | None:
    """The last score of the noisy input in metric `name`, where it was measured."""
    scores = facts.validation.get(f"{NOISY}{name}", ())
    return scores[-1] if scores else None


def name_of(metric: str) -> tuple[str, str]:
    """Title and unit of a metric or a training value; the key itself where nothing is known."""
    if metric in TRAINING_TITLES:
        return TRAINING_TITLES[metric]
    part, slash, last = metric.rpartition("/")
    if known := METRICS.get(last):
        title, unit = known.title + f", {plain(part)}" * bool(slash), known.unit
    else:
        bare, unit = with_unit(metric)
        title = plain(bare)
    return title[:1].upper() + title[1:], unit


def _validation_chart(facts: RunFacts, name: str) -> Chart:
    title, unit = name_of(name)
    scores = facts.validation[name]
    noisy = baseline(facts, name)
    level = noisy.mean if noisy else 0.0 if name.endswith("_improvement_db") else None
    return Chart(
        title=title,
        unit=unit,
        lines=(_score_line(scores),),
        level=level,
        best_step=facts.best_step,
        dots=True,
        wide=False,
        keys=(name,),
    )


def _score_line(scores: Sequence[Score]) -> Line:
    def column(key: str) -> np.ndarray:
        return np.asarray([getattr(score, key) for score in scores], dtype=np.float64)

    return Line("estimate", column("step"), column("mean"), column("low"), column("high"))


def _training_charts(key: str, group: Mapping[str, Series]) -> list[Chart]:
    title, unit = name_of(key)
    names = sorted(group, key=lambda name: name != key)
    most = len(DASHES)
    charts = []
    for first in range(0, len(names), most):
        lines = tuple(
            Line(_label(name, key), group[name].steps, group[name].values)
            for name in names[first : first + most]
        )
        chosen = tuple(names[first : first + most])
        # A lonely curve of a further panel has no legend to name it.
        more = lines[0].label if len(lines) == 1 else str(first // most + 1)
        name = f"{title}, {more}" if first else title
        charts.append(Chart(name, unit, lines, wide=key not in LINEAR, keys=chosen))
    return charts


def _group(name: str) -> str:
    """Loss and gradient norm of several players, as `critic/loss`, go with those of one."""
    first, last = name.split("/")[0], name.split("/")[-1]
    return last if last in TRAINING_TITLES else first


def _label(name: str, key: str) -> str:
    return "total" if name == key else plain(name.removeprefix(f"{key}/").removesuffix(f"/{key}"))
