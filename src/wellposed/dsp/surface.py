"""A reconfigurable surface: elements whose phases one chooses, before a receiver of few chains.

Measurement l of M chains is y_l = H diag(w_l) A s_l + n_l: the waves of the sources at the N
elements, their phases changed by the code w_l, the channel H to the chains. The surface is an
`Array` with the stacked operator behind it, so that whatever works on arrays works on it.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array


def quantised(phase: Tensor, bits: int) -> Tensor:
    """Nearest of 2^bits even phases [rad], from 0."""
    step = 2 * math.pi / 2**bits
    return (phase / step).round() * step


def phase_codes(phase: Tensor, bits: int | None = None) -> Tensor:
    """Codes `(..., measurements, elements)` of magnitude one from phases, quantised if asked."""
    chosen = phase if bits is None else quantised(phase, bits)
    return torch.polar(torch.ones_like(chosen), chosen)


def beam_phases(columns: int, rows: int, horizontal: int, vertical: int) -> Tensor:
    """Phases `(horizontal * vertical, columns * rows)` of the beams of a two-dimensional DFT.

    Elements in the order of `geometry.plane`. Beam `q * horizontal + p` turns by p / horizontal
    of a circle from column to column and by q / vertical from row to row.
    """
    turns = torch.meshgrid(
        *(
            torch.arange(size, dtype=torch.float64)
            for size in (vertical, horizontal, rows, columns)
        ),
        indexing="ij",
    )
    q, p, row, column = turns
    return (2 * math.pi * (column * p / horizontal + row * q / vertical)).reshape(
        vertical * horizontal, rows * columns
    )


def rician(direct: Tensor, scattered: Tensor, factor: Tensor) -> Tensor:
    """Channel `(..., chains, elements)` of a direct and a scattered part of unit power each.

    `factor` `(...)` is the ratio of their powers; 0 is Rayleigh fading.
    """
    share = (factor / (1 + factor))[..., None, None]
    return share.sqrt() * direct + (1 - share).sqrt() * scattered


def direct_path(receiver: Tensor, surface: Tensor) -> Tensor:
    """Channel of one plane wave from responses `(..., chains)` and `(..., elements)`: rank one."""
    return receiver.unsqueeze(-1) * surface.unsqueeze(-2)


def misjudged(channel: Tensor, white: Tensor, error_db: Tensor) -> Tensor:
    """The channel as one knows it: off by `error_db` `(...)` of its own mean power.

    `white` is complex noise of unit power in its shape; -inf dB is none.
    """
    power = channel.abs().square().mean((-2, -1)) * 10 ** (error_db / 10)
    return channel + power.sqrt()[..., None, None] * white


def operators(channel: Tensor, codes: Tensor) -> Tensor:
    """Phi_l = H diag(w_l), `(..., measurements, chains, elements)`."""
    return channel.unsqueeze(-3) * codes.unsqueeze(-2)


def before_chains(surface: Array, channel: Tensor, codes: Tensor) -> Array:
    """The surface as an array whose outputs are all measurements of all chains, chains fastest.

    For symbols that do not change: then all measurements are one long snapshot.
    """
    return surface.behind(operators(channel, codes).flatten(-3, -2))


def measured(channel: Tensor, codes: Tensor, waves: Tensor) -> Tensor:
    """What the chains hear without noise `(..., measurements, chains)`.

    `waves` are A s at the elements, `(..., elements)` for symbols that stay or `(...,
    measurements, elements)` for new ones in every measurement.
    """
    lit = codes * (waves if waves.ndim >= codes.ndim else waves.unsqueeze(-2))
    return lit @ channel.mT


def gram(channel: Tensor, codes: Tensor) -> Tensor:
    """Phi^H Phi of all measurements together `(..., elements, elements)`.

    (H^H H) o (W^H W): it needs no operator, and costs what H costs.
    """
    return (channel.mH @ channel) * (codes.mH @ codes)


def backprojected(channel: Tensor, codes: Tensor, heard: Tensor) -> Tensor:
    """Phi^H y of all measurements together `(..., elements)`, of `heard` `(..., l, chains)`."""
    return ((heard @ channel.conj()) * codes.conj()).sum(-2)


class Condensed(NamedTuple):
    """All that measurements say of the waves at the elements, in as few numbers as that takes."""

    array: Array
    """The surface with the condensed operator `(..., outputs, elements)` behind it"""
    data: Tensor
    """`(..., outputs, 1)`"""
    outside: Tensor
    """`(...)` power that no wave explains: noise alone"""


def condensed(surface: Array, channel: Tensor, codes: Tensor, heard: Tensor) -> Condensed:
    """Measurements `(..., l, chains)` of symbols that stay, as at most one number an element.

    With Phi^H Phi = R^H R, the measurements are R^-H Phi^H y, white as they were, and a rest. Where
    they do not determine all waves (fewer numbers than elements, or codes that repeat) they stay
    as they are, in all scenes.
    """
    numbers = heard.shape[-1] * heard.shape[-2]
    if numbers > surface.outputs:
        root, failed = torch.linalg.cholesky_ex(gram(channel, codes))
        pivots = root.diagonal(dim1=-2, dim2=-1).real.square()
        eps = surface.outputs * torch.finfo(pivots.dtype).eps
        if not bool((failed > 0).any() | (pivots.amin(-1) <= eps * pivots.amax(-1)).any()):
            seen = backprojected(channel, codes, heard)[..., None]
            data = torch.linalg.solve_triangular(root, seen, upper=False)
            power = [each.abs().square().sum((-2, -1)) for each in (heard, data)]
            return Condensed(surface.behind(root.mH), data, (power[0] - power[1]).clamp(min=0))
    array = before_chains(surface, channel, codes)
    data = heard.flatten(-2)[..., None]
    return Condensed(array, data, data.new_zeros(data.shape[:-2]).real)
