"""Where the codes of a book should start: in the middle of what they have to stand for."""

import torch
from torch import Tensor
from torch.nn import functional

from wellposed.nn.quantizers.stage import drawn

ROUNDS = 10
"""Lloyd's algorithm changes little afterwards; EnCodec and SoundStream take 10 to 50."""


@torch.no_grad()
def kmeans(rows: Tensor, number: int, generator: torch.Generator, *, cosine: bool) -> Tensor:
    """Return `number` centres of rows `(n, dims)`; nearest by direction alone if `cosine`.

    A centre that loses all of its rows becomes one of the rows.
    """
    centres = drawn(rows, number, generator)
    for _ in range(ROUNDS):
        nearest = _nearest(rows, centres, cosine)
        counts = torch.bincount(nearest, minlength=number)
        sums = torch.zeros_like(centres).index_add_(0, nearest, rows)
        fresh = drawn(rows, number, generator)
        centres = torch.where(
            (counts > 0)[:, None], sums / counts.clamp(min=1)[:, None].to(rows), fresh
        )
    return centres


@torch.no_grad()
def main_directions(rows: Tensor, number: int) -> Tensor:
    """Return the orthonormal directions `(number, dims)` that hold most of the rows' power."""
    moment = (rows.double().T @ rows.double()) / len(rows)
    return torch.linalg.eigh(moment).eigenvectors.flip(1)[:, :number].T.to(rows)


def _nearest(rows: Tensor, centres: Tensor, cosine: bool) -> Tensor:
    if cosine:
        return (rows @ functional.normalize(centres, dim=-1).T).argmax(-1)
    return (rows @ centres.T - centres.square().sum(-1) / 2).argmax(-1)
