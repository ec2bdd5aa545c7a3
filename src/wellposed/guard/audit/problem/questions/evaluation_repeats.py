"""Do two evaluations of the same weights on the same items give the same bits?

Signal: the first validation items fetched twice and estimated twice in evaluation mode, with
torch's global generator elsewhere the second time. Threshold [E]: equal bits.
"""

import torch
from torch import Tensor

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal, named, resting
from ..statement import Batch

QUESTION = "stability"
CODES = ("WP403",)
QUICK = True


def ask(rehearsal: Rehearsal) -> Part:
    """Fetch twice, estimate twice."""
    problem = rehearsal.problem
    networks = rehearsal.networks()

    def fetch(draw: int) -> Batch:
        rehearsal.seed(5, draw)
        return problem.validation[0] if len(problem.validation) else problem.batch(0)

    what = "the first validation batch" if len(problem.validation) else "the first training batch"
    first, second = fetch(0), fetch(1)
    if names := [name for name in first if not _equal(first[name], second[name])]:
        return Part([_differs(f"{', '.join(names)} of {what}", "the items", 0.0)])
    made = []
    for draw in range(2):
        with resting(networks), torch.no_grad():
            rehearsal.seed(6, draw)
            made.append({k: v.clone() for k, v in named(problem.estimate(networks, first)).items()})
    for name, one in made[0].items():
        if not _equal(one, made[1][name]):
            gap = float((one - made[1][name]).abs().max() / one.abs().max().clamp_min(1e-30))
            return Part([_differs(f"the {name} of {what}", "the networks", gap)])
    return Part([Answer(QUESTION, f"{what} fetched and estimated twice: the same bits")])


def _equal(one: Tensor, other: Tensor) -> bool:
    """The same shape and values; a NaN equals itself."""
    return one.shape == other.shape and bool(
        ((one == other) | ((one != one) & (other != other))).all()
    )


def _differs(what: str, where: str, gap: float) -> Answer:
    suspects = {
        "the items": ("a generator that the number does not key", "seed it by the number"),
        "the networks": ("a draw in evaluation mode", "replace what draws; evaluate twice again"),
    }
    return bad(
        QUESTION,
        "WP403",
        Severity.FAIL,
        f"{what} is not the same twice",
        {"subject": where, "relative_difference": gap},
        suspects=(suspects[where],),
        advice="items by number; no draws in evaluation mode that the item does not key",
    )
