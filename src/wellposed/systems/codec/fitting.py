"""Fitting the books to latents, once, when quantization begins."""

from collections.abc import Iterator

import torch
from torch import Tensor

from wellposed.engine.randomness import generator
from wellposed.systems.codec.model import Codec

LATENTS_PER_CODE = 8
"""Of audible frames. A centre of so many has a variance of 1 / 8 of that within its cell."""


@torch.no_grad()
def fit_books(codec: Codec, scenes: Iterator[Tensor], seed: int) -> None:
    """Fit the books to the latents of scenes `(time,)`, a pure function of both and the weights.

    Every process of a run does the same.
    """
    device = next(codec.parameters()).device
    wanted, rows = LATENTS_PER_CODE * max(codec.books), []
    while sum(map(len, rows)) < wanted:
        rows.append(codec.latents(next(scenes)[None].to(device)))
    draws = generator(torch.device("cpu"), seed, "books")
    codec.quantizer.start(torch.cat(rows), draws)
