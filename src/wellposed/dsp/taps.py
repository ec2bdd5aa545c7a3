"""Filters of a few complex taps along time, one set per time-frequency bin."""

import torch
from torch import Tensor


def filter_taps(spectrum: Tensor, taps: Tensor, lookahead: int) -> Tensor:
    """Apply `out[t] = sum_i taps[t, i] * spectrum[t + lookahead - (count - 1) + i]`.

    `spectrum` is a complex `(batch, frames, bins)` and `taps` a complex
    `(batch, frames, bins, count)`. Neighbours before the first and after the last frame are
    dropped, so the first and the last frame see what exists and nothing wraps around.
    `lookahead` [frames] says how many of the taps look into the future: 1 of 3 for a filter
    centred on its frame, 0 for a causal one.
    """
    count = taps.shape[-1]
    if not 0 <= lookahead < count:
        raise ValueError(f"lookahead of {lookahead} frames with {count} taps: want 0..{count - 1}")
    frames = spectrum.shape[1]
    past = count - 1 - lookahead
    before = spectrum.new_zeros(spectrum.shape[0], past, spectrum.shape[2])
    after = spectrum.new_zeros(spectrum.shape[0], lookahead, spectrum.shape[2])
    padded = torch.cat((before, spectrum, after), dim=1)
    out = torch.zeros_like(spectrum)
    for i in range(count):
        out = out + taps[..., i] * padded[:, i : i + frames]
    return out
