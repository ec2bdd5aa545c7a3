"""WP410: a progress bar wrote into the log, or rows came more than once a step.

Source: exactness [E]: a carriage return that is not the end of a line overwrites it, which only a
terminal does; a step that was written again with the same columns says nothing new.
"""

from wellposed.doctor.judged import Judged
from wellposed.doctor.run import Run
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "is the log written for a terminal?"
CODES = ("WP410",)


def judge(run: Run) -> Judged:
    """Count what overwrites a line."""
    if not run.table.returns:
        return Judged()
    each = run.table.bytes / max(len(run.order), 1)
    finding = Finding(
        "WP410",
        f"{run.table.returns} carriage returns: a progress bar was written to a file",
        Severity.INFO,
        int(run.x(run.order[-1])),
        int(run.x(run.order[0])),
        {"subject": "log", "bytes": run.table.bytes, "bytes_per_row": each},
        (Suspect("progress bar", "does it ask whether it writes to a terminal?"),),
        "one line per interval where the output is no terminal (tqdm: disable=None)",
    )
    return Judged((finding,))
