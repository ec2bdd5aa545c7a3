"""The verdict: one sentence and what qualifies it, each a fact that the run folder holds.

Nothing here judges. A comparison is made only between numbers that were measured, with their
intervals, and what is unknown is said to be unknown.
"""

import math

from wellposed.report.charts import NOISY, baseline, name_of
from wellposed.report.facts import RunFacts, Score
from wellposed.report.replayed import convicted
from wellposed.report.wording import count, duration, figure, quantity, signed

IMPROVEMENT = "_improvement_db"
INTERVAL = "95 % interval"
"""The level that validation takes (`wellposed.intervals.mean_interval`)."""


def verdict(facts: RunFacts) -> str:
    """One sentence: how far, how good, against what, what the guard says."""
    if facts.last_step is None:
        return f"The history is empty, no step has been recorded yet; {_guard(facts)}."
    parts = [_progress(facts), _quality(facts), _guard(facts)]
    return "; ".join(parts) + "."


def details(facts: RunFacts) -> list[str]:
    """The sentences that qualify the verdict: intervals, comparisons, failures."""
    best = best_score(facts)
    if best is None:
        return []
    title, unit = name_of(facts.select or "")
    over = f"{title} at step {best.step:,} is the mean over {count(best.n, 'scene')}"
    failed = f"; {count(best.failed, 'scene')} could not be scored" if best.failed else ""
    sentences = [
        f"{over}{failed}." if best.n else "",
        _against_zero(facts, best),
        _against_noisy(facts, best, unit),
        _improvement(facts),
        _last(facts, best, unit),
    ]
    return [sentence for sentence in sentences if sentence]


def best_score(facts: RunFacts) -> Score | None:
    """The score of the best checkpoint in the selection metric."""
    for score in facts.validation.get(facts.select or "", ()):
        if score.step == facts.best_step:
            return score
    return None


def has_interval(score: Score) -> bool:
    """Whether both ends of an interval were written."""
    return math.isfinite(score.low) and math.isfinite(score.high)


def interval(score: Score, unit: str) -> str:
    """The mean of a score with its interval, where one was written."""
    text = quantity(score.mean, unit)
    if has_interval(score):
        text += f" ({INTERVAL} {figure(score.low)} to {figure(score.high)})"
    return text


def _progress(facts: RunFacts) -> str:
    steps = f"{facts.last_step:,}"
    if facts.planned_steps:
        steps += f" of {facts.planned_steps:,}"
    time = f"steps in {duration(facts.time_s)}"
    if facts.end:
        return f"The run {facts.end} after {steps} {time}"
    return f"The run has {steps} {time} and no end on record: it goes on, or was interrupted"


def _quality(facts: RunFacts) -> str:
    if not facts.validation:
        return "no validation was recorded, so nothing is known about its quality"
    if facts.best_step is None:
        return "no validation is marked as the best"
    best = best_score(facts)
    if best is None or facts.select is None:
        named = f" in {name_of(facts.select)[0]}" if facts.select else ""
        return f"its best checkpoint is of step {facts.best_step:,}, without a score{named}"
    title, unit = name_of(facts.select)
    text = f"its best checkpoint, of step {best.step:,}, has {title} {interval(best, unit)}"
    noisy = baseline(facts, facts.select)
    if noisy is not None:
        text += f", where the noisy input has {quantity(noisy.mean, unit)}"
    return text


def _against_noisy(facts: RunFacts, best: Score, unit: str) -> str:
    noisy = baseline(facts, facts.select or "")
    if noisy is None:
        return ""
    gap = signed(best.mean - noisy.mean, unit)
    text = f"The noisy input: {interval(noisy, unit)}, a difference of {gap}"
    if not (has_interval(best) and has_interval(noisy)):
        return f"{text}."
    apart = best.low > noisy.high or best.high < noisy.low
    return f"{text}; the intervals {'do not overlap' if apart else 'overlap'}."


def _against_zero(facts: RunFacts, best: Score) -> str:
    if not (facts.select or "").endswith(IMPROVEMENT) or not has_interval(best):
        return ""
    place = "lies above" if best.low > 0 else "lies below" if best.high < 0 else "contains"
    return f"Its interval {place} 0, which is the noisy input."


def _improvement(facts: RunFacts) -> str:
    """The first improvement metric at the best step, unless it is what was selected by."""
    for name, scores in facts.validation.items():
        if name.startswith(NOISY) or name == facts.select or not name.endswith(IMPROVEMENT):
            continue
        for score in scores:
            if score.step == facts.best_step:
                title, unit = name_of(name)
                return f"{title} at that step: {interval(score, unit)}."
    return ""


def _last(facts: RunFacts, best: Score, unit: str) -> str:
    last = facts.validation[facts.select or ""][-1]
    if last.step == best.step:
        return ""
    return f"At the last validation, step {last.step:,}: {interval(last, unit)}."


def _guard(facts: RunFacts) -> str:
    if not facts.findings:
        return "no finding of the guard is on record"
    severities = [finding.severity.value for finding in facts.findings]
    words = {"FAIL": "failure", "WARN": "warning", "INFO": "note"}
    parts = [count(severities.count(key), word) for key, word in words.items() if key in severities]
    guilty = list(dict.fromkeys(convicted(facts)))
    proven = f", and replay has shown what removes it: {guilty[0]}" if guilty else ""
    return f"the guard has {count(len(severities), 'finding')} ({', '.join(parts)}){proven}"
