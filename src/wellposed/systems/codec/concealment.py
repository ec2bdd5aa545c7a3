"""What is played where frames are lost: the last codes again, fading, then silence.

Codes are repeated, so no network is needed that guesses; the decoder's memory makes the way in and
out of a gap smooth. A latent in between, where the frame after the gap is known, is `bridged`.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Codes = NDArray[np.int32]

FADE_FRAMES = 5
"""Frames of 20 ms in which a repeated sound fades to nothing."""
SILENCE = 0
"""The code of digital silence in all stages."""


@dataclass
class Concealer:
    """Fills lost frames of one channel, from piece to piece of a stream."""

    stages: int
    fade: int = FADE_FRAMES
    last: Codes = field(init=False)
    """Codes (stages,) of the last frame that came."""
    run: int = field(default=0, init=False)
    """Lost frames since."""

    def __post_init__(self) -> None:
        """Before the first frame there is silence."""
        self.last = np.full(self.stages, SILENCE, np.int32)

    def fill(self, codes: Codes, lost: NDArray[np.bool_]) -> tuple[Codes, NDArray[np.float32]]:
        """Replace the lost frames of (stages, frames); return also the gain at the end of each.

        Frame r of a gap ends at the gain `1 - r / fade`, and is silence from r = fade + 1 on. The
        gain goes linearly from frame to frame, also back to 1 in the first frame after a gap.
        """
        filled, heights = codes.copy(), np.ones(codes.shape[1], np.float32)
        for frame, gone in enumerate(lost):
            if not gone:
                self.last, self.run = codes[:, frame], 0
                continue
            self.run += 1
            heights[frame] = max(0.0, 1 - self.run / self.fade)
            filled[:, frame] = self.last if self.run <= self.fade else SILENCE
        return filled, heights


def fades(before: float, heights: NDArray[np.float32], hop: int) -> NDArray[np.float32]:
    """Gain of every sample from the gains at the ends of frames; `before` at the start of all."""
    ends = np.concatenate([[before], heights])
    steps = np.arange(1, hop + 1, dtype=np.float64) / hop
    return (ends[:-1, None] + np.diff(ends)[:, None] * steps).astype(np.float32).ravel()


def bridged(latents: Tensor, lost: NDArray[np.bool_]) -> Tensor:
    """Replace lost latents (batch, width, frames) by a line between the frames around the gap.

    Needs the frame after the gap, hence as much delay as the gap is long. At the ends there is
    one side only, which is repeated; where all is lost it is zero, which is silence.
    """
    known = np.flatnonzero(~lost)
    if not known.size:
        return torch.zeros_like(latents)
    frames = np.arange(len(lost))
    right = np.minimum(np.searchsorted(known, frames), known.size - 1)
    left = np.maximum(np.searchsorted(known, frames, side="right") - 1, 0)
    start, end = known[left], known[right]
    share = np.where(end > start, (frames - start) / np.maximum(1, end - start), 0.0)
    weight = torch.from_numpy(share).to(latents)
    return latents[..., start] * (1 - weight) + latents[..., end] * weight


def lost_frames(frames: int, rate: float, seed: int, *, burst: float = 1.0) -> NDArray[np.bool_]:
    """Draw which of `frames` are lost: a share `rate` on average, in runs of `burst` on average.

    A chain of two states (Gilbert 1960): from "comes" to "lost" with p, back with q = 1 / burst,
    p = q rate / (1 - rate). With a burst of 1 / (1 - rate), losses are independent; `burst` = 1
    stands for that, the usual case.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"a loss rate of {rate:g}: wanted 0 to below 1")
    rng = np.random.Generator(np.random.Philox(seed))
    draws = rng.random(frames)
    if burst <= 1:
        return draws < rate
    back = 1 / burst
    ahead = min(1.0, back * rate / (1 - rate))
    lost = np.zeros(frames, bool)
    state = rng.random() < rate
    for frame, draw in enumerate(draws):
        state = draw >= back if state else draw < ahead
        lost[frame] = state
    return lost
