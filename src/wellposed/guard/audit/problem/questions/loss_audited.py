"""Does the loss, as the sum of its weighted terms, pass its own audit?

Signal and thresholds: those of `audit_loss`, with labels of the first training batch as sounds.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ...loss import audit_loss
from ...verdict import Answer, Part
from ..rehearsal import Rehearsal
from ..unasked import Unasked
from .metric_audited import label_probes, made_batch

QUESTION = "uniqueness"
CODES = (
    "WP101", "WP102", "WP103", "WP111", "WP112", "WP201", "WP202", "WP205", "WP211", "WP301",
    "WP302", "WP307", "WP314", "WP321",
)  # fmt: skip
QUICK = False


def ask(rehearsal: Rehearsal) -> Part:
    """Ask the whole loss; each answer stands under the question that it belongs to."""
    problem = rehearsal.problem
    compare = problem.compare
    if compare is None:
        raise Unasked("the terms are not given as a function of the estimate (`compare`)")
    probes = label_probes(rehearsal)

    def loss(estimate: Tensor, reference: Tensor) -> Tensor:
        terms = compare(estimate, made_batch(rehearsal, probes, reference))
        return torch.stack([problem.weight(name) * each for name, each in terms.items()]).sum(0)

    audit = audit_loss(loss, seed=problem.seed, probes=probes, name=problem.name)
    answers = [_named(each) for each in audit.answers]
    return Part(answers, {"loss": dict(audit.numbers)})


def _named(answer: Answer) -> Answer:
    text = f"the loss: {answer.text}"
    finding = None if answer.finding is None else replace(answer.finding, title=text)
    return replace(answer, text=text, finding=finding)
