"""Several wide-band sources at once: cross-spectra as a sum of what each of them alone would give.

Cross-spectra of unit length, summed over frames, point in every bin to whoever was loudest in each
of them. So they are taken for a sum over sources of w_s(bin) exp(j wavenumber x path), with weights
that are not negative: given directions the weights are a least-squares solution in each bin, and
directions are climbed in turn, each on what the others leave (space-alternating, Fessler and Hero,
IEEE Trans. SP 42 (1994)).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from wellposed.dsp.arrays.geometry import direction
from wellposed.dsp.doa.wideband import Pairs

SWEEPS = 60
"""Of the weights; two directions of which one explains 0.9 of the other are then right to 1e-5."""
ROUNDS = 10
"""Of climbing in turn; errors of two voices 60 degrees apart no longer change after six."""

Climb = Callable[[Tensor, Tensor], Tensor]
"""Summed cross-spectra `(n, pairs, bins)` and angles `(n, 2)` to better angles."""


def waves(pairs: Pairs, wavenumbers: Tensor, angles: Tensor) -> Tensor:
    """Cross-spectra `(..., pairs, bins)` that a source at `angles` `(..., 2)` gives."""
    path = direction(angles[..., 0], angles[..., 1]) @ pairs.apart.mT
    return torch.polar(torch.ones(()).to(path), path[..., None] * wavenumbers)


def weights(crossed: Tensor, made: Tensor) -> Tensor:
    """Weights `(..., sources, bins)`, not negative, of `made` `(..., sources, pairs, bins)`.

    Least squares by coordinate descent, bin by bin.
    """
    inner = torch.einsum("...spb,...tpb->...stb", made.conj(), made).real
    along = torch.einsum("...spb,...pb->...sb", made.conj(), crossed).real
    found = torch.zeros_like(along)
    own = inner.diagonal(dim1=-3, dim2=-2).mT
    for _ in range(SWEEPS):
        for one in range(made.shape[-3]):
            rest = (inner[..., one, :, :] * found).sum(-2) - own[..., one, :] * found[..., one, :]
            found[..., one, :] = ((along[..., one, :] - rest) / own[..., one, :]).clamp(min=0)
    return found


def left_of(crossed: Tensor, made: Tensor, shares: Tensor) -> Tensor:
    """What the sources leave `(..., pairs, bins)`."""
    return crossed - (shares[..., None, :] * made).sum(-3)


def climbed_in_turn(
    crossed: Tensor, pairs: Pairs, wavenumbers: Tensor, angles: Tensor, climb: Climb
) -> Tensor:
    """Better angles `(n, sources, 2)` of sources in `crossed` `(n, pairs, bins)`."""
    found = angles.clone()
    for _ in range(ROUNDS if found.shape[1] > 1 else 1):
        for one in range(found.shape[1]):
            made = waves(pairs, wavenumbers, found)
            shares = weights(crossed, made)
            alone = left_of(crossed, made, shares) + shares[:, one, None] * made[:, one]
            found[:, one] = climb(alone, found[:, one])
    return found
