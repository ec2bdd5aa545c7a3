"""Stages in a row, each for what the ones before have left, and one way through for the gradient.

The sum of all stages has the gradient of the identity towards the latent, exactly. A way through
in every stage, with a residual that forgets it, would give the gradient once for each stage.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wellposed.nn.causal import Tape, Whole
from wellposed.nn.quantizers.ema import EmaStage
from wellposed.nn.quantizers.refit import refit
from wellposed.nn.quantizers.search import BRANCHES, search
from wellposed.nn.quantizers.stage import Stage

REFITS = 2
"""Rounds of `refit`."""


class Quantized(NamedTuple):
    """Latents `(batch, width, frames)` as the codes tell them."""

    value: Tensor
    """Sum over stages; its gradient towards the latent is 1."""
    codes: Tensor
    """int64 `(batch, stages, frames)`; -1 where a stage was left out."""
    commitment: Tensor
    """Mean squared distance of latents from their codes, summed over stages, `(batch,)`."""
    codebook: Tensor
    """The same with a gradient to the codes instead, `(batch,)`."""


class ResidualQuantizer(nn.Module):
    """Several stages; any number of the first ones is a coarser quantizer."""

    started: Tensor
    """Whether the books were fitted to latents."""

    def __init__(self, stages: Sequence[Stage], paths: int = 1) -> None:
        """Take stages in their order; `paths` sums of codes are tried at once (`search`)."""
        super().__init__()
        self.paths, self.branches = paths, BRANCHES
        self.stages = nn.ModuleList(stages)
        self.register_buffer("started", torch.tensor(False))

    @property
    def books(self) -> tuple[int, ...]:
        """Number of codes of every stage."""
        return tuple(stage.size for stage in self._stages())

    def _stages(self) -> list[Stage]:
        return [stage for stage in self.stages if isinstance(stage, Stage)]

    def forward(
        self,
        latent: Tensor,
        counts: Tensor,
        audible: Tensor,
        generator: torch.Generator | None = None,
    ) -> Quantized:
        """Quantize with the first `counts` `(batch,)` stages of every item.

        Frames that are not `audible` `(batch, frames)` get zero codes. In training mode with a
        generator, books learn from what they are asked.
        """
        stages, heard = self._stages(), audible[:, None]
        latent = latent * heard
        tape, summed = Whole(), torch.zeros_like(latent)
        found = search(stages, latent.detach(), tape, self.paths, self.branches)
        codes: list[Tensor] = []
        commitment = codebook = latent.new_zeros(len(latent))
        for number, stage in enumerate(stages):
            residual = latent - summed.detach()
            projected = stage.project(residual.detach(), tape)
            mine = found[:, number]
            made = stage(projected, mine, tape)
            used = (number < counts)[:, None] & torch.ones_like(audible)
            counted = used & audible
            if self.training and generator is not None and torch.is_grad_enabled():
                stage.learn(projected, mine, counted, generator)
            codes.append(torch.where(used, mine * audible, -1))
            if stage.pulls:
                asked = stage.project(residual, tape)
                commitment = commitment + _distance(asked, made.chosen.detach(), counted)
            if stage.learned:
                codebook = codebook + _distance(made.chosen, projected.detach(), counted)
            summed = summed + made.value * counted[:, None]
        # Exactly the sum in value: what is added to it is zero.
        value = summed + (latent - latent.detach())
        return Quantized(value, torch.stack(codes, 1), commitment, codebook)

    def encode(self, latent: Tensor, audible: Tensor, tape: Tape) -> Tensor:
        """Codes `(batch, stages, frames)` of settled latents, zero where nothing is audible."""
        return search(self._stages(), latent, tape, self.paths, self.branches) * audible[:, None]

    def decode(self, codes: Tensor, tape: Tape) -> Tensor:
        """Latents `(batch, width, frames)` of the codes of the first stages; -1: left out.

        Raises ValueError: more stages than there are, or a code outside its book.
        """
        stages = self._stages()
        if not 1 <= codes.shape[1] <= len(stages):
            raise ValueError(f"codes of {codes.shape[1]} stages; wanted 1 to {len(stages)}")
        total: Tensor | float = 0.0
        for number, stage in enumerate(stages[: codes.shape[1]]):
            mine = codes[:, number]
            if mine.numel() and not -1 <= int(mine.min()) <= int(mine.max()) < stage.size:
                raise ValueError(
                    f"stage {number} has codes from {int(mine.min())} to {int(mine.max())}; "
                    f"wanted 0 to {stage.size - 1}, or -1 for none"
                )
            total = total + stage.value(mine.clamp(min=0), tape) * (mine >= 0)[:, None]
        assert isinstance(total, Tensor)
        return total

    @torch.no_grad()
    def start(self, latents: Tensor, generator: torch.Generator) -> None:
        """Fit the books, stage after stage, to latents `(number, width)`.

        Books of running means are then fitted together; others learn that by gradient.

        Raises ValueError: fewer latents than the largest book has codes.
        """
        if len(latents) < max(self.books):
            raise ValueError(f"{len(latents)} latents for a book of {max(self.books)} codes")
        residual = latents.float()
        for stage in self._stages():
            residual = residual - stage.start(residual, generator)
        means = [stage for stage in self._stages() if isinstance(stage, EmaStage)]
        if len(means) == len(self.stages):
            for _ in range(REFITS):
                refit(means, latents.float(), self.paths, self.branches)
        self.started.fill_(True)


def _distance(first: Tensor, second: Tensor, counted: Tensor) -> Tensor:
    """Mean square over the counted frames `(batch, frames)` of every item; zero without any."""
    gap = (first - second).square().mean(1)
    return (gap * counted).sum(1) / counted.sum(1).clamp(min=1)
