"""Exponential average of the weights, the one thing that is validated and used."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Running average `a <- d * a + (1 - d) * w` of all parameters; buffers are not averaged.

    The first steps use the smaller decay (1 + n) / (10 + n), so that the random start is
    forgotten (as in TensorFlow's ExponentialMovingAverage with `num_updates`). With decay 0
    it equals the weights and costs no memory.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float) -> None:
        """Start at the present weights."""
        self.decay = decay
        self.updates = 0
        self._live = {
            f"{name}/{key}": parameter
            for name, network in networks.items()
            for key, parameter in network.named_parameters()
        }
        self.weights: dict[str, Tensor] = (
            {key: parameter.detach().clone() for key, parameter in self._live.items()}
            if decay > 0
            else {}
        )

    @torch.no_grad()
    def update(self) -> None:
        """Take in the present weights."""
        self.updates += 1
        if not self.weights:
            return
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        live = [self._live[key].detach() for key in self.weights]
        torch._foreach_lerp_(list(self.weights.values()), live, 1 - decay)

    @torch.no_grad()
    def restart(self) -> None:
        """Begin anew at the present weights: those before were set aside, not improved upon."""
        for key, average in self.weights.items():
            average.copy_(self._live[key])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average into the networks for a while; the weights come back, bit for bit."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        # Contents are exchanged, not storage: shards and fused recurrent layers hold on to theirs,
        # and would go on with the old numbers.
        for key, average in self.weights.items():
            live = self._live[key]
            kept = live.detach().clone()
            live.copy_(average)
            average.copy_(kept)

    def load(self, weights: Mapping[str, Tensor], updates: int) -> None:
        """Take over saved weights; names and shapes are those of this average."""
        self.updates = updates
        with torch.no_grad():
            for key, average in self.weights.items():
                average.copy_(weights[key])
