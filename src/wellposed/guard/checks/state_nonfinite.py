"""WP315: a weight, an optimizer's state or a buffer is not finite.

Signal: the maximum norm of every tensor at close looks, and at the first refused step in a row.
Threshold E: it is finite exactly if every entry is. Buffers that were not finite when the run
began (a mask of minus infinity) are meant to be so and are left out; with NaN in them it is INFO.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect

CODES = ("WP315",)
READS = "states"
START = "buffer from the start"


def check(evidence: Evidence) -> Finding | None:
    """Name the first, in the order weights, optimizer states, buffers."""
    record = evidence.of("states")[-1]
    kinds = [kind for kind in record.table if kind != START] or [START]
    bad = record.table[kinds[0]]
    names = [name for name in bad if name != "count"]
    facts: dict[str, float | int | str] = {"subject": kinds[0], "first": names[0]}
    facts["largest_magnitude"] = bad[names[0]]
    for kind in kinds:
        count = int(record.table[kind]["count"])
        shown = [name for name in record.table[kind] if name != "count"]
        facts[f"bad_{kind.replace(' ', '_')}s"] = f"{count}: {', '.join(shown)}"
    meant = kinds[0] == START
    verb = "was not finite when the run began" if meant else "is not finite"
    return Finding(
        code="WP315",
        title=f"{kinds[0].removesuffix(' from the start')} {names[0]} {verb}",
        severity=Severity.INFO if meant else Severity.FAIL,
        step=record.step,
        since_step=record.step,
        evidence=facts,
        suspects=_suspects(kinds[0]),
        advice="leave it if it is a mark for `not set yet`"
        if meant
        else "go back to the last "
        "checkpoint that is finite; Guard(..., veto=True) refuses the step that does this",
    )


def _suspects(kind: str) -> tuple[Suspect, ...]:
    if kind == "parameter":
        return (
            Suspect("the last step", "its batch on the checkpoint before, without optimizer"),
            Suspect("the optimizer", "eps above 0: Adam divides 0 by 0 where no gradient was"),
        )
    if kind == "optimizer state":
        return (
            Suspect("one huge gradient", "clip the norm before the step: squares overflow"),
            Suspect("a half-precision state", "keep the state in float32"),
        )
    return (Suspect("one bad batch in training mode", "running statistics take in every batch"),)
