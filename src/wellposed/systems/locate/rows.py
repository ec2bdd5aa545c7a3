"""Many scenes with different numbers of sources, fitted as one batch.

A row is one scene from one start. Sources fill the first of its slots; the others are not there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.doa.fitting import Search, fit
from wellposed.dsp.doa.local import local
from wellposed.dsp.power import power
from wellposed.systems.locate.front import Measured

AT_ONCE = 128
"""Rows of one fit; their operators are 21 MB in single precision. Of 64 a fit takes a tenth longer,
of 256 as long."""


class Begin(NamedTuple):
    """What the fits of all scenes begin with."""

    places: Places
    """`(scenes, slots)`"""
    count: Tensor
    """`(scenes,)` how many of the slots, from the first, hold a source"""
    added: int
    """Sources that may be added"""

    @classmethod
    def nothing(cls, scenes: int, added: int) -> "Begin":
        """No source at all."""
        none = torch.zeros(scenes, 0, dtype=torch.float64)
        return cls(Places(none, none, none), torch.zeros(scenes, dtype=torch.long), added)

    def padded(self, slots: int) -> Tensor:
        """Azimuths, elevations and ranges `(scenes, 3, slots)`; ones where no source is."""
        wide = torch.ones(len(self.count), 3, slots, dtype=torch.float64)
        wide[..., : self.places.azimuth.shape[1]] = torch.stack(self.places, 1)
        return wide


class Rows(NamedTuple):
    """Scenes as they are taken for, `(rows, ...)` each."""

    start: Tensor
    """Number of the start"""
    scene: Tensor
    where: Tensor
    """`(rows, 3, slots)` azimuth, elevation, range; anything where no source is"""
    count: Tensor
    spare: Tensor
    """Sources that may still be added"""
    amplitudes: Tensor
    """`(rows, slots, columns)`"""
    missed: Tensor
    """`(rows, slots)` power that each source explains and the others, freed, would not"""
    left: Tensor
    """`(rows, outputs, columns)` of the condensed measurements"""
    residual: Tensor
    """Power left, all measurements together"""
    cost: Tensor
    """Of the information criterion"""
    converged: Tensor

    @property
    def there(self) -> Tensor:
        """Which slots hold sources `(rows, slots)`."""
        return torch.arange(self.where.shape[-1]) < self.count[:, None]

    def only(self, these: Tensor) -> "Rows":
        """Some of the rows."""
        return Rows(*(each[these] for each in self))

    def put(self, index: Tensor, rows: "Rows") -> None:
        """Overwrite rows."""
        for mine, theirs in zip(self, rows, strict=True):
            mine[index] = theirs

    def joined(self, added: Places) -> "Rows":
        """With one more source `(rows,)` each."""
        where = self.where.clone()
        where[torch.arange(len(where)), :, self.count] = torch.stack(added, -1)
        return self._replace(where=where, count=self.count + 1, spare=self.spare - 1)

    def without(self, slot: Tensor) -> "Rows":
        """With one source less: the last one takes its slot."""
        where, rows = self.where.clone(), torch.arange(len(self.where))
        where[rows, :, slot] = where[rows, :, self.count - 1]
        return self._replace(where=where, count=self.count - 1)


@dataclass(frozen=True)
class Fitter:
    """Condensed measurements, and how they are searched."""

    measured: Measured
    search: Search

    def begun(self, starts: Sequence[Begin]) -> Rows:
        """All scenes from all starts, start by start; nothing fitted yet."""
        slots = max(each.places.azimuth.shape[1] + each.added for each in starts)
        data = self.measured.condensed.data
        scenes, number = len(data), len(starts)
        whole = scenes * number
        none = torch.zeros(whole, dtype=torch.float64)
        return Rows(
            torch.arange(number).repeat_interleave(scenes),
            torch.arange(scenes).repeat(number),
            torch.cat([each.padded(slots) for each in starts]),
            torch.cat([each.count for each in starts]),
            torch.tensor([each.added for each in starts]).repeat_interleave(scenes),
            data.new_zeros(whole, slots, data.shape[-1]),
            data.real.new_zeros(whole, slots),
            data.repeat(number, 1, 1),
            none,
            none.clone(),
            none.bool(),
        )

    def fitted(self, rows: Rows) -> Rows:
        """Fit the places of rows, and say what they leave."""
        order, data = rows.count.argsort(), self.measured.condensed.data
        made = rows._replace(
            left=data[rows.scene].clone(),
            amplitudes=rows.amplitudes.to(data.dtype).zero_(),
            missed=rows.missed.to(data.real.dtype).zero_(),
            where=rows.where.clone(),
            residual=rows.residual.clone(),
            converged=torch.ones_like(rows.converged),
        )
        # Rows of nearly as many sources together: little is computed of slots that hold none.
        sizes = ((rows.count[order] + 1) // 2).bincount().tolist()
        for alike in order.split(sizes):
            for part in alike.split(AT_ONCE):
                self._fit(made, part)
        outside = self.measured.condensed.outside[rows.scene]
        left = power(made.left).sum((-2, -1)).double() + outside
        return made._replace(residual=left, cost=self.cost(rows.scene, left, rows.count))

    def _fit(self, rows: Rows, part: Tensor) -> None:
        """Fit some rows, in place."""
        slots = int(rows.count[part].max()) if len(part) else 0
        if not slots:
            return
        scene, there = rows.scene[part], rows.there[part, :slots]
        data = self.measured.condensed.data[scene]
        start = Places(*rows.where[part, :, :slots].to(data.real.dtype).unbind(1))
        missing = None if bool(there.all()) else there
        found = fit(self._array(scene), data, start, self.search, missing)
        where = torch.stack(torch.broadcast_tensors(*found.places), 1).double()
        rows.where[part, :, :slots] = where
        rows.amplitudes[part, :slots] = found.amplitudes
        rows.missed[part, :slots] = found.missed
        rows.left[part] = found.left
        rows.converged[part] = found.converged

    def residual(self, start: Begin) -> Tensor:
        """Power `(scenes,)` that these places leave, amplitudes being free."""
        there = torch.arange(start.places.azimuth.shape[1]) < start.count[:, None]
        data = self.measured.condensed.data
        places = start.places.to(data.real.dtype)
        return local(self.measured.condensed.array, data, places, (), there).residual

    def operators(self, scene: Tensor) -> Tensor:
        """Condensed operators `(rows, outputs, elements)` of scenes."""
        operator = self.measured.condensed.array.through
        assert operator is not None  # every front gives one
        return operator[scene]

    def cost(self, scene: Tensor, residual: Tensor, count: Tensor) -> Tensor:
        """What is left and a penalty for every source `(rows,)`; counts need not be whole."""
        given = self.measured
        left = residual.clamp(min=1e-300).log()
        return 2 * given.numbers[scene] * left + _between(given.penalties[scene], count)

    def _array(self, scene: Tensor) -> Array:
        return replace(self.measured.condensed.array, through=self.operators(scene))


def _between(values: Tensor, count: Tensor) -> Tensor:
    """Values `(rows, orders)` at counts `(rows,)`, straight between whole ones and beyond."""
    low = count.floor().clamp(0, values.shape[1] - 2).long()
    first, second = (values.gather(1, each[:, None])[:, 0] for each in (low, low + 1))
    return first + (count - low) * (second - first)
