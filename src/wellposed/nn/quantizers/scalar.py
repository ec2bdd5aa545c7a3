"""Finite scalar quantization: a grid instead of a book; no code can die, none is learned.

Mentzer et al., arXiv:2309.15505. Levels are odd, so that zero is on the grid.
"""

import math

import torch
from torch import Tensor

from wellposed.nn.causal import CausalConv, Tape
from wellposed.nn.quantizers.kmeans import main_directions
from wellposed.nn.quantizers.stage import Stage, Staged


class ScalarStage(Stage):
    """`levels[i]` values from -1 to 1 along each projected dimension, the code their number."""

    pulls = False
    place: Tensor

    def __init__(self, width: int, levels: tuple[int, ...]) -> None:
        """Draw the projections. Raises ValueError: levels that are even or below 3."""
        if not levels or any(level < 3 or level % 2 == 0 for level in levels):
            raise ValueError(f"levels {levels}: wanted odd numbers of 3 or more, zero among them")
        super().__init__(math.prod(levels))
        self.levels = levels
        self.inward = CausalConv(width, len(levels), 1, bias=False)
        self.outward = CausalConv(len(levels), width, 1, bias=False)
        places = [math.prod(levels[:number]) for number in range(len(levels))]
        self.register_buffer("place", torch.tensor(places), persistent=False)

    def project(self, residual: Tensor, tape: Tape) -> Tensor:
        """Project to the dimensions of the grid and bend into its range."""
        return torch.tanh(self.inward(residual, tape))

    def nearest(self, projected: Tensor, number: int, tape: Tape) -> Tensor:
        """Round every dimension: one code, whatever `number`."""
        half = self._half(projected)
        steps = (projected.detach() * half).round()
        found = ((steps + half).long() * self.place[:, None]).sum(1, keepdim=True)
        # The number of the middle of all is the code 0.
        return (found - self.size // 2) % self.size

    def forward(self, projected: Tensor, codes: Tensor, tape: Tape) -> Staged:
        """Take values of the grid."""
        chosen = self._values(codes, projected, tape)
        passed = chosen + (projected - projected.detach())
        return Staged(chosen, self.outward(passed, tape))

    def value(self, codes: Tensor, tape: Tape) -> Tensor:
        """Project the grid's values back."""
        return self.outward(self._values(codes, self.outward.direction, tape), tape)

    def _values(self, codes: Tensor, like: Tensor, tape: Tape) -> Tensor:
        """Values on the grid `(batch, dims, frames)` in the precision of another tensor."""
        number = (codes + self.size // 2) % self.size
        levels = torch.tensor(self.levels, device=codes.device)[:, None]
        steps = number[:, None] // self.place[:, None] % levels
        return tape.settle((steps - levels // 2) / self._half(like))

    def _half(self, like: Tensor) -> Tensor:
        levels = torch.tensor(self.levels, dtype=like.dtype, device=like.device)
        return ((levels - 1) / 2)[:, None]

    @torch.no_grad()
    def start(self, residual: Tensor, generator: torch.Generator) -> Tensor:
        """Project onto the directions of most power, so that one standard deviation is 0.8.

        A Gaussian of that deviation within tanh uses all levels of a dimension nearly alike.
        """
        directions = main_directions(residual, len(self.levels))
        spread = (residual @ directions.T).square().mean(0).sqrt().clamp(min=1e-6)
        self.inward.assign((directions * (0.8 / spread)[:, None])[:, :, None])
        bent = torch.tanh(residual @ directions.T * (0.8 / spread))
        half = self._half(bent)[:, 0]
        values = (bent * half).round() / half
        back = _regression(values, residual)
        self.outward.assign(back.T[:, :, None] + 1e-9)
        return values @ back


def _regression(values: Tensor, residual: Tensor) -> Tensor:
    """What the values `(number, dims)` say best about the residual: least squares, `(dims, width)`.

    By the normal equations in float64, which a few dimensions of alike power allow. The default
    driver of `torch.linalg.lstsq` on a CPU, gelsy, gave other last bits by what the memory had held
    (two to six results in 12 calls), and runs that did not repeat; `solve` and `eigh` gave one.
    """
    values = values.double()
    powers = values.T @ values
    # A dimension that is always zero says nothing.
    powers.diagonal().add_(1e-9 * len(values))
    return torch.linalg.solve(powers, values.T @ residual.double()).to(residual)
