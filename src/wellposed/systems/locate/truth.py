"""The labels of scenes, one by one and as a batch."""

from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.power import power
from wellposed.engine.system import Item


class Truth(NamedTuple):
    """The labels of a batch."""

    places: Tensor
    """`(batch, slots, 3)` azimuth, elevation [rad], inverse range [1 / m]"""
    strength: Tensor
    """`(batch, slots)` root of the mean power of each source's symbols"""
    count: Tensor
    """`(batch,)`"""

    @classmethod
    def of(cls, batch: Item) -> "Truth":
        """The labels of scenes as they were drawn; snapshots that were not taken have no power."""
        symbols = torch.view_as_complex(batch["symbols"].contiguous())
        taken = (power(symbols).sum(-2) > 0).sum(-1).clamp(min=1)
        mean = power(symbols).sum(-1) / taken[:, None]
        return cls(batch["places"], mean.sqrt(), batch["count"])

    @property
    def there(self) -> Tensor:
        """Which slots hold sources `(batch, slots)`."""
        slots = torch.arange(self.places.shape[1], device=self.count.device)
        return slots < self.count[:, None]


def truth_of(item: Item) -> tuple[Places, Tensor]:
    """Places `(sources,)` and symbols `(sources, snapshots)` of a scene, double precision."""
    count = int(item["count"])
    azimuth, elevation, inverse = item["places"][:count].double().unbind(-1)
    symbols = torch.view_as_complex(item["symbols"][:count].double().contiguous())
    return Places(azimuth, elevation, 1 / inverse), symbols
