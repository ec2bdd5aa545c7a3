"""What was decoded at the level that its codes tell of, over the last second.

Codes of few bits are means of much and a decoder that minds errors is quiet where it is unsure: the
more there was to code, the quieter, so bright voices came out 0.4 to 0.7 dB below others. Levels of
bands are sent; a slow gain holds the decoded power to them. In the power of every frame by itself
PESQ was 0.08 and SI-SDR 0.25 dB less (20 test scenes): a gain that changes is a distortion.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.nn.causal import Tape

FRAMES = 50
"""Frames whose powers are compared: 1 s."""
MOST = 4.0
"""Largest gain, and the inverse of the least."""


class Heard(NamedTuple):
    """Of the frames before: told and decoded power `(batch, FRAMES)`, and the gain at their end."""

    told: Tensor
    made: Tensor
    gain: Tensor
    """`(batch, 1)`"""

    @classmethod
    def nothing(cls, wave: Tensor) -> "Heard":
        """Before a signal `(batch, time)`."""
        none = wave.new_zeros(len(wave), FRAMES)
        return cls(none, none, wave.new_ones(len(wave), 1))


def upheld(wave: Tensor, told: Tensor, before: Heard, hop: int, tape: Tape) -> tuple[Tensor, Heard]:
    """Apply the gain to settled `(batch, frames * hop)`; `told` is the power `(batch, frames)`.

    Returns the sound and what the next frames need. The gain moves along a line within a frame.
    Sums of settled powers are exact. The gradient passes through the gain as well: a decoder that
    learns as if the gain were given is pulled to be quieter without end, which the gain undoes.
    """
    framed = wave.unflatten(-1, (-1, hop))
    made = torch.cat([before.made, framed.square().sum(-1)], -1)
    known = torch.cat([before.told, tape.settle(told).to(made)], -1)
    wanted, found = _over_window(known), _over_window(made)
    there = (wanted > 0) & (found > 0)
    ratio = torch.where(there, wanted, 1.0) / torch.where(there, found, 1.0)
    gains = tape.settle(ratio.sqrt().clamp(1 / MOST, MOST)).to(wave)
    starts = torch.cat([before.gain, gains[:, :-1]], -1)[..., None]
    ramp = torch.arange(1, hop + 1, device=wave.device, dtype=wave.dtype) / hop
    course = starts * (1 - ramp) + gains[..., None] * ramp
    after = Heard(known[:, -FRAMES:], made[:, -FRAMES:], gains[:, -1:])
    return tape.settle(framed * course).flatten(1), after


def _over_window(powers: Tensor) -> Tensor:
    """Sum of every frame and those before it within the window, but for the first `FRAMES`."""
    return powers.unfold(-1, FRAMES, 1).sum(-1)[:, 1:]
