"""One stage of a residual quantizer, and how much of its book is used."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from wellposed.nn.causal import Tape

MEMORY = 0.99
"""Decay of the usage per step: EnCodec's for its codebooks (arXiv:2210.13438, section 3.2)."""
REVIVED_BELOW = 0.1
"""Share of a code, relative to an even one, below which it is dead. EnCodec's bound is 2 draws of a
batch of 19,200 and 1024 codes, a tenth of the even 19."""


class Staged(NamedTuple):
    """What a stage makes of projected residuals `(batch, dims, frames)`."""

    chosen: Tensor
    """What the codes are in the book, `(batch, dims, frames)`, with a gradient to the book if that
    is learned."""
    value: Tensor
    """What it stands for, `(batch, width, frames)`; towards what was looked up the gradient passes
    as through nothing."""


class Stage(nn.Module, ABC):
    """Code 0 stands for zero: of silence all codes are 0, and decode to silence."""

    size: int
    """Number of codes."""
    pulls: ClassVar[bool] = True
    """Whether latents have to be drawn to their codes."""
    learned: ClassVar[bool] = False
    """Whether the book follows a gradient."""
    share: Tensor
    """Running share of every code among those sent, `(size,)`; its sum falls back to 1 after codes
    were revived with an even one."""

    def __init__(self, size: int) -> None:
        """Assume even use."""
        super().__init__()
        self.size = size
        self.register_buffer("share", torch.full((size,), 1.0 / size))

    @abstractmethod
    def project(self, residual: Tensor, tape: Tape) -> Tensor:
        """Map `(batch, width, frames)` to what is looked up, `(batch, dims, frames)`."""

    @abstractmethod
    def nearest(self, projected: Tensor, number: int, tape: Tape) -> Tensor:
        """Codes `(batch, number, frames)` for `(batch, dims, frames)`, the nearest first.

        Fewer where a stage knows no second choice.
        """

    @abstractmethod
    def forward(self, projected: Tensor, codes: Tensor, tape: Tape) -> Staged:
        """Take `codes` `(batch, frames)` for `(batch, dims, frames)`."""

    @abstractmethod
    def value(self, codes: Tensor, tape: Tape) -> Tensor:
        """Return what codes `(batch, frames)` stand for, `(batch, width, frames)`."""

    @abstractmethod
    def start(self, residual: Tensor, generator: torch.Generator) -> Tensor:
        """Fit the book to residuals `(number, width)`; return what it makes of them."""

    def learn(
        self, projected: Tensor, codes: Tensor, counted: Tensor, generator: torch.Generator
    ) -> None:
        """Take in the draws of a step, without gradients; `counted` `(batch, frames)` are real.

        Changes buffers, and rows of the book that are dead.
        """
        self.count(codes, counted)

    @torch.no_grad()
    def count(self, codes: Tensor, counted: Tensor) -> None:
        """Update the running share by the counted codes, if there are any."""
        # A batch of silence alone says nothing about the book.
        drawn = torch.bincount(codes[counted], minlength=self.size).to(self.share)
        if drawn.sum() > 0:
            self.share.lerp_(drawn / drawn.sum(), 1 - MEMORY)

    @torch.no_grad()
    def dead(self) -> Tensor:
        """Indices of codes that are used too little; never that of zero."""
        low = self.share < REVIVED_BELOW / self.size
        low[0] = False
        return low.nonzero()[:, 0]

    @property
    def bits(self) -> Tensor:
        """Entropy of the running share [bit per code]."""
        # Codes that were revived are given a share that nobody has lost.
        share = self.share / self.share.sum()
        return -torch.special.xlogy(share, share).sum() / torch.log(torch.tensor(2.0))


def highest(scores: Tensor, number: int) -> Tensor:
    """Indices `(batch, number, frames)` of the highest of `(batch, codes, frames)`, in order.

    Of equal scores the first one comes first, which `torch.topk` does not promise.
    """
    found = [scores.argmax(1, keepdim=True)]
    for _ in range(number - 1):
        scores = scores.scatter(1, found[-1], -torch.inf)
        found.append(scores.argmax(1, keepdim=True))
    return torch.cat(found, 1)


def rows_of(x: Tensor, counted: Tensor) -> Tensor:
    """Return the counted frames of `(batch, dims, frames)` that are finite, `(number, dims)`."""
    rows = x.detach().float().transpose(1, 2)[counted]
    return rows[rows.isfinite().all(-1)]


def drawn(rows: Tensor, number: int, generator: torch.Generator) -> Tensor:
    """Draw `number` of the rows, no row twice where there are enough."""
    order = torch.randperm(len(rows), generator=generator, device=generator.device).to(rows.device)
    return rows[order.repeat(-(-number // len(rows)))[:number]]
