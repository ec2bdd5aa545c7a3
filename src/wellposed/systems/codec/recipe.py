"""The codec system's recipe: every value with unit, range and reason."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from wellposed.engine.recipe import Recipe, Section
from wellposed.engine.sections import Optimizer, Validation

FIRST_STRIDES = {8000: 1, 16000: 2, 24000: 3, 48000: 6}
"""Sample rates [Hz], and the first stride that brings them to 8 kHz."""
STRIDES = (4, 5, 8)
"""From 8 kHz to 2 kHz, 400 Hz and 50 frames a second, at every sample rate."""
FRAMES_PER_SECOND = 50

Channels = tuple[int, int, int, int, int]
"""At the sample rate, at 8 kHz, 2 kHz, 400 Hz and 50 Hz."""
Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Levels = Annotated[tuple[int, ...], Field(min_length=1)]


class Model(Section):
    """Causal convolutional encoder, residual quantizer, causal convolutional decoder."""

    encoder_channels: Channels = (8, 16, 48, 96, 128)
    """Channels at the sample rate, 8 kHz, 2 kHz, 400 Hz and 50 Hz. Few where samples are many:
    the cost of a level is its rate times the square."""
    decoder_channels: Channels = (8, 16, 48, 96, 128)
    """The same, from the end to the start of the decoder."""
    dilations: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 3, 9)
    """Dilations of the residual units of a level; those of descript-audio-codec."""
    latent: Annotated[int, Field(ge=1)] = 72
    """Numbers per frame that are quantized."""
    bands: Annotated[int, Field(ge=0)] = 24
    """Latents among them that are levels of bands, above what the others begin with (25 Hz each);
    the decoder has patterns of these levels. 0: none, and the network has to find its own way."""
    follow: Literal["frequency", "power"] = "power"
    """What the other latents follow: the lowest frequencies, or in every frame those with the most
    power by the levels of the bands, which are then of all frequencies and sent first, in a quarter
    of the stages (`systems/codec/ranks.py`)."""
    start: Literal["transform", "random"] = "transform"
    """First weights: a cosine transform of every block and its inverse, or random ones."""
    quantizer: Literal["factorised", "ema", "scalar"] = "ema"
    """By direction in few dimensions; by running means in all; on a grid (finite scalar)."""
    stages: Annotated[int, Field(ge=1, le=64)] = 12
    """Stages: 50 codes a second each. 12 of 10 bit are 6 kbit/s, 6 are 3 kbit/s."""
    paths: Annotated[int, Field(ge=1, le=64)] = 8
    """Sums of codes that the search for the codes of a frame keeps (`nn/quantizers/search.py`); 1:
    the nearest code of every stage."""
    size: Annotated[int, Field(ge=2, le=65536)] = 1024
    """Codes of a stage (factorised, ema): 10 bit, as all published codecs of this kind."""
    code_dims: Annotated[int, Field(ge=1)] = 8
    """Dimensions of a code (factorised): arXiv:2306.06546, table 2."""
    comb: Annotated[float, Field(ge=0, le=1)] = 0.6
    """Share of the sound a period ago that is added to what is decoded, where it repeats itself
    (`systems/codec/comb.py`); 0: none. For few bits, where noise is heard before what it bends."""
    look_up: Literal["distance", "cosine"] = "distance"
    """What makes a code the nearest one (factorised): all of it, or its direction alone as in that
    paper. Measured when books are fitted to the untrained transform (1m, 4 scenes of speech, 6 and
    3 kbit/s): SI-SDR 8.6 and 6.5 dB by distance, 3.7 and 0.7 dB by direction, as levels differ."""
    levels: Levels = (9, 7, 5, 3)
    """Levels of each dimension (scalar), odd: 945 codes, 9.9 bit."""

    @model_validator(mode="after")
    def _follows_something(self) -> Self:
        if self.bands >= self.latent:
            raise ValueError(f"bands {self.bands} of {self.latent} latents: one more is wanted")
        return self

    @model_validator(mode="after")
    def _can_follow_power(self) -> Self:
        if self.follow == "power" and (self.bands < 2 or self.stages < 2):
            raise ValueError(
                f"follow power with {self.bands} bands and {self.stages} stages: wanted two of "
                "each, as levels tell where the power is"
            )
        return self

    @model_validator(mode="after")
    def _has_a_grid(self) -> Self:
        if any(level < 3 or level % 2 == 0 for level in self.levels):
            raise ValueError(f"levels {self.levels}: wanted odd numbers of 3 or more")
        return self


SIZES: dict[str, Model] = {
    "1m": Model(),
    "4m": Model(
        encoder_channels=(12, 24, 96, 192, 256),
        decoder_channels=(12, 24, 96, 192, 256),
    ),
    "10m": Model(
        encoder_channels=(16, 32, 128, 288, 416),
        decoder_channels=(16, 32, 128, 288, 416),
    ),
}
"""Presets. Parameters and arithmetic: see docs/codec.md, `benchmarks/codec_cost.py`."""


def _levels(span: tuple[float, float]) -> tuple[float, float]:
    if not span[0] <= span[1] <= 0:
        raise ValueError(f"from {span[0]:g} to {span[1]:g}: wanted rising, 0 dB or less")
    return span


class Scenes(Section):
    """A piece of speech; each draw depends on (seed, split, index) alone."""

    rate: Literal[8000, 16000, 24000, 48000] = 16000
    """Sample rate [Hz]."""
    seconds: Positive = 1.0
    """Length of a training scene [s]. Encoder and decoder look back 0.31 s each;
    descript-audio-codec took 0.38 s, EnCodec 1 s."""
    validation_seconds: Positive = 4.0
    """Length of a validation scene [s]; longer, because PESQ needs utterances."""
    level_dbfs: Annotated[tuple[float, float], AfterValidator(_levels)] = (-35.0, -15.0)
    """Level of the active speech, uniform [dB re full scale]."""


class Loss(Section):
    """Weights of the terms. Those of descript-audio-codec (conf/final/16khz.yml) but `waveform`."""

    mel: Weight = 15.0
    """Log-mel distance at seven resolutions, summed."""
    waveform: Weight = 100.0
    """Mean absolute difference relative to the scene's level: phase, hence SI-SDR. Measured share
    of the pull at the latents beside `mel`: 0.2 % with a weight of 1, 6 to 9 % with 50, 23 % with
    300 (size 1m, 100 steps from random weights)."""
    level: Weight = 0.0
    """Absolute distance of the levels of scenes [B]; 0: not computed."""
    complex: Weight = 0.0
    """Compressed complex spectra of the scene at unit level; 0: not computed."""
    magnitude: Weight = 0.0
    """Compressed magnitudes of those spectra; 0: not computed."""
    loudness: Weight = 0.0
    """Distance of loudness patterns, in points of opinion (`losses/loudness.py`); 0: not
    computed."""
    commitment: Weight = 0.25
    """Latents towards their codes."""
    codebook: Weight = 1.0
    """Codes towards their latents (factorised)."""
    fooling: Weight = 1.0
    """What the critic says of the estimate."""
    matching: Weight = 2.0
    """Layers of the critic, estimate against original."""
    balanced: bool = False
    """Weights are shares of the gradient at the estimate (EnCodec's balancer); commitment and
    codebook stay as they are."""
    dropout: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of scenes that get a random number of stages, so that one model serves all bitrates."""
    quantize_from: Annotated[int, Field(ge=0)] = 1000
    """Step at which the books are fitted to latents by k-means and quantization begins. A decoder
    that can do something already gives the encoder a reason to be informative."""
    fit_latents: Count = 8
    """Latents a code that the books are fitted to. A centre of so many has a variance of 1 / 8 of
    that within its cell; with 58 the fit takes minutes, and SI-SDR is 0.1 to 0.2 dB more."""
    books_rest_from: Annotated[int, Field(ge=0)] | None = None
    """Step from which running means no longer move the books and none of their codes is revived;
    none: they learn to the end. Of few scenes a step they forget what many latents told them."""
    decoder_alone_from: Annotated[int, Field(ge=0)] | None = None
    """Step from which encoder and books rest: codes stay what they are, and a step takes half the
    time; none: all learns to the end."""


class Critic(Section):
    """The discriminator, of descript-audio-codec's form."""

    from_step: Annotated[int, Field(ge=0)] = 0
    """Step at which it joins; 0: there is none. A step with it takes several times as long."""
    periods: tuple[Count, ...] = (2, 3, 5, 7, 11)
    """Periods [samples]."""
    period_channels: Annotated[tuple[Count, ...], Field(min_length=1)] = (32, 128, 512, 1024, 1024)
    """Channels of the layers of a period critic: 8.2 M parameters a period."""
    windows_ms: tuple[Positive, ...] = (128.0, 64.0, 32.0)
    """Windows of the band critics [ms]: 2048, 1024 and 512 samples at 16 kHz."""
    band_channels: Count = 32
    """Channels of the band critics."""


class CodecRecipe(Recipe):
    """Everything that `wellposed train codec` can be told."""

    system: Literal["codec"] = "codec"
    model: Model = Model()
    scenes: Scenes = Scenes()
    loss: Loss = Loss()
    critic: Critic = Critic()
    optimizer: Optimizer = Optimizer(learning_rate=3e-4, betas=(0.8, 0.99), clip_norm=10.0)
    """Measured on two scenes in 40 steps from the transform: at 1e-3 the loss rises from 126 to
    221, at 3e-4 it falls to 121, at 1e-4 to 119. descript-audio-codec takes 1e-4 for hundreds of
    thousands of steps."""
    validation: Validation = Validation(select="si_sdr_db")

    @model_validator(mode="after")
    def _keeps_what_is_built(self) -> Self:
        fixed = [
            key
            for phase in self.curriculum
            for key in phase.changes
            if key in ("scenes.rate", "loss.quantize_from", "loss.balanced")
        ]
        if fixed:
            raise ValueError(f"curriculum: {fixed[0]} cannot change within a run")
        if 0 < self.critic.from_step < self.loss.quantize_from:
            raise ValueError(
                f"critic.from_step {self.critic.from_step} is before loss.quantize_from "
                f"{self.loss.quantize_from}; nobody will send the sounds of before"
            )
        return self
