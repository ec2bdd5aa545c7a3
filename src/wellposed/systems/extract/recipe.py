"""The extract system's recipe: every value with unit, range and reason."""

from pathlib import Path
from typing import Annotated, Literal, Self

import tyro
from pydantic import Field, model_validator

from wellposed.dsp.bands import BandPlan, band_widths
from wellposed.dsp.stft import Stft
from wellposed.engine.fields import (
    Fraction,
    Frequencies,
    Levels,
    Positive,
    Shares,
    Span,
    Speeds,
    Weight,
)
from wellposed.engine.recipe import Phase, Recipe, Section
from wellposed.engine.sections import Optimizer, Promise, Validation
from wellposed.nn.dualpath import Block

SHORTEST_ENROLMENT_S = 0.5
"""Less than this is refused in use, and never drawn in training [s]."""
LONGEST_ENROLMENT_S = 10.0


class Model(Section):
    """Band split, cues from the enrolment, `depth` pairs of paths, three complex taps a bin."""

    window_ms: Annotated[float, Field(gt=0, le=128)] = 32.0
    """Length of the STFT window [ms]."""
    hop_ms: Annotated[float, Field(gt=0, le=64)] = 16.0
    """Distance of frames [ms]."""
    bands: BandPlan = ((1000, 125), (4000, 250), (8000, 500), (16000, 1000), (24000, 2000))
    """(until, width) [Hz]: narrow where speech has its harmonics, as the ear does."""
    block: Block = "lstm"
    """What walks along time and across bands."""
    features: Annotated[int, Field(ge=4)] = 80
    """Numbers per band and frame; `heads` must divide it."""
    hidden: Annotated[int, Field(ge=1)] = 72
    """Units of each LSTM direction; channels that a state-space block scans."""
    states: Annotated[int, Field(ge=1)] = 16
    """Numbers that a state-space block remembers per channel; an LSTM has none of these."""
    depth: Annotated[int, Field(ge=1)] = 4
    """Pairs of time and band paths; before each the enrolment is looked at."""
    taps_hidden: Annotated[int, Field(ge=1)] = 64
    """Units of the layer that makes the filter taps of a band."""
    heads: Annotated[int, Field(ge=1)] = 4
    """Heads of the attention to the frames of the enrolment."""
    keys: Annotated[int, Field(ge=1)] = 4
    """Numbers per band and head by which frames are compared (TF-GridNet, arXiv:2209.03952,
    takes 512 over all bands and heads; 4 x 28 bands x 4 heads are 448)."""
    embedding: Annotated[int, Field(ge=1)] = 64
    """Numbers of the speaker embedding, learned with the rest: embeddings that were learned for
    verification serve extraction worse (arXiv:2410.11243)."""
    causal: bool = False
    """Never look at the future of the mixture: latency of one window. Costs quality."""
    input_exponent: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Compression of the input's magnitudes."""
    level_window_s: Annotated[float, Field(gt=0)] = 4.0
    """Window of the running level that the mixture's features are relative to [s]."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.features % self.heads:
            raise ValueError(f"{self.heads} heads do not divide {self.features} features")
        return self


SIZES: dict[str, Model] = {
    "tiny": Model(features=24, hidden=24, depth=2, taps_hidden=24, keys=2, embedding=16),
    "small": Model(features=56, hidden=48, depth=3, taps_hidden=48),
    "medium": Model(),
    "medium-causal": Model(hidden=88, causal=True),
    "mamba": Model(block="mamba", features=128, hidden=80, states=8),
}
"""Presets. Parameters at 16 kHz: see docs/extract.md, printed by `wellposed show extract`."""


class Scenes(Section):
    """How a scene is made; each draw depends on (seed, split, index) alone.

    Of every `present + partial + absent` scenes in a row so many have the target all the time, for
    a part of the time, and not at all: a pure function of the index.
    """

    rate: Annotated[int, Field(ge=8000, le=48000)] = 16000
    """Sample rate [Hz]."""
    seconds: Annotated[float, Field(gt=0)] = 3.0
    """Length of a training mixture [s]."""
    validation_seconds: Annotated[float, Field(gt=0)] = 4.0
    """Length of a validation or test mixture [s]."""
    present: Annotated[int, Field(ge=0)] = 5
    """Scenes with the target all the time, of every block."""
    partial: Annotated[int, Field(ge=0)] = 3
    """Scenes with the target for part of the time, of every block. Turns teach whose voice is meant
    before voices can be separated: half of the scenes partial took the share of scenes confused
    with somebody else from 0.50 to 0.35 in 1,200 steps (docs/results.md)."""
    absent: Annotated[int, Field(ge=0)] = 0
    """Scenes without the target, of every block; see `curriculum`."""
    partial_share: Shares = (0.25, 0.75)
    """Share of a partial scene in which the target speaks, uniform."""
    interferers: Annotated[Frequencies, Field(max_length=4)] = (0.1, 0.6, 0.2, 0.1)
    """Relative frequency of 0, 1, 2, 3 other speakers in training."""
    sir_db: Span = (-5.0, 10.0)
    """Target to all interferers together, uniform [dB], over the parts where each is active."""
    overlap: Shares = (0.5, 1.0)
    """Share of the scene in which an interferer may speak, in one stretch, uniform."""
    gender: Literal["any", "same", "other"] = "any"
    """Gender of the interferers in training, relative to the target's, where it is known."""
    noise: Fraction = 0.5
    """Probability of background noise."""
    snr_db: Span = (0.0, 25.0)
    """Target (without one: all interferers) to noise, uniform [dB]."""
    room: Fraction = 0.3
    """Share of scenes in a room; the target that is wanted keeps the reverberation."""
    rooms: Path | None = None
    """Bank of simulated rooms (`wellposed data rooms`); without it rooms are computed."""
    enrol_seconds: Span = (SHORTEST_ENROLMENT_S, LONGEST_ENROLMENT_S)
    """Length of the enrolment [s], its logarithm uniform; shorter where less was recorded."""
    enrol_noise: Fraction = 0.3
    """Probability of noise in the enrolment."""
    enrol_snr_db: Span = (5.0, 25.0)
    """Speech to noise in a noisy enrolment, uniform [dB]."""
    enrol_room: Fraction = 0.2
    """Probability of a room in the enrolment."""
    level_dbfs: Levels = (-45.0, -15.0)
    """Level of the mixture, and of the enrolment, uniform [dB re full scale]."""
    equalise_db: Annotated[float, Field(ge=0, le=12)] = 3.0
    """Standard deviation of random equalisers on every voice, the enrolment and noise [dB]."""
    speed: Speeds = (0.95, 1.05)
    """Speed of a voice, uniform; the enrolment has the target's, so that both have one pitch."""
    minimum_range_db: Annotated[float, Field(ge=0)] = 25.0
    """Leave out targets and enrolments whose loud and quiet frames differ by less [dB]."""

    @property
    def block(self) -> int:
        """Scenes after which the kinds repeat."""
        return self.present + self.partial + self.absent

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.block == 0:
            raise ValueError("present, partial and absent are all 0: no scene is left")
        shortest, longest = self.enrol_seconds
        if shortest < SHORTEST_ENROLMENT_S or longest > LONGEST_ENROLMENT_S:
            raise ValueError(
                f"enrol_seconds from {shortest:g} to {longest:g}: wanted within "
                f"{SHORTEST_ENROLMENT_S:g} to {LONGEST_ENROLMENT_S:g} s"
            )
        if self.speed[1] > 1.25:
            raise ValueError(
                f"a speed of {self.speed[1]:g} is above 1.25: enrolments get too short"
            )
        return self


class Loss(Section):
    """Weights of the terms. Each term of a class of scenes is a mean over that class."""

    snr: Weight = 0.1
    """Negative SNR [dB] of the target where it may speak."""
    snr_cap_db: Positive = 30.0
    """SNR beyond which hardly anything is gained (arXiv:2006.12701)."""
    absent: Weight = 0.02
    """Error energy relative to the mixture [dB], soft, where the target is silent."""
    absent_floor: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """Energy relative to the mixture at which `absent` stops by itself: -30 dB."""
    spectrum: Weight = 0.5
    """Complex spectra, uncompressed, relative to the mixture's level, where the target speaks."""
    anchor: Weight = 2.0
    """Squared logarithm of the target's gain inside the estimate; see `HELD` for the end."""
    presence: Weight = 0.1
    """Cross-entropy of the presence of the whole scene, both classes alike."""
    presence_frames: Weight = 0.1
    """Cross-entropy of the presence in every frame."""
    windows_ms: Annotated[tuple[Positive, ...], Field(min_length=1)] = (16.0, 32.0, 64.0)
    """Windows of the spectra compared [ms], hop a quarter."""


BOTH = Phase(
    from_step=2000,
    changes={"scenes.present": 5, "scenes.partial": 1, "scenes.absent": 2},
)
"""Second phase: whole scenes of silence are learned when there is a voice to be silent about. A
third of the 6000 steps of the default run comes before."""


HELD = Phase(from_step=4000, changes={"loss.anchor": 10.0}, ramp_steps=1000)
"""Last phase: the level is held when there is an estimate to hold. A gain that all scenes share
settles at 0.96 with an anchor of 10 for estimates of 5 dB SNR (-0.35 dB, of 0.5 dB that it may be
off), at 0.71 with 0; 32 holds it within 2 % (`wellposed audit extract`, recorded speech). But while
speakers are still confused, 5 or 10 raised the norm of the gradient from 1 to 4, as it is with 2,
to 6 to 50, and the clip at 3 held up all the rest: no progress in 500 steps (docs/extract.md)."""


BOUNDS = {
    "level_error_db": Promise(low=-0.5, high=0.5, step=5000, binding=True),
    "absent_attenuation_db": Promise(low=25.0, step=5000, binding=True),
}
"""What the best checkpoint keeps, if any does: 0.5 dB is half of what is heard of speech at
different levels, 25 dB leave a voice below the noise of most rooms. Told as broken promises only
when five sixths of the default run are over."""


class ExtractRecipe(Recipe):
    """Everything that `wellposed train extract` can be told."""

    system: Literal["extract"] = "extract"
    model: Model = Model()
    scenes: Scenes = Scenes()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer(clip_norm=3.0)
    """AdamW. Norms of the gradient were 0.8 to 1.1 in the first 40 steps (tiny, real speech)."""
    validation: Validation = Validation(scenes=48, criteria=BOUNDS)
    curriculum: Annotated[tuple[Phase, ...], tyro.conf.Fixed] = (BOTH, HELD)
    """Phases after the first, by rising step. First scenes with the target, many in turns, then
    all, then the level."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        stft = Stft.of_duration(self.scenes.rate, self.model.window_ms, self.model.hop_ms)
        band_widths(stft.bins, stft.bin_hz, self.model.bands)
        if any("scenes.rate" in phase.changes for phase in self.curriculum):
            raise ValueError("curriculum: scenes.rate cannot change, the network is built")
        if self.training.batch_size % self.scenes.block:
            raise ValueError(
                f"a block of {self.scenes.block} scenes (present + partial + absent) does not "
                f"divide a batch of {self.training.batch_size}: its counts would not be fixed"
            )
        return self
