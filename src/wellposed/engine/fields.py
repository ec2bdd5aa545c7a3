"""Types of recipe values that several systems have: spans, shares, weights."""

from typing import Annotated

from pydantic import AfterValidator, Field


def _rising(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError(f"from {span[0]:g} to {span[1]:g} does not rise")
    return span


def _below_full_scale(span: tuple[float, float]) -> tuple[float, float]:
    if span[1] > 0:
        raise ValueError(f"{span[1]:g} dB is above full scale")
    return span


def _moving(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] < 0.25:
        raise ValueError(f"a speed of {span[0]:g} is below a quarter, which is no speech")
    return span


def _some(weights: tuple[float, ...]) -> tuple[float, ...]:
    if not sum(weights) > 0:
        raise ValueError("one of the frequencies must be above zero")
    return weights


Fraction = Annotated[float, Field(ge=0, le=1)]
"""A share or a probability."""
Weight = Annotated[float, Field(ge=0)]
"""Of a term, or a relative frequency."""
Positive = Annotated[float, Field(gt=0)]
Span = Annotated[tuple[float, float], AfterValidator(_rising)]
"""From and to, both allowed."""
Shares = Annotated[tuple[Fraction, Fraction], AfterValidator(_rising)]
"""A span of shares."""
Levels = Annotated[Span, AfterValidator(_below_full_scale)]
"""A span of levels [dB re full scale]."""
Speeds = Annotated[Span, AfterValidator(_moving)]
"""A span of speeds; 1 is the speed of the recording."""
Frequencies = Annotated[tuple[Weight, ...], AfterValidator(_some)]
"""Relative frequencies of 0, 1, 2, ... of something; they need not sum to one."""
