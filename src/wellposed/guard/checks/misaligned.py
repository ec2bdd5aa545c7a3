"""WP414: references are late or early by the same number of samples.

Signal: the lag with the largest correlation between each reference and its own source ("alignment"
records), for items that correlate more with it than with a neighbour's source. Threshold: one lag
other than 0, equal to the sample [E], in surely more than half of these items [S].
"""

from collections import Counter

from ..chance import binomial_tail
from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..instruments.alignment import ALIGNMENT, PAIRS
from ..patience import level_at

CODES = ("WP414",)
READS = ALIGNMENT


def check(evidence: Evidence) -> Finding | None:
    """Count lags over all looks."""
    records = evidence.of(READS)
    lags = Counter(
        int(each["lag"])
        for record in records
        for subject, each in record.table.items()
        if subject != PAIRS and each["peak"] > each["neighbour"]
    )
    if not lags:
        return None
    (lag, hits), items = lags.most_common(1)[0], lags.total()
    level = level_at(evidence.plan.false_alarms, len(records))
    if lag == 0 or binomial_tail(hits, items, 0.5) > level:
        return None
    return Finding(
        "WP414",
        f"references are {abs(lag)} samples {'later' if lag > 0 else 'earlier'} than their "
        f"sources, in {hits} of {items} items",
        Severity.FAIL,
        evidence.step,
        records[0].step,
        {"lag": lag, "items_alike": hits, "items": items, "looks": len(records), "level": level},
        (
            Suspect("a filter or codec", f"delay the sources by {lag} samples: the lag is then 0"),
            Suspect("an STFT without centre", "half a window, or a hop: compare with the lag"),
            Suspect("the data", "the same lag in the files themselves, before any processing"),
        ),
        f"shift the references by {-lag} samples when they are loaded, not inside the loss",
    )
