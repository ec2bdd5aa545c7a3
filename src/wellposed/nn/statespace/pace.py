"""What a scan starts from, out of an initialiser's reach: its time steps and its rates of decay."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

MEMORY = (10.0, 1000.0)
"""Shortest and longest memory at rest [frames]; dt from 0.001 to 0.1 is Mamba's own start."""
_SPREAD = (0.1, 0.9)
"""Where channels start within it, on a log scale: away from the ends, which are hard to leave."""


class Settled(nn.Module):
    """A module whose `value` depends on weights alone and, once settled, is computed no more.

    For use, not for training: a settled value no longer follows the weights.
    """

    _settled: Tensor | None = None

    def settle(self) -> None:
        """Compute `value` for the last time."""
        self._settled = self.computed().detach()

    def value(self) -> Tensor:
        """Compute the value, or give the one that was settled."""
        return self.computed() if self._settled is None else self._settled

    def computed(self) -> Tensor:
        """Value by the weights as they are."""
        raise NotImplementedError


class Pace(Settled):
    """Time step of each channel, `softplus(raw + bias)`, at rest within 1 / `MEMORY`.

    The bias is a bounded function of the parameter `shift`, so no value of it leaves the range;
    `raw`, which follows the input, may: a long step forgets at once, as a selective scan should.
    """

    start: Tensor

    def __init__(self, channels: int) -> None:
        """Spread the memories of `channels` evenly on a log scale."""
        super().__init__()
        low, high = _SPREAD
        place = low + (high - low) * (torch.arange(channels) + 0.5) / channels
        self.register_buffer("start", place.logit())
        self.shift = nn.Parameter(torch.zeros(channels))

    def rest(self) -> Tensor:
        """Step without input [frames], `(channels,)`."""
        short, long = (math.log(frames) for frames in MEMORY)
        return torch.exp(-long + (long - short) * torch.sigmoid(self.start + self.shift))

    def forward(self, raw: Tensor) -> Tensor:
        """Steps `(..., channels)` [frames] in float32, from the projected input."""
        return functional.softplus(raw.float() + self.value())

    def computed(self) -> Tensor:
        """Bias `(channels,)`: the inverse of softplus of `rest`, without loss for small steps."""
        rest = self.rest()
        return rest + torch.log(-torch.expm1(-rest))


class Decay(Settled):
    """Rates `A < 0`, which start at `-1, -2, ... -states` in every channel, or at -1 per head."""

    start: Tensor

    def __init__(self, channels: int, states: int | None = None) -> None:
        """Rates `(channels, states)`, or `(channels,)` if `states` is None."""
        super().__init__()
        rates = torch.ones(channels) if states is None else torch.arange(1.0, states + 1)
        shape = (channels,) if states is None else (channels, states)
        self.register_buffer("start", rates.log())
        self.shift = nn.Parameter(torch.zeros(shape))

    def forward(self) -> Tensor:
        """Rates [1 / frame at dt = 1] in float32."""
        return self.value()

    def computed(self) -> Tensor:
        """Rates by the weights as they are."""
        return -torch.exp(self.start + self.shift.float())
