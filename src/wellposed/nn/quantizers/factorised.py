"""Vector quantization in a few dimensions, looked up by direction.

Form of descript-audio-codec (Kumar et al., arXiv:2306.06546, section 3.2; Yu et al.,
arXiv:2110.04627): a projection to 8 dimensions, the code with the largest cosine, the code as it
is (not normalised) projected back. Beyond it: a k-means start and revival of dead codes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.nn.causal import CausalConv, Kernel, Tape
from wellposed.nn.quantizers.kmeans import kmeans, main_directions
from wellposed.nn.quantizers.stage import Stage, Staged, drawn, highest, rows_of


class FactorisedStage(Stage):
    """A book of `size` codes of `dims` numbers that is learned by gradient."""

    learned = True
    stride, dilation, past = 1, 1, 0

    def __init__(self, width: int, size: int, dims: int, *, cosine: bool = True) -> None:
        """Draw projections and codes; `start` makes them fit. `cosine`: or else by distance."""
        super().__init__(size)
        self.cosine = cosine
        self.inward = CausalConv(width, dims, 1, bias=False)
        # Without bias: the zero code must stand for zero.
        self.outward = CausalConv(dims, width, 1, bias=False)
        self.book = nn.Parameter(torch.randn(size, dims))

    def kernel(self) -> Kernel:
        """Return what ranks all codes but that of zero, by its product with a vector."""
        codes = self.book[1:].detach()
        if self.cosine:
            return Kernel(functional.normalize(codes, dim=-1)[:, :, None], None)
        return Kernel(codes[:, :, None], -codes.square().sum(-1) / 2)

    def project(self, residual: Tensor, tape: Tape) -> Tensor:
        """Project to the dimensions of the book."""
        return self.inward(residual, tape)

    def nearest(self, projected: Tensor, number: int, tape: Tape) -> Tensor:
        """Look up the nearest codes, or directions."""
        return highest(tape.convolve(self, projected.detach()), min(number, self.size - 1)) + 1

    def forward(self, projected: Tensor, codes: Tensor, tape: Tape) -> Staged:
        """Take codes of the book."""
        chosen = self._rows(codes, tape)
        passed = chosen.detach() + (projected - projected.detach())
        return Staged(chosen, self.outward(passed, tape))

    def value(self, codes: Tensor, tape: Tape) -> Tensor:
        """Project the codes back."""
        return self.outward(self._rows(codes, tape), tape)

    def _rows(self, codes: Tensor, tape: Tape) -> Tensor:
        rows = functional.embedding(codes, self.book) * (codes > 0)[..., None]
        # Settled float32 rows are exact in float64, the arithmetic of an exact tape.
        return tape.settle(rows.transpose(1, 2))

    @torch.no_grad()
    def start(self, residual: Tensor, generator: torch.Generator) -> Tensor:
        """Project onto the directions of most power, put the codes at centres of k-means.

        Projected residuals have the RMS 1: later stages have a hundredth of the level of the
        first, and a step of the optimizer is as large for the codes of all.
        """
        directions = main_directions(residual, self.book.shape[1])
        level = (residual @ directions.T).square().mean().sqrt().clamp(min=1e-6)
        self.inward.assign(directions[:, :, None] / level)
        self.outward.assign(directions.T[:, :, None] * level)
        rows = residual @ directions.T / level
        self.book[1:] = kmeans(rows, self.size - 1, generator, cosine=self.cosine)
        weight, bias = self.kernel()
        nearest = functional.linear(rows, weight[:, :, 0], bias).argmax(-1) + 1
        self.share.copy_(torch.bincount(nearest, minlength=self.size) / len(nearest))
        return self.book[nearest] @ directions * level

    @torch.no_grad()
    def learn(
        self, projected: Tensor, codes: Tensor, counted: Tensor, generator: torch.Generator
    ) -> None:
        """Count, and put dead codes where vectors of this step are."""
        self.count(codes, counted)
        rows, dead = rows_of(projected, counted), self.dead()
        if len(dead) and len(rows):
            self.book[dead] = drawn(rows, len(dead), generator).to(self.book)
            # As if used evenly: it takes log(10) memories of disuse until it is dead again.
            self.share[dead] = 1 / self.size
