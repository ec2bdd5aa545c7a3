"""What a scene is made of, and the ratios, levels and labels of its parts."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wellposed.data.mixing import SILENCE, Wave, active_power, gain_for_ratio, power
from wellposed.data.voices import Speaker
from wellposed.systems.extract.kinds import Scenario

PEAK = 0.99
"""Largest sample of a mixture or enrolment; louder ones are turned down whole."""
FADE_S = 0.01
"""Rise and fall of a voice that begins or ends inside a scene [s]."""


@dataclass(frozen=True)
class Scene:
    """Waveforms at the recipe's rate and what was drawn to make them."""

    mixture: Wave
    """`(time,)`"""
    target: Wave
    """`(time,)`, as it is in the mixture, reverberation included."""
    interferers: Wave
    """`(count, time)`, as they are in the mixture."""
    enrolment: Wave
    """`(enrolled,)`, of its own length."""
    span: tuple[int, int]
    """Outside these samples the target is exactly zero; empty where it is absent."""
    facts: dict[str, Any]


@dataclass(frozen=True)
class Company:
    """The other speakers, what they say, and where in the scene."""

    speakers: list[Speaker]
    waves: Wave
    """`(speakers, time)`"""
    spans: list[tuple[int, int]]


@dataclass(frozen=True)
class Parts:
    """What a mixture is the sum of."""

    target: Wave
    others: Wave
    noise: Wave

    @property
    def mixture(self) -> Wave:
        """The sum `(time,)`."""
        return (self.target + self.others.sum(0) + self.noise).astype(np.float32)


def as_it_came_out(scenario: Scenario, span: tuple[int, int], genders: list[str]) -> Scenario:
    """A scene whose target is silent has no target, whatever it was meant to be.

    And where genders are not known, or nobody of the wanted one is left, the name says so.
    """
    own, *theirs = genders
    wanted = {"same": {own}, "other": {"f", "m"} - {own}, "any": set(theirs)}[scenario.gender]
    if (not own and scenario.gender != "any") or not set(theirs) <= wanted:
        scenario = replace(scenario, name=f"{scenario.name.split(',')[0]}, gender not controlled")
    if span[1] > span[0] or scenario.kind == "absent":
        return scenario
    return replace(scenario, kind="absent", name="absent (silent crop)")


def overlap(span: tuple[int, int], others: list[tuple[int, int]]) -> float | None:
    """Share of the target's span in which somebody else may speak."""
    first, last = span
    if last <= first:
        return None
    heard = np.zeros(last - first, bool)
    for begin, end in others:
        heard[max(0, begin - first) : max(0, end - first)] = True
    return float(heard.mean())


def noise_gain(signal: Wave, noise: Wave, ratio_db: float, rate: int) -> float:
    """Gain of `noise` at which `signal` is `ratio_db` above it, each where it is active."""
    return gain_for_ratio(active_power(signal, rate), active_power(noise, rate), ratio_db)


def fade(wave: Wave, first: int, last: int, rate: int) -> None:
    """Let a voice inside a scene begin and end without a click, in place."""
    length = min(round(FADE_S * rate), (last - first) // 2)
    ramp = np.sin(0.5 * np.pi * (np.arange(length) + 0.5) / max(length, 1)).astype(np.float32) ** 2
    if first > 0:
        wave[first : first + length] *= ramp
    if last < len(wave):
        wave[last - length : last] *= ramp[::-1]


def scale(wave: Wave, level_dbfs: float) -> np.float32:
    """Gain that brings a wave to a level [dB re full scale], or to the largest peak."""
    wanted = 10 ** (level_dbfs / 20) / np.sqrt(max(power(wave), SILENCE))
    return np.float32(min(wanted, PEAK / max(float(np.abs(wave).max()), 1e-9)))


def at_level(wave: Wave, level_dbfs: float) -> Wave:
    """Bring a wave to a level, as `scale` says."""
    return (wave * scale(wave, level_dbfs)).astype(np.float32)
