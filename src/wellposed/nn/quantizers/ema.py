"""Vector quantization by running means of what was assigned, in all dimensions of the latent.

Form of SoundStream (Zeghidour et al., arXiv:2107.03312, section III-C) and EnCodec: the nearest
code in the Euclidean sense, moved to the running mean of its vectors, with a k-means start and
revival of dead codes. The book is a buffer: no optimizer moves it.
"""

import torch
from torch import Tensor
from torch.nn import functional

from wellposed.nn.causal import Kernel, Tape
from wellposed.nn.quantizers.kmeans import kmeans
from wellposed.nn.quantizers.stage import MEMORY, Stage, Staged, drawn, highest, rows_of


class EmaStage(Stage):
    """A book of `size` codes as wide as the latent."""

    stride, dilation, past = 1, 1, 0
    book: Tensor
    weight: Tensor
    """Running number of vectors of each code in a step, `(size,)`."""

    def __init__(self, width: int, size: int) -> None:
        """Draw codes; `start` makes them fit."""
        super().__init__(size)
        self.register_buffer("book", torch.randn(size, width))
        self.register_buffer("weight", torch.ones(size))

    def kernel(self) -> Kernel:
        """Least distance is the largest product less half of the code's power."""
        codes = self.book[1:]
        return Kernel(codes[:, :, None], -codes.square().sum(-1) / 2)

    def project(self, residual: Tensor, tape: Tape) -> Tensor:
        """Return the residual as it is."""
        return residual

    def nearest(self, projected: Tensor, number: int, tape: Tape) -> Tensor:
        """Look up the nearest codes."""
        return highest(tape.convolve(self, projected.detach()), min(number, self.size - 1)) + 1

    def forward(self, projected: Tensor, codes: Tensor, tape: Tape) -> Staged:
        """Take codes of the book."""
        chosen = self.value(codes, tape)
        return Staged(chosen, chosen)

    def value(self, codes: Tensor, tape: Tape) -> Tensor:
        """Return the codes' vectors."""
        rows = functional.embedding(codes, self.book) * (codes > 0)[..., None]
        return tape.settle(rows.transpose(1, 2))

    @torch.no_grad()
    def start(self, residual: Tensor, generator: torch.Generator) -> Tensor:
        """Put the codes at centres of k-means."""
        self.book[1:] = kmeans(residual, self.size - 1, generator, cosine=False)
        codes = self.book[1:]
        nearest = (residual @ codes.T - codes.square().sum(-1) / 2).argmax(-1) + 1
        counts = torch.bincount(nearest, minlength=self.size).to(self.share)
        self.share.copy_(counts / len(nearest))
        self.weight.copy_(counts.clamp(min=1.0))
        return self.book[nearest]

    @torch.no_grad()
    def learn(
        self, projected: Tensor, codes: Tensor, counted: Tensor, generator: torch.Generator
    ) -> None:
        """Move every code towards the mean of its vectors, and revive dead ones."""
        kept = counted & projected.detach().isfinite().all(1)
        self.count(codes, kept)
        rows, chosen = rows_of(projected, kept), codes[kept]
        if not len(rows):
            return
        counts = torch.bincount(chosen, minlength=self.size).to(self.weight)
        sums = torch.zeros_like(self.book).index_add_(0, chosen, rows.to(self.book))
        total = self.book * self.weight[:, None]
        total.lerp_(sums, 1 - MEMORY)
        self.weight.lerp_(counts, 1 - MEMORY)
        # A code that nobody has chosen for long keeps its place, not 0 / 0.
        moved = total / self.weight.clamp(min=1e-6)[:, None]
        self.book.copy_(torch.where((self.weight > 1e-6)[:, None], moved, self.book))
        dead = self.dead()
        if len(dead):
            self.book[dead] = drawn(rows, len(dead), generator).to(self.book)
            self.share[dead] = 1 / self.size
            self.weight[dead] = counts.sum() / self.size
