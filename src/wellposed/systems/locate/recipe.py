"""The locate system's recipe: every value with unit, range and reason."""

from typing import Annotated, Literal, Self

import tyro
from pydantic import Field, model_validator

from wellposed.engine.fields import Fraction, Positive, Shares, Span, Weight
from wellposed.engine.recipe import Phase, Recipe, Section
from wellposed.engine.sections import Average, Optimizer, Schedule, Training, Validation


class Model(Section):
    """Maps of what the operator lets through, a small convolutional network, five proposals."""

    directions: tuple[Annotated[int, Field(ge=4)], Annotated[int, Field(ge=1)]] | None = None
    """Cells along sin(azimuth) cos(elevation) and sin(elevation). None before a surface: 20 and 12,
    2 to a beam, which is 1/6 wide (12 elements half a wavelength apart), over 1.73 and 1. None
    before a line: 4 to a beam in one row, since a map of one coordinate costs little."""
    curvatures: Annotated[int, Field(ge=1)] | None = None
    """Values of the inverse range. None before a surface: 6; over a step of 0.38 / m the phase at
    the edge of the reference surface turns by 2.7 rad. None before a line: 1, infinitely far."""
    width: Annotated[int, Field(ge=8)] = 48
    """Channels of the network."""
    blocks: Annotated[int, Field(ge=1)] = 4
    """Residual blocks, dilated 1, 2, 1, 2 ...: 4 of them see 21 cells, the whole map."""
    slots: Annotated[int, Field(ge=1, le=8)] = 5
    """Sources that can be proposed: the columns of the angle factor."""
    blend: Fraction = 0.3
    """Share of the data in the hybrid covariance, in training and in use; the rest is the network's
    factors."""


SIZES: dict[str, Model] = {
    "tiny": Model(width=24, blocks=2),
    "small": Model(),
    "medium": Model(directions=(24, 14), curvatures=8, width=80, blocks=6),
}
"""Presets. Parameters: `wellposed show locate`."""


class Line(Section):
    """An evenly spaced line of sensors before far sources, with several snapshots."""

    sensors: Annotated[int, Field(ge=3)] = 10
    """Sensors along x."""
    spacing: Annotated[float, Field(gt=0, le=0.5)] = 0.5
    """Distance of neighbours [wavelengths]. Beyond a half two azimuths can look the same."""
    snapshots: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(le=1000)]] = (10, 100)
    """Fewest and most, evenly in their logarithm; sources are new in each."""
    correlation: Shares = (0.0, 1.0)
    """Of every pair of sources, with random phases, evenly; 1 is coherent."""
    power_spread_db: Weight = 6.0
    """Powers lie this far apart at most [dB]."""
    apart_deg: Weight = 0.0
    """Least difference of azimuths; above 0 the task is easier, and that is to be told."""


class Scenes(Section):
    """What is drawn, each scene from (seed, split, index) alone, and what of it is given."""

    kind: Literal["surface", "line"] = "surface"
    """surface: near sources before the reference surface, one symbol each, through its channel.
    line: far sources before a line of sensors; only `line`, `sources`, `azimuth_deg` and `snr_db`
    are of its scenes."""
    line: Line = Line()
    sources: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(le=8)]] = (1, 5)
    """Fewest and most sources, evenly."""
    azimuth_deg: Span = (-60.0, 60.0)
    """Evenly [deg]; also the limits of the search."""
    elevation_deg: Span = (-30.0, 30.0)
    """Evenly [deg]; also the limits of the search."""
    range_m: tuple[Positive, Positive] = (0.5, 10.0)
    """Evenly [m]; also the limits of the search."""
    snr_db: Span = (-5.0, 20.0)
    """Mean received power to noise power of one chain or sensor, evenly [dB]."""
    path_loss: Span = (0.0, 2.0)
    """Power falls with this power of the range, drawn evenly: 0 makes sources alike, 2 is free
    space, where the farthest of five is often below the noise."""
    channel_error_db: Span | None = None
    """Power of the error of the known channel to the channel's, evenly [dB]; none: exact."""
    measurements: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(le=16)]] = (16, 16)
    """Fewest and most of the 16 codes that are sent, evenly; those not sent are zero."""
    codes: Literal["staggered", "columns"] = "staggered"
    """Which 16 beams: two of each row, staggered, or two whole columns, a twelfth of a turn apart,
    as in field report 003."""
    rician: tuple[Weight, Weight] = (0.5, 10.0)
    """Power of the channel's direct path over that of the scattered ones, evenly. In the generator
    of field report 003 the direct path is scaled down by the 144 elements once more: 0.0035 to
    0.0694."""
    give: Literal["channel", "effective"] = "channel"
    """channel: H. effective: only what arrives through each code, H w: the audit shows that then
    no places are determined, and refuses."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        spans = {
            name: getattr(self, name) for name in ("sources", "range_m", "measurements", "rician")
        }
        for name, (low, high) in (spans | {"line.snapshots": self.line.snapshots}).items():
            if low > high:
                raise ValueError(f"{name}: from {low:g} to {high:g} does not rise")
        return self

    @model_validator(mode="after")
    def _asks_for_one_kind(self) -> Self:
        others = OF_A_SURFACE if self.kind == "line" else ("line",)
        told = [
            name for name in others if getattr(self, name) != type(self).model_fields[name].default
        ]
        if told:
            raise ValueError(
                f"{', '.join(told)}: not of scenes of the kind {self.kind}; leave the default, or "
                "change scenes.kind"
            )
        if self.kind == "line" and max(map(abs, self.azimuth_deg)) > 90:
            raise ValueError(
                f"azimuth_deg {self.azimuth_deg}: a line cannot tell behind from before it; -90 to "
                "90 wanted"
            )
        if self.kind == "line" and self.sources[1] >= self.line.sensors:
            raise ValueError(
                f"up to {self.sources[1]} sources before {self.line.sensors} sensors: fewer "
                "sources than sensors wanted"
            )
        return self


OF_A_SURFACE = (
    "elevation_deg", "range_m", "path_loss", "channel_error_db", "measurements", "codes", "rician",
    "give",
)  # fmt: skip


class Loss(Section):
    """Weights of the terms. All are of the order of one before training."""

    presence: Weight = 1.0
    """Cross-entropy of which cells hold a source, over sources."""
    angle: Weight = 1.0
    """Distance to a source within its cell, in cells."""
    range: Weight = 0.5
    """Cross-entropy of its inverse range among the curvatures; before a surface."""
    count: Weight = 0.3
    """Cross-entropy of the number of sources."""
    covariance: Weight = 0.2
    """One minus the correlation of the hybrid covariance and that of the scene."""
    alignment: Weight = 0.2
    """One minus the share of the scene's subspace in that of the hybrid covariance."""
    eigengap: Weight = 0.05
    """Share of the hybrid covariance beyond as many eigenvalues as there are sources."""


class Refinement(Section):
    """The fit that follows every proposal, in validation and in use."""

    steps: Annotated[int, Field(ge=1)] = 30
    """Gauss-Newton steps of the last fit, at most."""
    false_alarms: Annotated[float, Field(gt=0, le=0.2)] = 0.01
    """Share of scenes in which noise alone may pass for one more source. Before the reference
    surface that is a penalty of 26 for the first source, where the Bayesian information criterion
    asks for 31, a rate of 0.001. Counts of 1 to 5 sources right above 8 dB, 1024 validation
    scenes, at 0.003, 0.01, 0.03: 0.913, 0.914, 0.907; of field report 003: 0.871, 0.874, 0.876."""
    rough_steps: Annotated[int, Field(ge=1)] = 10
    """Steps of the fits by which it is decided how many sources there are."""
    added: Annotated[int, Field(ge=0)] = 2
    """Sources that may be added to the proposed ones, where what is left holds another."""
    removed: Annotated[int, Field(ge=0)] = 2
    """Sources that may be taken away again, where the rest explains as much."""
    spectrum: bool = True
    """Try the peaks of the hybrid covariance's subspace as starts, too; what fits better goes
    on."""


class LocateRecipe(Recipe):
    """Everything that `wellposed train locate` can be told."""

    system: Literal["locate"] = "locate"
    model: Model = Model()
    scenes: Scenes = Scenes()
    loss: Loss = Loss()
    refinement: Refinement = Refinement()
    optimizer: Optimizer = Optimizer(learning_rate=1.5e-3, clip_norm=3.0)
    """AdamW."""
    schedule: Schedule = Schedule(warmup_steps=200)
    training: Training = Training(steps=4000, batch_size=16)
    average: Average = Average(decay=0.995)
    """Of 200 steps."""
    validation: Validation = Validation(scenes=64, every=1000, select="f1")
    curriculum: Annotated[tuple[Phase, ...], tyro.conf.Fixed] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        most = self.scenes.sources[1]
        if most > self.model.slots:
            raise ValueError(
                f"up to {most} sources, but the network proposes {self.model.slots}: "
                "raise model.slots or lower scenes.sources"
            )
        self._fits_its_kind()
        for phase in self.curriculum:
            fixed = {"scenes.give", "scenes.kind", "scenes.line.sensors", "scenes.line.spacing"}
            if changed := fixed & set(phase.changes):
                raise ValueError(f"curriculum: {', '.join(changed)} cannot change in a run")
        return self

    def _fits_its_kind(self) -> None:
        """Refuse a map, or a value, that the kind of scenes has no use for."""
        rows = None if self.model.directions is None else self.model.directions[1]
        bends, line = self.model.curvatures, self.scenes.kind == "line"
        if line and (rows not in (None, 1) or bends not in (None, 1)):
            raise ValueError(
                f"model.directions {self.model.directions}, model.curvatures {bends}: a line tells "
                "azimuths of far sources alone; directions [COLUMNS, 1] and curvatures 1 wanted"
            )
        if not line and (rows in (1, 2, 3) or bends == 1):
            raise ValueError(
                f"model.directions {self.model.directions}, model.curvatures {bends}: before a "
                "surface at least 4 x 4 directions and 2 curvatures are wanted"
            )
        if line and self.loss.range != Loss().range:
            raise ValueError("loss.range: before a line sources are far; leave the default")
