"""Does the metric that selects pass the audit of a loss?

Signal: its scores of silence, constants, noise and other sounds, of all levels, and of damaged
estimates, as `audit_loss` asks a loss for prices; without the gradients, which it need not have.
The sounds are labels of the first training batch. Thresholds as there; what the problem declares
the metric to be blind to is no finding.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ....findings import Severity
from ...metric import metric_part
from ...probes import RATE, Probes, rms
from ...verdict import Answer, Part
from ..rehearsal import Rehearsal
from ..unasked import Unasked

QUESTION = "uniqueness"
CODES = ("WP101", "WP111", "WP201", "WP202", "WP211")
QUICK = False
ITEMS = 4
INPUT_SNR_DB = 5.0
"""SNR of the inputs that are made for metrics which look at them, too."""


def ask(rehearsal: Rehearsal) -> Part:
    """Make it a function of estimate and reference, and ask."""
    problem = rehearsal.problem
    if problem.select is None:
        raise Unasked("no yardstick is named that selects")
    probes, select = label_probes(rehearsal), problem.select

    def score(estimate: Tensor, reference: Tensor) -> Tensor:
        batch = made_batch(rehearsal, probes, reference)
        scores = rehearsal.scores(select, estimate, batch)
        return torch.tensor([float("nan") if each is None else each for each in scores])

    part = metric_part(score, probes, problem.yardsticks[select][1], problem.blind)
    numbers = {"metric": {"name": select, **part.numbers}}
    found = [_named(select, each) for each in part.answers if each.finding is not None]
    # Silence without a score is right.
    good = [
        each.text.replace(
            "the price of silence is not a number: see stability", "silence: no score"
        )
        for each in part.answers
        if each.finding is None
    ]
    if found:
        return Part(found, numbers)
    return Part([Answer(QUESTION, f"{select}: {'; '.join(good[:3])}")], numbers)


def made_batch(rehearsal: Rehearsal, probes: Probes, reference: Tensor) -> dict[str, Tensor]:
    """A batch with this reference as its label, and inputs in which the probes lie in noise."""
    problem = rehearsal.problem
    noisy = probes.noisy(INPUT_SNR_DB, 50)
    return {name: noisy for name in problem.inputs} | {problem.labels[0]: reference}


def label_probes(rehearsal: Rehearsal) -> Probes:
    """Labels as references. Raises Unasked: they are no waveforms, or others than the inputs."""
    problem, batch = rehearsal.problem, rehearsal.batch(0)
    shapes = {batch[name].shape for name in (*problem.inputs, *problem.labels)}
    if len(problem.labels) != 1 or len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise Unasked("inputs, the estimate and one label are not all waveforms of one shape")
    label = batch[problem.labels[0]]
    if not label.is_floating_point():
        raise Unasked(f"{problem.labels[0]} is {label.dtype}, no waveform")
    audible = label[rms(label)[:, 0] > 0][:ITEMS]
    if len(audible) < 2:
        raise Unasked("fewer than two labels of the first batch are audible")
    return Probes.given(audible, problem.seed, RATE, "labels of the first batch")


def _named(select: str, answer: Answer) -> Answer:
    """The same answer about a metric: what would be FAIL of a loss misleads the choice as well."""
    assert answer.finding is not None  # only answers with one are renamed
    finding = replace(answer.finding, title=f"{select} as a loss: {answer.finding.title}")
    if finding.severity is Severity.FAIL:
        finding = replace(finding, advice="choose by another metric, or declare Problem(blind=...)")
    return replace(answer, text=finding.title, finding=finding)
