"""The search for codes: several paths through the stages are kept, not the nearest code alone.

The nearest code of one stage need not leave what the next stages code best. So the best few sums
so far go on, and the best of all at the end is taken: the M-algorithm (Jelinek and Anderson, 1971),
beam search elsewhere. Decoding knows nothing of it. With one path it is the greedy search.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from wellposed.nn.causal import Tape
from wellposed.nn.quantizers.stage import Stage, highest

BRANCHES = 2
"""Codes that a path tries in a stage after the first: see docs/codec.md for 2, 4 and 8."""
WIDEST = 2.0**6
"""Errors count as no larger: squares of the exact arithmetic of `nn.exact`, multiples of 2^-32
below 2^12, then add up without rounding in any order, up to 2^9 of them."""


@torch.no_grad()
def search(
    stages: Sequence[Stage], latent: Tensor, tape: Tape, paths: int, branches: int
) -> Tensor:
    """Codes `(batch, stages, frames)` of settled latents `(batch, width, frames)`.

    Keeps `paths` sums; each tries `branches` codes in a stage after the first. Every frame is
    searched by itself. Of equal errors the path that came first is kept.
    """
    left, codes = latent[:, None], latent.new_zeros(len(latent), 1, 0, latent.shape[2]).long()
    for number, stage in enumerate(stages):
        tries = paths if number == 0 else min(paths, branches)
        kept = paths if number + 1 < len(stages) else 1
        left, codes = _step(stage, left, codes, tape, tries, kept)
    return codes[:, 0]


def _step(
    stage: Stage, left: Tensor, codes: Tensor, tape: Tape, tries: int, kept: int
) -> tuple[Tensor, Tensor]:
    """Go on by a stage: what is left `(batch, paths, width, frames)`, and the codes so far."""
    batch, paths, width, frames = left.shape
    found = stage.nearest(stage.project(left.flatten(0, 1), tape), tries, tape)
    tries = found.shape[1]
    value = stage.value(found.flatten(0, 1), tape).view(batch, paths, tries, width, frames)
    after = tape.settle(left[:, :, None] - value).flatten(1, 2)
    if paths * tries == 1:
        return after, torch.cat([codes, found[:, None]], 2)
    error = after.clamp(-WIDEST, WIDEST).square().sum(2)
    best = highest(-error, min(kept, paths * tries))
    chosen = found.view(batch, -1, frames).gather(1, best)
    before = codes.gather(1, (best // tries)[:, :, None].expand(-1, -1, codes.shape[2], -1))
    after = after.gather(1, best[:, :, None].expand(-1, -1, width, -1))
    return after, torch.cat([before, chosen[:, :, None]], 2)
