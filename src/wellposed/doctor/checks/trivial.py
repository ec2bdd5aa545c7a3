"""WP401: the output is worse than one that needs no network.

Reference points with meaning [R]: for SNR silence is exactly 0 dB; for an improvement the
untreated input is; for any metric, the score of the input where the log holds it. A log holds
means, so chance is met by asking that every value is below; early values are forgiven where the
line through them gets there within as much training again. SI-SDR has no such point: what
silence scores depends on who wrote it, which is said, not judged.
"""

from collections.abc import Sequence

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import BETTER, Meaning, spelled
from wellposed.doctor.run import Run, Series
from wellposed.doctor.trends import line
from wellposed.guard.chance import mean_interval
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "is it better than silence, or than doing nothing?"
CODES = ("WP401",)
FEW = 4
"""Values with which the end of a log is compared: 3 degrees of freedom beside a mean."""


def judge(run: Run) -> Judged:
    """Compare every score that has a trivial one with it."""
    races = [(each.finite, "silence") for each in run.of(Meaning.SNR)]
    races += [(each.finite, "the untreated input") for each in run.of(Meaning.GAIN)]
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
                races.append((both.with_values(lead).finite, "the untreated input"))
    return races


def _essence(name: str) -> str:
    words = spelled(name).split()
    unsaid = {"noisy", "untreated", "unprocessed", "mixture", "input", "validation", "val", "db"}
    return " ".join(word for word in words if word not in unsaid)


def _below(run: Run, series: Series, rival: str) -> Finding | None:
    """Judge the lead over a rival that has 0."""
    never = max(series.y) < 0
    if never:
        fit = line(series.x, series.y)
        rising = len(series) > 1 and 2 * fit.end - fit.start >= 0
        severity = Severity.WARN if len(series) < 2 or rising else Severity.FAIL
        return _finding(run, series, rival, severity, "all along")
    if len(series) < 2 * FEW:
        return None
    end = series.y[-max(FEW, len(series) // 4) :]
    if max(end) < 0 and mean_interval(end, run.plan.level(1)).high < 0:
        return _finding(run, series, rival, Severity.WARN, "at the end")
    return None


def _finding(run: Run, series: Series, rival: str, severity: Severity, when: str) -> Finding:
    best = max(zip(series.y, series.x, strict=True))
    zero = "silence has 0 dB" if rival == "silence" else "where 0 is as good as it"
    return Finding(
        "WP401",
        f"{series.name} is worse than {rival} {when}: {series.said(series.y[-1])} at the last of "
        f"{len(series)} values, {zero}",
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
