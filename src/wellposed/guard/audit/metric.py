"""The audit of a metric that chooses: what it pays for, what it ignores; by its values alone."""

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from ..findings import Severity
from .asked import Asked, LossFunction
from .bench import Bench, measure
from .cheats import cheat_part
from .gains import level_part
from .invariances import DECLARABLE, invariance_part
from .ladder import Ladder
from .probes import Probes
from .verdict import Answer, Part, joined


def metric_part(fn: LossFunction, probes: Probes, better: str, blind: Collection[str] = ()) -> Part:
    """Ask a metric what is asked of a loss, but for gradients: it need not have any.

    `fn(estimate, reference)` takes waveforms `(batch, time)` and returns one score an item, NaN
    where there is none; `better` is "higher" or "lower". `blind` is what it is meant not to notice,
    of `DECLARABLE`. Raises ValueError for anything else.
    """
    if unknown := sorted(set(blind) - set(DECLARABLE)):
        raise ValueError(
            f"blind to {', '.join(unknown)} is unknown; known: {', '.join(DECLARABLE)}"
        )
    sign = -1.0 if better == "higher" else 1.0

    def cost(estimate: Tensor, reference: Tensor) -> Tensor:
        return sign * torch.as_tensor(fn(estimate, reference)).double().nanmean()

    asked = Asked(cost, "waveform", probes.rate)
    bench = Bench(
        asked=asked,
        probes=probes,
        scale=measure(asked, probes),
        ladder=Ladder(asked, probes),
        declared=frozenset(blind),
    )
    answers, numbers = joined([level_part(bench), cheat_part(bench), invariance_part(bench)])
    return Part([_milder(bench, each) for each in answers], numbers | {"calls": asked.calls})


def _milder(bench: Bench, answer: Answer) -> Answer:
    """Below 0 dB SNR, where silence is worth as much, no choice hangs on the order of estimates."""
    finding = answer.finding
    if finding is None or finding.evidence.get("subject") != "order":
        return answer
    if any(better > 0 for _, better in bench.ladder.rises(bench.scale.tolerance)):
        return answer
    return replace(answer, finding=replace(finding, severity=Severity.INFO))
