"""WP312: the log goes back: a run was resumed, and which of its pasts is real is not said.

Source: exactness [E]. Worth knowing, since a resumed run is nothing bad; but the rows that were
gone back behind are not of the run that went on, and they are left out of everything else here.
Where both tell of the same step, their numbers say whether the run was continued bit for bit.
"""

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import Meaning
from wellposed.doctor.run import Run
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "was it resumed, and to the same numbers?"
CODES = ("WP312",)


def judge(run: Run) -> Judged:
    """Find where the axis goes back."""
    if run.axis == "row":
        return Judged(missing="a column of steps or epochs")
    if not run.restarts:
        return Judged()
    back = ", ".join(f"{run.x(row):.10g} ({run.table.where(row)})" for row in run.restarts[:5])
    facts: dict[str, float | int | str] = {
        "subject": "continued",
        "times": len(run.restarts),
        "rows_left_out": len(run.abandoned),
        "back_to": back,
    }
    same, other = _twice(run)
    if same + other:
        facts |= {"told_twice": same + other, "with_other_numbers": other}
    differ = f", {other} of {same + other} numbers told twice differ" if other else ""
    first = run.restarts[0]
    return Judged(
        (
            Finding(
                "WP312",
                f"the log goes back {len(run.restarts)} times; {len(run.abandoned)} rows are of a "
                f"past that was left{differ}",
                Severity.INFO,
                int(run.x(run.restarts[-1])),
                int(run.x(first)),
                facts,
                (Suspect("an incomplete checkpoint", "resume it twice: the same first loss?"),),
                "save everything that the next step depends on: optimizer, random state, data",
            ),
        )
    )


def _twice(run: Run) -> tuple[int, int]:
    """How many losses were told for one step by both pasts, alike and not."""
    alike = differing = 0
    lived = {run.x(row): row for row in run.order}
    names = [n for n, c in run.columns.items() if c.meaning in (Meaning.LOSS, Meaning.TERM)]
    for row in run.abandoned:
        now = lived.get(run.x(row))
        for name in names if now is not None else ():
            before, after = run.at(name, row), run.at(name, now or 0)
            if before is not None and after is not None:
                alike, differing = alike + (before == after), differing + (before != after)
    return alike, differing
