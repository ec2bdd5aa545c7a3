"""Does every input reach the output: every one as a whole, every channel, every stretch of time?

Signal: one part of one input gets what another item has there; something of the estimate must
change. Threshold E (bits): a part that changes nothing cannot help. After the first steps, so that
layers which start at zero are open.
"""

from collections.abc import Iterator

from torch import Tensor

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..perturbing import exchanged, inside, pieces
from ..rehearsal import Rehearsal
from ..statement import Axes
from ..unasked import Unasked

QUESTION = "existence"
CODES = ("WP120",)
QUICK = True
ITEMS = 2
PARTS = {"time": 4, "band": 4, "channel": 8}
"""Into how many parts an axis is cut: quarters; channels one by one, up to eight pieces."""


def ask(rehearsal: Rehearsal) -> Part:
    """Exchange one part after the other, and compare the bits of the estimates."""
    problem, batch = rehearsal.problem, rehearsal.items(ITEMS)
    if not problem.inputs:
        raise Unasked("the problem names no inputs")
    networks = rehearsal.beginning.networks
    base = rehearsal.estimates(networks, batch)
    reach: dict[str, float] = {}
    for name in problem.inputs:
        for part, changed in _changes(name, batch[name], problem.axes.get(name, {})):
            made = rehearsal.estimates(networks, {**batch, name: changed})
            reach[part] = max(_share(base[key], made[key]) for key in base)
    deaf = [part for part, share in reach.items() if share == 0]
    whole = [name for name in problem.inputs if name in deaf]
    numbers = {"share_of_output_reached": reach}
    if not deaf:
        least = min(reach, key=lambda part: reach[part])
        text = f"all {len(reach)} parts of the inputs reach the output; the least: {least}"
        return Part([Answer(QUESTION, f"{text}, {reach[least]:.0%} of the values")], numbers)
    missing = whole or deaf
    return Part(
        [
            bad(
                QUESTION,
                "WP120",
                Severity.FAIL,
                f"{missing[0]} changes no bit of the estimate"
                + (f", and {len(missing) - 1} more" if len(missing) > 1 else ""),
                {"subject": ", ".join(missing), "parts": len(reach), "without_effect": len(deaf)},
                suspects=(
                    (missing[0], "follow it with a hook: where does it end?"),
                    ("a mask or a slice", "print the shapes along the way"),
                ),
                advice="connect it, or take it out of the inputs: nothing can be learned from it",
            )
        ],
        numbers,
    )


def _changes(name: str, tensor: Tensor, axes: Axes) -> Iterator[tuple[str, Tensor]]:
    other = exchanged(tensor)
    yield name, other
    for meaning, axis in axes.items():
        for number, part in enumerate(cut := pieces(tensor.shape[axis], PARTS.get(meaning, 4))):
            yield f"{name}, {meaning} {number + 1} of {len(cut)}", inside(tensor, other, axis, part)


def _share(base: Tensor, made: Tensor) -> float:
    """Share of the values that changed; all of them where the shape did."""
    if base.shape != made.shape:
        return 1.0
    same = (base == made) | (base.isnan() & made.isnan())
    return float((~same).float().mean()) if same.numel() else 0.0
