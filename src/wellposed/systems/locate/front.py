"""What stands before the network: sensors, what is drawn and given, and what follows from it.

There are two: a reconfigurable surface and a line. All that differs between them is here; network,
terms, fit, counting, scores and use are the same.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wellposed.data.wavefields import Split
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Coordinate
from wellposed.dsp.doa.chance import Counting
from wellposed.dsp.surface import Condensed
from wellposed.engine.system import Batch, Item
from wellposed.metrics.bounds.fisher import Fisher
from wellposed.metrics.bounds.observations import Observation
from wellposed.systems.locate.cells import Cells


class Measured(NamedTuple):
    """Measurements of scenes as the fit takes them."""

    condensed: Condensed
    numbers: Tensor
    """`(scenes,)` complex numbers that were measured"""
    snapshots: Tensor
    """`(scenes,)` amplitudes that a source has in them"""
    penalties: Tensor
    """`(scenes, orders)` of 0, 1, 2 ... sources, beside 2 numbers ln(residual)"""


class Seen(NamedTuple):
    """Features of scenes: nothing in them is learned."""

    maps: Tensor
    """`(batch, channels, columns, rows)`"""
    figures: Tensor
    """`(batch, figures)`"""
    waves: Tensor
    """`(batch, elements, columns)` waves at the elements, all columns together of unit length"""
    energy: Tensor
    """`(batch, points)` |Phi a|^2 of the map, roughly"""


class Features(nn.Module, ABC):
    """From what is given to maps over the cells."""

    response: Tensor
    """`(elements, points)` of the map"""
    channels: int
    """Of the maps"""
    figures: int
    """Numbers of a scene as a whole"""

    @abstractmethod
    def forward(self, *given: Tensor) -> Seen:
        """Compute the features of what is given, in the order of `Front.inputs`."""

    @abstractmethod
    def energy(self, *given: Tensor) -> Tensor:
        """|Phi a|^2 of all points `(batch, points)`."""


class Front(ABC):
    """Sensors, scenes before them, and what they measure."""

    inputs: tuple[str, ...]
    """Tensors of an item that are given to the network, in this order."""
    labels: tuple[str, ...] = ("places", "symbols", "count", "noise")
    """Those that the estimate must not depend on."""
    wanted: tuple[Coordinate, ...]
    """Coordinates of a place that are located; the others are known."""
    elements: Array
    digest: str
    """Name and version of the generator: it is the data of a run."""
    most: int
    """Sources that can be told apart at most."""
    counting: Counting
    """How many sources there are."""

    @abstractmethod
    def item(self, split: Split, index: int, slots: int) -> Item:
        """Draw a scene; numbers float32, complex ones as pairs along the last axis.

        Beside the inputs: `places` `(slots, 3)` azimuth, elevation [rad] and inverse range, and
        `symbols` `(slots, snapshots, 2)`, both zero beyond `count` `()`; `noise` `()`: its power in
        one output.
        """

    @abstractmethod
    def features(self, cells: Cells) -> Features:
        """Prepare the features over a map."""

    @abstractmethod
    def measured(self, given: Batch) -> Measured:
        """Condense measurements in double precision, on the CPU."""

    @abstractmethod
    def heard(self, item: Item) -> Tensor:
        """Complex numbers that were measured in a scene."""

    @abstractmethod
    def bound(self, item: Item) -> Fisher:
        """Information on the places of a scene, amplitudes unknown."""

    @abstractmethod
    def observation(self, item: Item) -> Observation:
        """Measurements of a scene as a function of all that is unknown, places first."""

    @abstractmethod
    def told(self) -> str:
        """What scenes are drawn from, in words."""


def wide(item: Item, *names: str) -> list[Tensor]:
    """Complex tensors of an item or batch, in double precision on the CPU."""
    return [torch.view_as_complex(item[name].double().cpu().contiguous()) for name in names]


def pairs(values: Tensor) -> Tensor:
    """Complex numbers as an item holds them."""
    return torch.view_as_real(values.resolve_conj()).float()
