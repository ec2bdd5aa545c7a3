"""WP318: the gradient grows exponentially, and so does what it should make smaller.

Signal: the norms of the last 32 healthy rows of one player. All of these together:

- Kendall's rank correlation with time, one-sided, beyond chance at the declared budget over all
  looks of the run (S, V): one look every 8 steps;
- the later half of the norms lies above every norm before the window: never been there;
- the loss does not fall: its own rank correlation is not below 0 beyond chance. A gradient that
  rises while the loss falls leaves a plateau: the usual begin of deep networks;
- growth does not slow down: the slope of log(norm) over the later half is at least that of
  the earlier half. A warm-up that ends, or a spike that is over, bends the other way;
- a straight line through log(norm) reaches 1.8e19, where squares overflow float32, before the
  planned steps end (P).

Rows of a run are not independent, so chance alone is no sufficient rule; hence the others.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import islice

from ..chance import normal_quantile
from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..rows import Row

CODES = ("WP318",)
READS = "rows"
WINDOW = 32
EVERY = 8
OVERFLOW = math.sqrt(3.4028234663852886e38)


def check(evidence: Evidence) -> Finding | None:
    """Look at the rows of the latest player, every 8 steps."""
    newest = range(1, min(evidence.fresh, len(evidence.rows)) + 1)
    if not any(evidence.rows[-place].step % EVERY == EVERY - 1 for place in newest):
        return None
    window = list(islice(_of_one_player(evidence), WINDOW))[::-1]
    if len(window) < WINDOW:
        return None
    planned = evidence.plan.steps or 0
    beyond = -normal_quantile(evidence.plan.level(max(planned, window[-1].step) // EVERY))
    norms, losses = _norms(window), [row.loss for row in window]
    if min(norms) <= 0 or _rank_z(norms) <= beyond:
        return None
    before = list(islice(_of_one_player(evidence), WINDOW, None))
    if len(before) < WINDOW or min(norms[WINDOW // 2 :]) <= max(_norms(before)):
        return None
    logs = [math.log(norm) for norm in norms]
    first, second = _slope(logs[: WINDOW // 2]), _slope(logs[WINDOW // 2 :])
    slope = _slope(logs)
    left = math.log(OVERFLOW / norms[-1]) / slope
    falls = _rank_z(losses) < normal_quantile(0.025)
    if falls or second < first or (planned and left > planned - window[-1].step):
        return None
    return _finding(window, slope, left, max(_norms(before)))


def _of_one_player(evidence: Evidence) -> Iterator[Row]:
    """Healthy rows with the terms of the latest one, latest first."""
    terms = evidence.rows[-1].values.keys()
    return (r for r in reversed(evidence.rows) if r.healthy and r.values.keys() == terms)


def _norms(rows: Sequence[Row]) -> list[float]:
    return [row.values["gradient_norm"] for row in rows]


def _rank_z(values: Sequence[float]) -> float:
    """Kendall's rank correlation with time in standard deviations of its null distribution."""
    n = len(values)
    pairs = ((values[i], values[j]) for j in range(n) for i in range(j))
    concordance = sum((later > earlier) - (later < earlier) for earlier, later in pairs)
    return concordance / math.sqrt(n * (n - 1) * (2 * n + 5) / 18)


def _slope(values: Sequence[float]) -> float:
    """Least squares per step."""
    middle = (len(values) - 1) / 2
    products = ((place - middle) * value for place, value in enumerate(values))
    return sum(products) / sum((place - middle) ** 2 for place in range(len(values)))


def _finding(window: Sequence[Row], slope: float, left: float, highest: float) -> Finding:
    first, last = window[0], window[-1]
    doubling = math.log(2) / slope
    return Finding(
        code="WP318",
        title=f"the gradient doubles every {doubling:.3g} steps and the loss does not fall; "
        f"overflow in {left:.0f} steps",
        severity=Severity.WARN,
        step=last.step,
        since_step=first.step,
        evidence={
            "subject": "gradient",
            "norm_then": first.values["gradient_norm"],
            "norm_now": last.values["gradient_norm"],
            "highest_norm_before": highest,
            "growth_per_step": math.expm1(slope),
            "steps_to_overflow": left,
            "loss_then": first.loss,
            "loss_now": last.loss,
        },
        suspects=(
            Suspect("the learning rate", "half of it from the last checkpoint: the norm stays"),
            Suspect("a state that grows with time", "the same step on a shorter sequence"),
        ),
        advice="go back to the last checkpoint before it began, with half the learning rate; "
        "clipping hides it, but does not end it",
    )
