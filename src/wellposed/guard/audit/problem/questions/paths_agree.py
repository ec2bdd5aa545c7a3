"""Do training and use make the same estimate of the same input?

Signal: the estimates that training compares with the labels, in evaluation mode, beside those of
the path of use. Threshold U: ten times the change under rounding of the inputs, or the rounding of
a sum over all samples, or what the statement declares (`use_rounds`), whichever is largest; by root
mean square.
"""

import torch
from torch import Tensor

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal
from ..unasked import Unasked

QUESTION = "uniqueness"
CODES = ("WP207",)
QUICK = True
ITEMS = 2


def ask(rehearsal: Rehearsal) -> Part:
    """Go both ways with the same items and the same weights."""
    if rehearsal.problem.use is None:
        raise Unasked("no path of use is given")
    networks, batch = rehearsal.beginning.networks, rehearsal.items(ITEMS)
    trained = rehearsal.estimates(networks, batch)
    rounded = rehearsal.estimates(networks, {k: _rounded(each) for k, each in batch.items()})
    used = rehearsal.used(networks, batch)
    taps = [name for name in trained if name in used]
    if not taps:
        raise Unasked(f"use gives {', '.join(used)}, training {', '.join(trained)}: no common name")
    shapes = [name for name in taps if trained[name].shape != used[name].shape]
    if shapes:
        name = shapes[0]
        shown = f"{tuple(trained[name].shape)} in training, {tuple(used[name].shape)} in use"
        return Part([_finding(name, f"{name} has another shape: {shown}", {})])
    answers, numbers, declared = [], {}, rehearsal.problem.use_rounds
    for name in taps:
        gap = _gap(trained[name], used[name])
        allowed = max(_allowed(trained[name], rounded[name]), declared)
        numbers[f"{name}_gap"] = gap
        if not gap <= allowed:
            text = f"{name} in use differs from training by {gap:.2g} of its size (allowed "
            facts = {"gap": gap, "allowed": allowed}
            why = "as declared" if allowed == declared else "for rounding"
            answers.append(_finding(name, f"{text}{allowed:.1g} {why})", facts))
    worst = max(numbers.values())
    good = f"training and use agree on {', '.join(taps)}: they differ by {worst:.1g} of its size"
    good += f" (declared: at most {declared:g})" if declared else ""
    return Part(answers or [Answer(QUESTION, good)], numbers)


def _gap(one: Tensor, other: Tensor) -> float:
    """RMS of the difference over the RMS of the first; infinite where only one is finite."""
    one, other = one.double(), other.double()
    size = float(one.square().mean().sqrt()) or 1.0
    gap = float((one - other).square().mean().sqrt()) / size
    return gap if gap == gap else float("inf")


def _allowed(base: Tensor, rounded: Tensor) -> float:
    eps = torch.finfo(base.dtype).eps if base.is_floating_point() else 0.0
    return 10 * max(_gap(base, rounded), eps * base[0].numel() ** 0.5)


def _rounded(tensor: Tensor) -> Tensor:
    return tensor * (1 + 2**-22) if tensor.is_floating_point() or tensor.is_complex() else tensor


def _finding(name: str, title: str, facts: dict[str, float]) -> Answer:
    return bad(
        QUESTION,
        "WP207",
        Severity.FAIL,
        title,
        {"subject": name, **facts},
        suspects=(
            ("something only one path does", "call the function of the other path in its place"),
            ("normalisation or resampling", "compare what both paths hand to the network"),
            ("a mode", "is the network in evaluation mode in use?"),
        ),
        advice="one function that makes the estimate, called by training and by use",
    )
