"""The codec system's recipe: every value with unit, range and reason."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wellposed.engine.recipe import Section

FIRST_STRIDES = {8000: 1, 16000: 2, 24000: 3, 48000: 6}
"""Sample rates [Hz], and the first stride that brings them to 8 kHz."""
STRIDES = (4, 5, 8)
"""From 8 kHz to 2 kHz, 400 Hz and 50 frames a second, at every sample rate."""
FRAMES_PER_SECOND = 50

Channels = tuple[int, int, int, int, int]
"""At the sample rate, at 8 kHz, 2 kHz, 400 Hz and 50 Hz."""
Count = Annotated[int, Field(ge=1)]
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
    latent: Annotated[int, Field(ge=1)] = 64
    """Numbers per frame that are quantized."""
    quantizer: Literal["factorised", "ema", "scalar"] = "factorised"
    """By direction in few dimensions; by running means in all; on a grid (finite scalar)."""
    stages: Annotated[int, Field(ge=1, le=64)] = 12
    """Stages: 50 codes a second each. 12 of 10 bit are 6 kbit/s, 6 are 3 kbit/s."""
    size: Annotated[int, Field(ge=2, le=65536)] = 1024
    """Codes of a stage (factorised, ema): 10 bit, as all published codecs of this kind."""
    code_dims: Annotated[int, Field(ge=1)] = 8
    """Dimensions of a code (factorised): arXiv:2306.06546, table 2."""
    levels: Levels = (9, 7, 5, 3)
    """Levels of each dimension (scalar), odd: 945 codes, 9.9 bit."""

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
        latent=96,
    ),
    "10m": Model(
        encoder_channels=(16, 32, 128, 288, 416),
        decoder_channels=(16, 32, 128, 288, 416),
        latent=128,
    ),
}
"""Presets. Parameters and arithmetic: see docs/codec.md, `benchmarks/codec_cost.py`."""
