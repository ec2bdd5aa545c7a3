"""Fitting the books to latents, once, when quantization begins."""

from collections.abc import Iterator

import torch
from torch import Tensor

from wellposed.engine.randomness import generator
from wellposed.systems.codec.model import Codec


@torch.no_grad()
def fit_books(codec: Codec, scenes: Iterator[Tensor], seed: int, latents: int) -> None:
    """Fit the books to the latents of scenes `(time,)`, a pure function of both and the weights.

    To `latents` a code, of audible frames. Every process of a run does the same.
    """
    device = next(codec.parameters()).device
    wanted, rows = latents * max(codec.books), []
    while sum(map(len, rows)) < wanted:
        rows.append(codec.latents(next(scenes)[None].to(device)))
    draws = generator(torch.device("cpu"), seed, "books")
    codec.quantizer.start(torch.cat(rows), draws)
