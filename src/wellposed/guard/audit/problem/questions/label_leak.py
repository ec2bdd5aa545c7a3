"""Does an estimate depend on the labels?

Signal: labels exchanged between items, and replaced by others, with the inputs held: one changed
bit of an estimate convicts, in training mode as in evaluation mode. Threshold E (bits). It sees
leaks that are hidden from autograd by `detach`.
"""

import torch
from torch import Tensor

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..perturbing import exchanged, scrambled
from ..rehearsal import Rehearsal
from ..statement import Batch
from ..unasked import Unasked

QUESTION = "uniqueness"
CODES = ("WP206",)
QUICK = True
ITEMS = 2


def ask(rehearsal: Rehearsal) -> Part:
    """Change every label in turn, two ways, in both modes."""
    problem, batch = rehearsal.problem, rehearsal.items(ITEMS)
    if not problem.labels:
        raise Unasked("the problem names no labels")
    told = []
    for training in (True, False):
        mode = "training" if training else "evaluation"
        base = _estimates(rehearsal, batch, training)
        if _changed(base, _estimates(rehearsal, batch, training)):
            raise Unasked(f"two identical calls in {mode} mode differ; seed what is drawn")
        for label in problem.labels:
            for way, change in (("exchanged", exchanged), ("replaced", scrambled)):
                other = {**batch, label: change(batch[label])}
                moved = _changed(base, _estimates(rehearsal, other, training))
                told += [(label, way, mode, name, size) for name, size in moved.items()]
    if not told:
        names = ", ".join(problem.labels)
        text = f"other labels ({names}) change no bit of any estimate, in either mode"
        return Part([Answer(QUESTION, text)])
    label, way, mode, name, size = max(told, key=lambda each: each[-1])
    answer = bad(
        QUESTION,
        "WP206",
        Severity.FAIL,
        f"with {label} {way} and the same inputs, {name} changes by {size:.2g} of its size "
        f"({mode} mode)",
        {"subject": label, "estimate": name, "change": size, "mode": mode, "cases": len(told)},
        suspects=(
            (label, f"compute the estimate without {label} in the batch: what fails needs it"),
            ("a blend or a fall-back", "detach() hides it from gradients, not from this test"),
        ),
        advice="make the estimate by one function that is given the inputs alone",
    )
    return Part([answer], {"label_leak": size})


def _estimates(rehearsal: Rehearsal, batch: Batch, training: bool) -> dict[str, Tensor]:
    # A fresh copy each time: in training mode a call may change buffers.
    return rehearsal.estimates(rehearsal.copies(), batch, training=training)


def _changed(base: dict[str, Tensor], made: dict[str, Tensor]) -> dict[str, float]:
    """Size of the change of every estimate that changed, over its own size."""
    found = {}
    for name, one in base.items():
        other = made[name]
        if one.shape != other.shape:
            found[name] = float("inf")
        elif not torch.equal(one.nan_to_num(), other.nan_to_num()):
            size = float(one.double().abs().max()) or 1.0
            found[name] = float((one - other).abs().double().nan_to_num().max()) / size
    return found
