"""WP405: an item's score is not finite, or has gone.

Signal: every score of every item. Threshold: exact [E]. An item that never had a score (silence,
no speech) is worth knowing where a trivial output has one there, and nothing otherwise.
"""

from ..evidence import Evidence, Validation
from ..findings import Finding, Severity, Suspect
from ..paired import comparable, defined, items_of

CODES = ("WP405",)
READS = "validation"
NAMED = 8
"""Items that are named; all are counted."""


def check(evidence: Evidence) -> list[Finding]:
    """Find the bad items of every metric, of the worst kind that it has."""
    *past, now = evidence.validations
    earlier = [each for each in past if items_of(now) and comparable(each, now)]
    findings = []
    for metric, scores in now.scores.items():
        bad = [i for i, value in enumerate(scores) if value is not None and not defined(value)]
        missing = [i for i, value in enumerate(scores) if value is None]
        gone = [i for i in missing if any(_had(each, metric, i) for each in earlier)]
        never = [i for i in missing if _possible(now, metric, i)]
        if bad:
            findings.append(_finding(now, metric, bad, "not finite", Severity.FAIL))
        elif gone:
            severity = Severity.FAIL if len(missing) == len(scores) else Severity.WARN
            findings.append(_finding(now, metric, gone, "gone", severity))
        elif never:
            findings.append(_finding(now, metric, never, "undefined", Severity.INFO))
    return findings


def _had(earlier: Validation, metric: str, item: int) -> bool:
    scores = earlier.scores.get(metric, ())
    return item < len(scores) and defined(scores[item])


def _possible(now: Validation, metric: str, item: int) -> bool:
    rivals = (scores.get(metric, ()) for scores in now.trivial.values())
    return any(item < len(each) and defined(each[item]) for each in rivals)


def _finding(
    now: Validation, metric: str, items: list[int], what: str, severity: Severity
) -> Finding:
    shown = ", ".join(map(str, items[:NAMED])) + (", ..." if len(items) > NAMED else "")
    total = len(now.scores[metric])
    how = {
        "not finite": "not finite",
        "gone": "undefined, and was defined before",
        "undefined": "undefined, where an output without networks has a score",
    }[what]
    possible = [item for item in items if _possible(now, metric, item)]
    return Finding(
        "WP405",
        f"{metric} is {how}: {len(items)} of {total} items: {shown}",
        severity,
        now.step,
        now.step,
        {
            "subject": f"{metric}, {what}",
            "metric": metric,
            "items": shown,
            "count": len(items),
            "of": total,
            "trivial_output_has_a_score": len(possible),
        },
        (
            Suspect("output", "look whether these estimates are silent, constant or not finite"),
            Suspect("reference", "score the input on these items: bad as well means a bad item"),
        ),
        "count such items beside the mean; a mean over the others is of another list",
    )
