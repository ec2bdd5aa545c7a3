"""All books of a stack fitted again together, each to what the others leave.

Books that are fitted one after the other know nothing of the stages that follow, nor of a search
along several paths. Here latents are coded as in use; then each code moves to the mean of what the
other stages leave of the latents that chose it, stage by stage, which lowers the error every time
(Chan, Gupta and Gersho, 1992, "Enhanced multistage vector quantization by joint codebook design").
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from wellposed.nn.causal import Whole
from wellposed.nn.quantizers.ema import EmaStage
from wellposed.nn.quantizers.search import search

PRIOR = 2.0
"""Latents that the place of a code before counts as: one that few choose stays near it."""
ITEM = 200
"""Frames of an item of the search."""
AT_ONCE = 8
"""Items searched at once: memory."""


@torch.no_grad()
def refit(stages: Sequence[EmaStage], latents: Tensor, paths: int, branches: int) -> float:
    """Move all codes once, given latents `(number, width)`; the mean squared error before."""
    items = latents.split(ITEM)
    found = [
        search(stages, torch.stack(part).transpose(1, 2), Whole(), paths, branches)
        for part in _alike(items)
    ]
    codes = torch.cat([each.transpose(1, 2).flatten(0, 1) for each in found])
    values = [stage.book[codes[:, number]] for number, stage in enumerate(stages)]
    left = latents - torch.stack(values).sum(0)
    error = float(left.square().mean())
    for number, stage in enumerate(stages):
        left += values[number]
        counts = torch.bincount(codes[:, number], minlength=stage.size)[:, None]
        sums = torch.zeros_like(stage.book).index_add_(0, codes[:, number], left)
        stage.book[1:] = ((sums + PRIOR * stage.book) / (counts + PRIOR))[1:]
        left -= stage.book[codes[:, number]]
    return error


def _alike(items: Sequence[Tensor]) -> list[list[Tensor]]:
    """Groups of items of one length; the last item may be shorter."""
    whole = [each for each in items if len(each) == ITEM]
    groups = [list(whole[at : at + AT_ONCE]) for at in range(0, len(whole), AT_ONCE)]
    return groups + [[each] for each in items if len(each) != ITEM]
