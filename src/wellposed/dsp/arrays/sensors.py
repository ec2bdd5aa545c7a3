"""An array as estimators and bounds see it: geometry, wave, and what lies behind the sensors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import (
    Coordinate,
    Model,
    Places,
    steering,
    steering_jet,
)


@dataclass(frozen=True)
class Array:
    """Sensors, wavelength and wavefront model; everything one may ask of a response.

    One description serves the generator, the estimators and the bounds, so that they cannot
    differ in a sign.
    """

    positions: Tensor
    """`(..., sensors, 3)`, real; its dtype is that of the responses"""
    wavelength: float
    """in the unit of the positions"""
    model: Model = "exact"
    spreading: float = 0.0
    """g of the gain (r / d)^g"""
    through: Tensor | None = None
    """`(..., outputs, sensors)`, complex: errors of gain and coupling, or a surface's operator"""

    def __post_init__(self):
        """Refuse what has no meaning, before it broadcasts into something that has."""
        if self.positions.shape[-1] != 3 or self.positions.ndim < 2:
            raise ValueError(
                f"sensors of shape {tuple(self.positions.shape)}: (..., sensors, 3) wanted, "
                "x, y and z of each; dsp.arrays.geometry makes lines, planes and circles"
            )
        if self.through is not None and self.through.shape[-1] != self.positions.shape[-2]:
            raise ValueError(
                f"an operator of shape {tuple(self.through.shape)} behind "
                f"{self.positions.shape[-2]} sensors: (..., outputs, sensors) wanted"
            )

    @property
    def outputs(self) -> int:
        """Numbers that one snapshot has."""
        behind = self.positions if self.through is None else self.through
        return behind.shape[-2]

    def at(self, model: Model) -> "Array":
        """The same array under another wavefront model."""
        return replace(self, model=model)

    def to(self, dtype: torch.dtype) -> "Array":
        """The same array in another (real) precision."""
        behind = None if self.through is None else self.through.to(dtype.to_complex())
        return replace(self, positions=self.positions.to(dtype), through=behind)

    def behind(self, operator: Tensor) -> "Array":
        """The same array with one more linear map `(..., outputs, present outputs)` behind it."""
        whole = operator if self.through is None else operator @ self.through
        return replace(self, through=whole)

    def response(self, places: Places) -> Tensor:
        """A `(..., outputs, sources)`."""
        bare = steering(self.positions, places, self.wavelength, self.model, self.spreading)
        return bare if self.through is None else self.through @ bare

    def derivatives(self, places: Places, by: Sequence[Coordinate]) -> Tensor:
        """D `(..., coordinates, outputs, sources)`, of each source by its own coordinates."""
        flat = self.jet(places, by)
        sources = flat.shape[-1] // (1 + len(by))
        return flat[..., sources:].unflatten(-1, (len(by), sources)).movedim(-2, -3)

    def jet(self, places: Places, by: Sequence[Coordinate]) -> Tensor:
        """Responses and derivatives side by side, `(..., outputs, (1 + coordinates) * sources)`.

        Responses first, then coordinate by coordinate. The operator is read once for all of them.
        """
        if not by:
            return self.response(places)
        bare = steering_jet(self.positions, places, self.wavelength, by, self.model, self.spreading)
        rows = bare.flatten(-3, -2)
        # The rows times the operator: a fifth less time than the operator times columns.
        return (rows if self.through is None else rows @ self.through.mT).mT
