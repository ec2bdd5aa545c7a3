"""Does an estimate that is declared causal look ahead?

Signal: everything after a point of the inputs is replaced and made ten times as large; what the
estimate said before that point, less the declared look-ahead, must stay as it is. Threshold U: ten
times the change under rounding of the inputs. A normalisation over time is found as well as a tap.
"""

import torch
from torch import Tensor

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..perturbing import exchanged, inside
from ..rehearsal import Rehearsal
from ..statement import Batch
from ..unasked import Unasked

QUESTION = "uniqueness"
CODES = ("WP214",)
QUICK = True
ITEMS = 2
CUTS = (0.25, 0.5, 0.75)
"""Shares of the length before the point."""
LOUDER = 10.0
"""How much larger the future becomes: statistics over time give way to it."""


def ask(rehearsal: Rehearsal) -> Part:
    """Change the future at three points."""
    problem, batch = rehearsal.problem, rehearsal.items(ITEMS)
    lookahead = problem.lookahead
    if lookahead is None:
        raise Unasked("no look-ahead is declared, so all of the future counts")
    timed = [name for name in problem.inputs if "time" in problem.axes.get(name, {})]
    if not timed or "time" not in problem.axes.get("estimate", {}):
        raise Unasked("no time axis is declared for an input and the estimate")
    networks, axis = rehearsal.beginning.networks, problem.axes["estimate"]["time"]
    base = rehearsal.estimates(networks, batch)
    rounded = rehearsal.estimates(networks, {**batch, **{n: _rounded(batch[n]) for n in timed}})
    worst, rounding = (0.0, 0, 0), 0.0
    for key, before in base.items():
        rounding = max(rounding, _change(before, rounded[key]))
    for cut in CUTS:
        changed = rehearsal.estimates(networks, {**batch, **_future(rehearsal, batch, timed, cut)})
        for key, before in base.items():
            length = before.shape[axis]
            kept = int(length * cut) - lookahead
            if kept > 0:
                one, other = (each.narrow(axis, 0, kept) for each in (before, changed[key]))
                worst = max(worst, (_change(one, other), *_latest(one, other, axis, rounding)))
    change, ahead, frames = worst
    numbers = {"future_leak": change, "rounding": rounding}
    if change <= 10 * rounding:
        text = f"beyond {lookahead} samples the future changes nothing, to rounding"
        return Part([Answer(QUESTION, text)], numbers)
    size = max(float(each.abs().max()) for each in base.values())
    title = (
        f"declared to look {lookahead} samples ahead, it looks {ahead} further: the past of the "
        f"estimate changes by {change / size:.2g} of its size"
    )
    facts = {
        "subject": "estimate",
        "change": change,
        "rounding": rounding,
        "samples_ahead": ahead + lookahead,
        "past_samples_changed": frames,
    }
    return Part([_looks_ahead(title, facts)], numbers)


def _looks_ahead(title: str, facts: dict[str, float | int | str]) -> Answer:
    return bad(
        QUESTION,
        "WP214",
        Severity.FAIL,
        title,
        facts,
        suspects=(
            ("a norm over time", "norm over the features of one frame: the leak is gone"),
            ("a centred window, filter or tap", "shift it back by its reach"),
            ("a layer that runs both ways", "run it forward only"),
        ),
        advice="make it causal, or declare the look-ahead that it has",
    )


def _future(rehearsal: Rehearsal, batch: Batch, timed: list[str], cut: float) -> Batch:
    made = {}
    for name in timed:
        tensor, axis = batch[name], rehearsal.problem.axes[name]["time"]
        other = exchanged(tensor)
        if other.is_floating_point() or other.is_complex():
            other = LOUDER * other
        length = tensor.shape[axis]
        made[name] = inside(tensor, other, axis, slice(int(length * cut), length))
    return made


def _rounded(tensor: Tensor) -> Tensor:
    fine = tensor.is_floating_point() or tensor.is_complex()
    return tensor * (1 + 2**-22) if fine else tensor


def _change(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _latest(one: Tensor, other: Tensor, axis: int, rounding: float) -> tuple[int, int]:
    """How far before the point the first changed sample lies, and how many have changed."""
    moved = ((one - other).abs() > 10 * rounding).movedim(axis, 0).flatten(1).any(1)
    places = torch.nonzero(moved).flatten()
    return (len(moved) - int(places[0]), len(places)) if len(places) else (0, 0)
