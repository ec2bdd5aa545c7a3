"""WP308: the output has a constant offset that outweighs everything else, and it stays.

Signal: mean of the estimate minus mean of the reference, row by row. Threshold: the nearer end of
Student's interval of it [S], squared, is more than half of the squared error or of the estimate's
own square: the offset then outweighs all else together [B]. It stays: the later half of the rows
is not surely nearer to 0 than the earlier half [S]. INFO over 64 rows, WARN over 256.
"""

from collections.abc import Sequence
from statistics import fmean

from ..chance import mean_interval
from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..rows import Row
from ..series import due, spans, stays
from ..windows import looks_of

CODES = ("WP308",)
READS = "rows"

EVERY = 16


def check(evidence: Evidence) -> Finding | None:
    """Judge the offset of the last rows."""
    if not due(evidence, EVERY):
        return None
    for rows, severity in spans(evidence, "error_rms"):
        finding = _judge(evidence, rows, severity)
        if finding is not None:
            return finding
    return None


def _judge(evidence: Evidence, rows: Sequence[Row], severity: Severity) -> Finding | None:
    offsets = [row.values["estimate_mean"] - row.values["reference_mean"] for row in rows]
    error, output = (_power(rows, key) for key in ("error_rms", "estimate_rms"))
    half = min(error, output) / 2
    if fmean(offsets) ** 2 <= half:
        return None
    level = evidence.plan.level(looks_of(evidence.plan, EVERY))
    spread = mean_interval(offsets, level)
    sure = max(spread.low, -spread.high, 0.0)
    if sure**2 <= half or not stays([abs(each) for each in offsets], level):
        return None
    return Finding(
        "WP308",
        f"the output has an offset of {spread.mean:.3g}; "
        f"{spread.mean**2 / error:.0%} of the squared error is this constant",
        severity,
        rows[-1].step,
        rows[0].step,
        {
            "offset": spread.mean,
            "offset_at_least": sure,
            "share_of_squared_error": spread.mean**2 / error,
            "share_of_the_output": spread.mean**2 / output,
            "reference_mean": fmean(row.values["reference_mean"] for row in rows),
            "rows": len(rows),
        },
        (
            Suspect("a term blind to content", "subtract the mean: which terms do not change?"),
            Suspect("a bias at the output", "set it to 0 and look at the scores"),
            Suspect("the references", "their own mean, and that of the sources"),
        ),
        "a term that compares waveforms, or an output without a constant (no bias, a high-pass)",
    )


def _power(rows: Sequence[Row], key: str) -> float:
    return fmean(row.values[key] ** 2 for row in rows)
