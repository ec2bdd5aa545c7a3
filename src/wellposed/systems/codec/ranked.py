"""A quantizer whose first stages code levels of bands, the others the rows with the most power."""

from typing import cast

import torch
from torch import Tensor, nn

from wellposed.nn.causal import Tape, Whole
from wellposed.nn.exact import Stream
from wellposed.nn.quantizers import ResidualQuantizer, Stage
from wellposed.nn.quantizers.residual import Quantized
from wellposed.systems.codec.ranks import Powers, Ranks, Told, key_of, ranked


class RankedQuantizer(nn.Module):
    """Latents as `Told`: rows of a block transform, levels of its bands, and a key.

    Rows that are not coded are zero. The gradient passes to the rows that are as through nothing.
    """

    def __init__(
        self, levels: ResidualQuantizer, rows: ResidualQuantizer, powers: Powers, coded: int
    ) -> None:
        """Quantize levels first, then the `coded` rows that they rank highest."""
        super().__init__()
        self.levels, self.rows, self.powers, self.coded = levels, rows, powers, coded

    @property
    def stages(self) -> list[Stage]:
        """All stages, in the order of their codes."""
        return [cast("Stage", each) for part in (self.levels, self.rows) for each in part.stages]

    @property
    def books(self) -> tuple[int, ...]:
        """Number of codes of every stage."""
        return (*self.levels.books, *self.rows.books)

    @property
    def started(self) -> Tensor:
        """Whether the books were fitted to latents."""
        return self.levels.started & self.rows.started

    def forward(
        self,
        latent: Tensor,
        counts: Tensor,
        audible: Tensor,
        generator: torch.Generator | None = None,
    ) -> Quantized:
        """Quantize with the first `counts` `(batch,)` stages; as `ResidualQuantizer.forward`."""
        first = len(self.levels.books)
        rows, levels, _ = Told.of(latent, self.powers)
        told = self.levels(levels, counts.clamp(max=first), audible, generator)
        # As in use, to the bit: rows of nearly equal levels would change places else.
        exact = self._ranks(self.levels.decode(told.codes, Stream()))
        ranks = Ranks(exact.order, exact.scale.to(rows))
        scaled = _scaled(rows, ranks)
        made = self.rows(scaled, (counts - first).clamp(min=0), audible, generator)
        value = torch.zeros_like(rows).scatter(1, ranks.order, made.value * ranks.scale)
        codes = torch.cat([told.codes, made.codes], 1)
        return Quantized(
            Told(value, told.value, key_of(codes).to(value)).latent,
            codes,
            told.commitment + made.commitment,
            told.codebook + made.codebook,
        )

    def encode(self, latent: Tensor, audible: Tensor, tape: Tape) -> Tensor:
        """Codes `(batch, stages, frames)` of settled latents, zero where nothing is audible."""
        rows, levels, _ = Told.of(latent, self.powers)
        first = self.levels.encode(levels, audible, tape)
        ranks = self._ranks(self.levels.decode(first, tape))
        scaled = tape.settle(_scaled(rows, ranks))
        return torch.cat([first, self.rows.encode(scaled, audible, tape)], 1)

    def decode(self, codes: Tensor, tape: Tape) -> Tensor:
        """Latents of the codes of the first stages; as `ResidualQuantizer.decode`."""
        first = len(self.levels.books)
        levels = self.levels.decode(codes[:, :first], tape)
        rows = levels.new_zeros(len(levels), len(self.powers.share), levels.shape[-1])
        if codes.shape[1] > first:
            ranks = self._ranks(levels)
            made = self.rows.decode(codes[:, first:], tape)
            rows = rows.scatter(1, ranks.order, tape.settle(made * ranks.scale))
        return Told(rows, levels, key_of(codes).to(levels)).latent

    @torch.no_grad()
    def start(self, latents: Tensor, generator: torch.Generator) -> None:
        """Fit the books to latents `(number, width)`: levels, then rows as these rank them.

        Raises ValueError: fewer latents than the largest book has codes.
        """
        tape, frames = Whole(), latents.float().T[None]
        rows, levels, _ = Told.of(frames, self.powers)
        self.levels.start(levels[0].T, generator)
        audible = torch.ones_like(levels[:, 0], dtype=torch.bool)
        told = self.levels.decode(self.levels.encode(levels, audible, tape), tape)
        self.rows.start(_scaled(rows, self._ranks(told))[0].T, generator)

    def _ranks(self, levels: Tensor) -> Ranks:
        return ranked(self.powers.amplitudes(levels), self.coded)


def _scaled(rows: Tensor, ranks: Ranks) -> Tensor:
    """Coded rows `(batch, coded, frames)` at a level near 1, zero where nothing is told."""
    there = ranks.scale > 0
    return rows.gather(1, ranks.order) / torch.where(there, ranks.scale, 1.0) * there
