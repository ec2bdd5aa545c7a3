"""Columns of the rows as series: one player's at a time, healthy steps only, oldest first."""

from collections.abc import Iterator, Sequence

from .chance import mean_interval
from .evidence import Evidence
from .findings import Severity
from .finite import TERM
from .plan import Plan
from .rows import Row


def fresh_rows(evidence: Evidence) -> list[Row]:
    """The rows that no check has seen, oldest first."""
    rows = evidence.rows
    return [rows[place] for place in range(len(rows) - min(evidence.fresh, len(rows)), len(rows))]


def due(evidence: Evidence, every: int) -> bool:
    """Whether a fresh row has a step that is a multiple of `every`."""
    return any(row.step % every == 0 for row in fresh_rows(evidence))


def alike(rows: Sequence[Row], end: int, most: int) -> Iterator[Row]:
    """Healthy rows with the terms of row `end`, backwards from the one before it, at most so many.

    The players of a GAN share a step and take turns; each has terms of its own.
    """
    # As many columns, and the last one alike: quicker than comparing all of them.
    count, last = len(rows[end].values), list(rows[end].values)[-1]
    found = 0
    for place in range(end - 1, -1, -1):
        row = rows[place]
        if found == most:
            return
        if last in row.values and len(row.values) == count and row.healthy:
            found += 1
            yield row


def own_rows(evidence: Evidence, most: int = 1 << 30) -> list[Row]:
    """The last row and the healthy ones before it with the same terms, oldest first."""
    rows = list(evidence.rows)
    if not rows or not rows[-1].healthy:
        return []
    return [*reversed(list(alike(rows, len(rows) - 1, most - 1))), rows[-1]]


SPANS = {256: Severity.WARN, 64: Severity.INFO}
"""Rows over which a state of the output is judged, and how grave it is if it stays so long.

64: from there on Student's quantile at a level of 1e-8 is within a fifth of the normal one. 256:
half of the rows that are kept, so that it is seen even where two players share them.
"""


def spans(evidence: Evidence, needs: str) -> Iterator[tuple[list[Row], Severity]]:
    """The last rows, longest span first, where all have the quantity `needs` above 0.

    No span while the planned learning rate still rises in it.
    """
    for span, severity in SPANS.items():
        rows = own_rows(evidence, span)
        enough = len(rows) == span and all(row.values.get(needs, 0) > 0 for row in rows)
        if enough and not rate_rises(evidence.plan, rows):
            yield rows, severity


def terms_of(row: Row) -> list[str]:
    """Columns that hold a term."""
    return [key for key in row.values if key.startswith(TERM)]


def rate_rises(plan: Plan, rows: Sequence[Row]) -> bool:
    """Whether the learning rate is planned to be higher at the last of these rows than at one.

    Warm-up: what does not move yet has not had the time. A restart: what moves away may return.
    """
    if plan.rate is None:
        return False
    now = plan.rate(rows[-1].step)
    return any(plan.rate(row.step) < now for row in rows[:-1])


def stays(values: Sequence[float], level: float) -> bool:
    """Whether the later half of a series is not surely lower than the earlier half.

    Wrong with chance `level` for a series that stays: Student's interval of the differences.
    """
    half = len(values) // 2
    later, earlier = values[-half:], values[:half]
    return mean_interval([b - a for a, b in zip(earlier, later, strict=True)], level).high >= 0
