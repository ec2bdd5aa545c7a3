"""A critic that sees samples a period apart beside each other (Kong et al., arXiv:2010.05646)."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

SLOPE = 0.1
"""Of the leaky rectifiers, as in HiFi-GAN and descript-audio-codec."""


class PeriodCritic(nn.Module):
    """Folds `(batch, time)` to `(time / period, period)`; every layer looks along time only."""

    def __init__(self, period: int, channels: tuple[int, ...]) -> None:
        """Layers of 5 taps, strides of 3 but for the last one."""
        super().__init__()
        self.period = period
        widths = (1, *channels)
        layers = [
            weight_norm(
                nn.Conv2d(width, wider, (5, 1), (3 if number + 1 < len(channels) else 1, 1), (2, 0))
            )
            for number, (width, wider) in enumerate(pairwise(widths))
        ]
        self.layers = nn.ModuleList(layers)
        self.last = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), 1, (1, 0)))

    def forward(self, wave: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores `(batch, places)` and the layers before them."""
        lacking = -wave.shape[-1] % self.period
        x = functional.pad(wave[:, None], (0, lacking), mode="reflect")
        x = x.unflatten(-1, (-1, self.period))
        passed = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), SLOPE)
            passed.append(x)
        return self.last(x).flatten(1), passed
