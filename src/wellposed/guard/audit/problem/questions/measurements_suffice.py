"""Do the measurements determine the unknowns?

Signal: the Jacobian of the measurements with respect to the unknowns, at typical points; its rank
in the arithmetic of the points. Threshold U: a singular value below max(m, n) eps of the largest is
zero. Where the noise of the measurements is white, J'J is the Fisher information but for a factor.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal
from ..statement import Observation
from ..unasked import Unasked

QUESTION = "existence"
CODES = ("WP122",)
QUICK = True


@dataclass(frozen=True)
class Lost:
    """A point at which the measurements do not determine the unknowns."""

    number: int
    rank: int
    entry: int
    """The unknown along which the least is determined."""


def ask(rehearsal: Rehearsal) -> Part:
    """Take the rank at every point."""
    observation = rehearsal.problem.observation
    if observation is None or not len(observation.points):
        raise Unasked("no observation is given: measurements as a function of the unknowns")
    lost, conditions, counts = [], [], (0, 0)
    for number, point in enumerate(observation.points):
        singular, directions, rows = _spectrum(_jacobian(observation.observe, point.detach()))
        counts = (rows, point.numel())
        eps = torch.finfo(point.dtype).eps
        rank = int((singular > max(counts) * eps * singular[0]).sum()) if len(singular) else 0
        conditions.append(float(singular[0] / singular[-1]) if rank == point.numel() else torch.inf)
        if rank < point.numel():
            least = directions[:rank].square().sum(0).argmin()
            lost.append(Lost(number, rank, int(least)))
    measurements, unknowns = counts
    worst = max(conditions)
    numbers = {"measurements": measurements, "unknowns": unknowns, "condition": worst}
    if lost:
        return Part([_undetermined(observation, lost, counts)], numbers)
    points = len(observation.points)
    text = f"{measurements} measurements determine {unknowns} unknowns at all {points} points"
    return Part([Answer(QUESTION, f"{text}; condition up to {worst:.2g}")], numbers)


def _undetermined(observation: Observation, lost: list[Lost], counts: tuple[int, int]) -> Answer:
    (measurements, unknowns), points, first = counts, len(observation.points), lost[0]
    free = observation.name_of(first.entry)
    missing = f"; not given: {observation.not_given}" if observation.not_given else ""
    return bad(
        QUESTION,
        "WP122",
        Severity.FAIL if len(lost) == points else Severity.WARN,
        f"{measurements} measurements determine {first.rank} of {unknowns} unknowns at "
        f"{len(lost)} of {points} points; free is above all {free}{missing}",
        {
            "subject": free,
            "rank": first.rank,
            "unknowns": unknowns,
            "measurements": measurements,
            "points": len(lost),
            "of": points,
            "first_point": first.number,
        },
        suspects=(
            ("a symmetry", "move the unknowns along the free direction: what stays?"),
            ("too few measurements", "add one and ask again: the rank rises"),
        ),
        advice="measure more, or ask for less: what is free can only be guessed",
    )


def _jacobian(observe: object, point: Tensor) -> Tensor:
    with torch.enable_grad():
        made = torch.autograd.functional.jacobian(observe, point.requires_grad_())
    assert isinstance(made, Tensor)
    return made.reshape(-1, point.numel())


def _spectrum(jacobian: Tensor) -> tuple[Tensor, Tensor, int]:
    """Singular values, as many as unknowns; their directions, if not zero; the measurements."""
    rows, columns = jacobian.shape
    _, singular, directions = torch.linalg.svd(jacobian, full_matrices=False)
    padded = torch.cat([singular, singular.new_zeros(max(0, columns - len(singular)))])
    return padded[:columns], directions, rows
