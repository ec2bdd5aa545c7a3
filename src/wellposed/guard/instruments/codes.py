"""How a codebook is used: which codes, how evenly, and what rate that is worth."""

import math

import torch
from torch import Tensor


@torch.no_grad()
def code_use(indices: Tensor, size: int) -> dict[str, float]:
    """Draws, codes used, entropy [bit] and perplexity of one step's choice of codes."""
    counts = torch.bincount(indices.detach().reshape(-1).long().cpu(), minlength=size).double()
    draws = float(counts.sum())
    share = counts[counts > 0] / max(draws, 1.0)
    bits = float(-(share * share.log2()).sum()) if draws else 0.0
    used = float((counts > 0).sum())
    return {
        "size": float(size),
        "draws": draws,
        "used": used,
        "bits": bits,
        "perplexity": 2.0**bits,
        "nominal_bits": math.log2(size),
    }
