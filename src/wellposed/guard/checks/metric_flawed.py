"""WP402: the metric that chooses the best checkpoint pays for an empty output.

Signal: the selecting metric's scores of silence or a constant, against those of the references
themselves and of the networks. Threshold: reference points with meaning [R]; nothing may beat
the reference on every item [E]; against the networks Student's t over items [S], once they have
had their time (`headway.outlook`) [P].
"""

from ..evidence import Evidence, Validation
from ..findings import Finding, Severity, Suspect
from ..headway import INPUT, REFERENCE, contradicted, deficit, level_of, outlook, rivals, standing
from ..paired import gains, surely

CODES = ("WP402",)
READS = "validation"


def check(evidence: Evidence) -> Finding | None:
    """Judge the selecting metric by what it gives for nothing."""
    now, level = evidence.validations[-1], level_of(evidence)
    empty = [name for metric, name in rivals(now) if metric == now.select and name != INPUT]
    for name in empty:
        if _beats_the_reference(now, name):
            return _finding(now, name, "the reference itself", "", Severity.FAIL)
    for name in empty:
        assert now.select is not None  # a rival under its name was found
        worse = standing(now, now.select, name, level) < 0
        if not worse or outlook(evidence, now.select, name, level) == "early":
            continue
        other = contradicted(now, now.select, name, level)
        if other:
            return _finding(now, name, "the networks", other, Severity.FAIL)
        if not _acquitted(now, name, level):
            return _finding(now, name, "the networks", "", Severity.WARN)
    return None


def _beats_the_reference(now: Validation, name: str) -> bool:
    select = now.select or ""
    perfect = now.trivial.get(REFERENCE, {}).get(select, ())
    lead = gains(now.better[select], now.trivial[name][select], perfect)
    return bool(lead) and all(each >= 0 for each in lead)


def _acquitted(now: Validation, name: str, level: float) -> bool:
    """Whether the metric knows that the input is worth more than the empty output."""
    select = now.select or ""
    treated = now.trivial.get(INPUT, {}).get(select, ())
    return surely(gains(now.better[select], treated, now.trivial[name][select]), level) > 0


def _finding(now: Validation, name: str, beaten: str, other: str, severity: Severity) -> Finding:
    select = now.select or ""
    facts: dict[str, float | int | str] = {"subject": name, "metric": select}
    scored = [value for value in now.trivial[name][select] if value is not None]
    facts |= {f"score_of_{name}": sum(scored) / len(scored), "items": len(scored)}
    gaps = deficit(now, select, name)
    if gaps:
        facts["networks_gain_over_it"] = sum(gaps) / len(gaps)
    if other:
        facts["disputed_by"] = other
    dispute = f", while {other} says that the networks are better" if other else ""
    return Finding(
        "WP402",
        f"{select} scores {name} as high as {beaten}{dispute}: it pays for nothing",
        severity,
        now.step,
        now.step,
        facts,
        (
            Suspect(select, f"let {other or 'another metric'} choose and compare both checkpoints"),
            Suspect("networks", "score an output that is known to be good, or the input"),
        ),
        f"leave {name} without a score, or choose the checkpoint by a metric that knows its place",
    )
