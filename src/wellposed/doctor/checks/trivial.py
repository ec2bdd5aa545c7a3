"""WP401: the output is worse than one that needs no network.

Reference points with meaning [R]: for SNR silence is exactly 0 dB, of every item; for an
improvement the untreated input is 0; for any metric, it is the input's own score where the log
holds it.

- SNR that never reaches 0 dB: FAIL, or a WARN where the line through its values gets there within
  as much training again, or there is one value only.
- A mean below that of the input may be the luck of the items: a WARN needs 8 values, no such line,
  and the metric's own interval, if it was logged, on the wrong side; else it is worth knowing.
- A score that was better and has fallen: a WARN if the last quarter is surely below [S], by
  Student's t.

SI-SDR has no such point: what silence scores depends on who wrote it, which is said, not judged.
"""

from collections.abc import Sequence

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import BETTER, Meaning, spelled
from wellposed.doctor.run import Run
from wellposed.doctor.series import Series
from wellposed.doctor.trends import line
from wellposed.guard.chance import mean_interval
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "is it better than silence, or than doing nothing?"
CODES = ("WP401",)
SILENCE, INPUT = "silence", "the untreated input"
FEW = 4
"""Values that are the end of a log at least: 3 degrees of freedom beside their mean."""


def judge(run: Run) -> Judged:
    """Compare every score that has a trivial one with it."""
    races = [(each.finite, SILENCE) for each in run.of(Meaning.SNR)]
    races += [(each.finite, INPUT) for each in run.of(Meaning.GAIN)]
    races += _against_input(run)
    silent = [each.finite for each in run.of(Meaning.SI_SDR)]
    found = [_below(run, series, rival) for series, rival in races if len(series)]
    found += [_unsaid(run, each) for each in silent if len(each) and max(each.y) < 0]
    missing = "a column of SNR, of an improvement, or of the input's own score"
    return Judged(tuple(each for each in found if each), "" if races else missing)


def _against_input(run: Run) -> list[tuple[Series, str]]:
    races = []
    for untreated in run.of(Meaning.UNTREATED):
        score = _essence(untreated.name)
        for own in run.of(*BETTER):
            if _essence(own.name) == score and own.name != untreated.name:
                theirs = dict(zip(untreated.rows, untreated.y, strict=True))
                both = own.where([row in theirs for row in own.rows])
                lead = [
                    (value - theirs[row]) * own.better
                    for row, value in zip(both.rows, both.y, strict=True)
                ]
                races.append((both.with_values(lead).finite, INPUT))
    return races


def _essence(name: str) -> str:
    words = spelled(name).split()
    unsaid = {"noisy", "untreated", "unprocessed", "mixture", "input", "validation", "val", "db"}
    return " ".join(word for word in words if word not in unsaid)


def _below(run: Run, series: Series, rival: str) -> Finding | None:
    """Judge the lead over a rival that has 0."""
    end = series.y[-max(FEW, len(series) // 4) :]
    if max(series.y) < 0:
        return _finding(run, series, rival, _never(run, series, rival), "all along")
    fallen = len(series) >= 2 * FEW and max(end) < 0 and not _in_interval(run, series)
    if fallen and mean_interval(end, run.plan.level(1)).high < 0:
        return _finding(run, series, rival, Severity.WARN, "at the end")
    return None


def _never(run: Run, series: Series, rival: str) -> Severity:
    """How bad it is that no value is above 0."""
    fit = line(series.x, series.y)
    on_its_way = len(series) > 1 and 2 * fit.end - fit.start >= 0
    if rival == SILENCE:
        return Severity.WARN if on_its_way or len(series) == 1 else Severity.FAIL
    unclear = on_its_way or len(series) < 2 * FEW or _in_interval(run, series)
    return Severity.INFO if unclear else Severity.WARN


def _in_interval(run: Run, series: Series) -> bool:
    """Whether the score's own interval, at the last row, holds that of the rival."""
    row, own = series.rows[-1], run.at(series.name, series.rows[-1])
    ends = [f"{series.name}/{end}" for end in ("low", "high")]
    if own is None or not all(end in run.columns for end in ends):
        return False
    low, high = (run.at(end, row) for end in ends)
    lead = series.y[-1] * (series.better or 1)
    return low is not None and high is not None and low <= own - lead <= high


def _finding(run: Run, series: Series, rival: str, severity: Severity, when: str) -> Finding:
    best = max(zip(series.y, series.x, strict=True))
    zero = "silence has 0 dB" if rival == SILENCE else "where 0 is as good as it"
    return Finding(
        "WP401",
        f"{series.name} is worse than {rival} {when}: {series.said(series.y[-1])} at the last of "
        f"{len(series)}, {zero}",
        severity,
        int(series.x[-1]),
        int(series.x[0]),
        {
            "subject": series.name,
            "trivial": rival,
            "last_lead": series.y[-1],
            "best_lead": best[0],
            f"best_at_{run.axis}": int(best[1]),
            "values": len(series),
        },
        (
            Suspect("loss", "overfit one batch: does the loss fall while this score does not?"),
            Suspect("learning rate", "train as long with 10 times and a tenth of it"),
        ),
        f"score {rival} beside every validation and stop when it wins; overfit one batch first",
    )


def _unsaid(run: Run, series: Series) -> Finding:
    best: Sequence[float] = sorted(series.y)
    return Finding(
        "WP401",
        f"{series.name} never reaches 0 dB (best {series.said(best[-1])}): silence scores 0 dB in "
        "torchmetrics and would beat it, -80 dB in auraloss and asteroid",
        Severity.INFO,
        int(series.x[-1]),
        int(series.x[0]),
        {"subject": f"{series.name}, silence", "best": best[-1], "values": len(series)},
        (Suspect(series.name, "score all zeros with the very function that made this column"),),
        "score silence and the untreated input once; a choice by a metric that silence wins "
        "prefers a dead network",
    )
