"""Counting sources at a declared rate of false alarms: what noise alone explains, looked at
everywhere.

With `d` free complex numbers of white noise in T snapshots, the share x that one place explains of
their power is a Beta(T, d - T) variable; its power at a place is chi-square with 2 T degrees.
Looked for over places of D coordinates, the chance that any share exceeds x is at most the chance
at one place plus the expected number of excursions, volume x density, where the volume is that of
the unit responses in their own metric. Davies, Biometrika 74 (1987), for one coordinate; Worsley,
Advances in Applied Probability 26 (1994), leading term, for more. From known to unknown noise
power by averaging over the radius of the noise.

An information criterion with a penalty for every amplitude is no such rate. Of eight sensors it
asks for 1483 where there are 100 snapshots and noise reaches 295 in one scene of a hundred; with
one snapshot it finds a source in 46 % of scenes of noise alone.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import betainc, gammaln
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Coordinate
from wellposed.dsp.doa.grids import Grid
from wellposed.dsp.power import power

NEVER = 50.0
"""Penalty of a source that no measurements could show, in logarithms of the residual: that many
are e^-50 of the power, below the rounding of double precision."""


def volume(array: Array, grid: Grid, by: Sequence[Coordinate]) -> float:
    """Of the unit responses over the box of a grid: how many places look different, about.

    Root determinant of the metric Re(d_i^H d_j), d the derivatives of a / |a| less their part
    along it, integrated over the coordinates that are searched; ranges by their inverse.
    """
    response = array.response(grid.places)
    energy = power(response).sum(-2)
    slopes = array.derivatives(grid.places, by)
    along = (response.conj() * slopes).sum(-2, keepdim=True) / energy
    across = (slopes - response * along) / energy.sqrt()
    metric = torch.einsum("inp,jnp->pij", across.conj(), across).real
    sides = {
        "azimuth": grid.azimuth, "elevation": grid.elevation, "inverse_range": grid.inverse_range
    }  # fmt: skip
    box = [float(sides[one][-1] - sides[one][0]) for one in by]
    return float(torch.linalg.det(metric).clamp(min=0).sqrt().mean()) * float(np.prod(box))


def exceeded(share: float, free: float, snapshots: int, size: float, axes: int) -> float:
    """Chance that noise explains more than `share` of its power somewhere; at most 1.

    `free` complex numbers of noise, `size` and `axes` of what is searched: see `volume`.
    """
    if not 0 < share < 1:
        return float(share <= 0)
    one = float(betainc(free - snapshots, snapshots, 1 - share))
    half = axes / 2
    logarithm = (
        gammaln(free) - gammaln(snapshots) - gammaln(free - snapshots + 1 - half)
        + (snapshots - 1 + half) * np.log(share) + (free - snapshots - half) * np.log1p(-share)
    )  # fmt: skip
    return min(1.0, one + size * float(np.pi**-half * np.exp(logarithm)))


def share_by_chance(rate: float, free: float, snapshots: int, size: float, axes: int) -> float:
    """Share of the power that noise alone explains somewhere in `rate` of scenes; 1: any share.

    That is where too few numbers are left for any share to be told from chance.
    """
    if free - snapshots - axes / 2 <= 0:
        return 1.0
    # Beyond its highest point, (T - 1 + D/2) : (d - T - D/2), the density falls.
    low, high = (snapshots - 1 + axes / 2) / (free - 1), 1.0
    for _ in range(60):
        middle = (low + high) / 2
        above = exceeded(middle, free, snapshots, size, axes) > rate
        low, high = (middle, high) if above else (low, middle)
    return high


def penalties(
    rate: float, outputs: int, snapshots: int, size: float, axes: int, most: int
) -> Tensor:
    """Penalties `(most + 1,)` of 0, 1 ... sources, beside 2 outputs T ln(residual).

    One more source lowers the sum of both where it explains more than noise does in `rate` of
    scenes. Those before it have taken T complex and `axes` real numbers each.
    """
    scale, total = 2 * outputs * snapshots, 0.0
    made = [total]
    for sources in range(most):
        free = (outputs - sources) * snapshots - axes * sources / 2
        share = share_by_chance(rate, free, snapshots, size, axes)
        total += scale * (NEVER if share >= 1 else float(-np.log1p(-share)))
        made.append(total)
    return torch.tensor(made, dtype=torch.float64)


class Counting:
    """Penalties at one rate, over one range of places; each is computed once."""

    def __init__(self, rate: float, array: Array, grid: Grid, by: Sequence[Coordinate]) -> None:
        """Look over the box of a grid by these coordinates."""
        self.rate, self.axes = rate, len(by)
        self.size = volume(array, grid, by)
        self._known: dict[tuple[int, int, int], Tensor] = {}

    def penalties(self, outputs: int, snapshots: int, most: int) -> Tensor:
        """See `penalties`."""
        key = (outputs, snapshots, most)
        if key not in self._known:
            self._known[key] = penalties(self.rate, outputs, snapshots, self.size, self.axes, most)
        return self._known[key]
