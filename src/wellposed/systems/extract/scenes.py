"""A scene of the extract system: a mixture, an enrolment, and what of the mixture is wanted.

`ExtractScenes.scene(split, index)` is a pure function: every draw comes from a counter-based
generator keyed by (seed, split, index). Outside `span` the target is exactly silent, and a scene
whose target came out silent is labelled as one without a target.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from wellposed.data.keyed import generator
from wellposed.data.mixing import (
    SILENCE,
    Wave,
    active_power,
    equaliser,
    gain_for_ratio,
    power,
    reshape_sound,
    stretched_length,
)
from wellposed.data.rooms import DECAY_S, reverberate, synthetic_response
from wellposed.data.voices import Speaker, Voices
from wellposed.systems.extract.cast import Cast, Role, audible, audible_crop
from wellposed.systems.extract.kinds import Scenario, layout, scenario_of
from wellposed.systems.extract.recipe import Scenes

PEAK = 0.99
"""Largest sample of a mixture or enrolment; louder ones are turned down whole."""
FADE_S = 0.01
"""Rise and fall of a voice that begins or ends inside a scene [s]."""
SPREAD_DB = 2.0
"""Standard deviation of the levels of several interferers [dB]."""


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
class ExtractScenes:
    """All scenes of a recipe, each by its number."""

    recipe: Scenes
    voices: Voices
    seed: int

    def scene(self, split: str, index: int) -> Scene:
        """Make scene `index` of "train", "valid" or "test"."""
        rng = generator(self.seed, "extract", split, index)
        drawn = _Draw(self.recipe, self._cast(split), split, rng)
        return drawn.scene(self.scenario(split, index, rng))

    def scenario(self, split: str, index: int, rng: np.random.Generator) -> Scenario:
        """Kind by the number; in training the other speakers are drawn."""
        if split != "train":
            return scenario_of(index)
        recipe = self.recipe
        kinds = layout(recipe.present, recipe.partial, recipe.absent)
        kind = kinds[index % len(kinds)]
        weights = np.asarray(recipe.interferers)
        count = int(rng.choice(len(weights), p=weights / weights.sum()))
        return Scenario(kind, kind, count, recipe.gender)

    def _cast(self, split: str) -> Cast:
        if split not in self._casts:
            self._casts[split] = Cast(self.voices, split)
        return self._casts[split]

    @cached_property
    def _casts(self) -> dict[str, Cast]:
        return {}


@dataclass
class _Draw:
    """One scene in the making."""

    recipe: Scenes
    cast: Cast
    split: str
    rng: np.random.Generator

    def scene(self, scenario: Scenario) -> Scene:
        recipe, rng = self.recipe, self.rng
        seconds = recipe.seconds if self.split == "train" else recipe.validation_seconds
        samples = round(seconds * recipe.rate)
        shortest, longest = np.log(recipe.enrol_seconds)
        speed = float(rng.uniform(*recipe.speed))
        enrol_s = speed * float(np.exp(rng.uniform(shortest, longest)))
        role = self.cast.target(enrol_s, scenario.gender, rng)
        decay_s = float(rng.uniform(*DECAY_S)) if rng.random() < recipe.room else None
        target, span = self._target(role, scenario, samples, speed, decay_s)
        others = self._others(role.speaker, scenario, samples, decay_s)
        genders = [role.speaker.gender, *(speaker.gender for speaker in others.speakers)]
        scenario = _as_it_came_out(scenario, span, genders)
        enrolment, enrol_facts = self._enrolment(role, speed)
        facts: dict[str, Any] = {
            "scenario": scenario.name,
            "kind": scenario.kind,
            "target": role.speaker.name,
            "interferers": [speaker.name for speaker in others.speakers],
            "genders": genders,
            "speed": speed,
            "decay_s": decay_s,
            "overlap": _overlap(span, others.spans),
            **enrol_facts,
        }
        return self._finished(self._balanced(target, others, facts), enrolment, span, facts)

    def _target(
        self, role: Role, scenario: Scenario, samples: int, speed: float, decay_s: float | None
    ) -> tuple[Wave, tuple[int, int]]:
        """The target in its room, and where it is not zero."""
        recipe, rng = self.recipe, self.rng
        first, last = 0, samples
        if scenario.kind == "partial":
            length = round(float(rng.uniform(*recipe.partial_share)) * samples)
            first = int(rng.integers(samples - length + 1))
            last = first + length
        spoken = self.cast.wave(role.spoken)
        piece = audible_crop(spoken, stretched_length(last - first, speed), rng)
        wave = np.zeros(samples, np.float32)
        wave[first:last] = self._coloured(piece, last - first)
        _fade(wave, first, last, recipe.rate)
        response = None
        if decay_s is not None:
            response = synthetic_response(recipe.rate, rng, decay_s)
            last = min(samples, last + len(response) - 1)
            kept = reverberate(wave, response)
            wave = np.zeros(samples, np.float32)
            wave[first:last] = kept[first:last]
        if scenario.kind == "absent" or not audible(wave):
            return np.zeros(samples, np.float32), (0, 0)
        return wave, (first, last)

    def _others(
        self, target: Speaker, scenario: Scenario, samples: int, decay_s: float | None
    ) -> "_Company":
        recipe, rng = self.recipe, self.rng
        speakers = self.cast.others(scenario.interferers, target, scenario.gender, rng)
        waves, spans = np.zeros((len(speakers), samples), np.float32), []
        for number, speaker in enumerate(speakers):
            length = max(1, round(float(rng.uniform(*recipe.overlap)) * samples))
            first = int(rng.integers(samples - length + 1))
            speed = float(rng.uniform(*recipe.speed))
            piece = self.cast.speech(speaker, stretched_length(length, speed), rng)
            wave = np.zeros(samples, np.float32)
            wave[first : first + length] = self._coloured(piece, length)
            _fade(wave, first, first + length, recipe.rate)
            if decay_s is not None:
                wave = reverberate(wave, synthetic_response(recipe.rate, rng, decay_s))
            level_db = float(rng.normal(0.0, SPREAD_DB))
            loud = np.sqrt(max(active_power(wave, recipe.rate), SILENCE))
            waves[number] = wave * np.float32(10 ** (level_db / 20) / loud)
            spans.append((first, first + length))
        return _Company(speakers, waves, spans)

    def _enrolment(self, role: Role, speed: float) -> tuple[Wave, dict[str, Any]]:
        """Speech of the target from elsewhere, through another microphone."""
        recipe, rng = self.recipe, self.rng
        wave = self.cast.wave(role.enrolled)
        samples = round(len(wave) / speed)
        wave = self._coloured(wave, samples)
        reverberant = bool(rng.random() < recipe.enrol_room)
        noisy = bool(rng.random() < recipe.enrol_noise)
        facts: dict[str, Any] = {
            "enrolment": role.source,
            "enrol_recording": role.enrolled.recording.key.rsplit("/", 1)[-1],
            "spoken_recording": role.spoken.recording.key.rsplit("/", 1)[-1],
            "enrol_seconds": samples / recipe.rate,
            "enrol_room": reverberant,
            "enrol_snr_db": None,
        }
        if reverberant:
            wave = reverberate(wave, synthetic_response(recipe.rate, rng))
        if noisy:
            snr_db = float(rng.uniform(*recipe.enrol_snr_db))
            noise = self.cast.voices.noise_wave(self.split, samples, rng)
            gain = np.float32(_noise_gain(wave, noise, snr_db, recipe.rate))
            wave = (wave + gain * noise).astype(np.float32)
            facts["enrol_snr_db"] = snr_db
        return _at_level(wave, float(rng.uniform(*recipe.level_dbfs))), facts

    def _balanced(self, target: Wave, company: "_Company", facts: dict[str, Any]) -> "_Parts":
        """Bring interferers and noise to their ratios."""
        recipe, rng = self.recipe, self.rng
        others, total = company.waves, company.waves.sum(0, dtype=np.float32)
        sir_db, snr_db = float(rng.uniform(*recipe.sir_db)), float(rng.uniform(*recipe.snr_db))
        if audible(target) and audible(total):
            gain = np.float32(_noise_gain(target, total, sir_db, recipe.rate))
            others, total = others * gain, total * gain
            facts["sir_db"] = sir_db
        noise = np.zeros_like(target)
        speech = target if audible(target) else total
        # A scene of nothing at all would teach nothing: there noise is always.
        if rng.random() < recipe.noise or not audible(speech):
            noise = self.cast.voices.noise_wave(self.split, len(target), rng)
            noise = self._coloured(noise, len(target))
            facts["noise"] = True
            if audible(speech):
                noise = noise * np.float32(_noise_gain(speech, noise, snr_db, recipe.rate))
                facts["snr_db"] = snr_db
        return _Parts(target, others, noise)

    def _finished(
        self, parts: "_Parts", enrolment: Wave, span: tuple[int, int], facts: dict[str, Any]
    ) -> Scene:
        mixture = parts.mixture
        level = float(self.rng.uniform(*self.recipe.level_dbfs))
        scale = _scale(mixture, level)
        facts["level_dbfs"] = level
        target, others = parts.target * scale, parts.others * scale
        return Scene(mixture * scale, target, others, enrolment, span, facts)

    def _coloured(self, wave: Wave, samples: int) -> Wave:
        curve = equaliser(self.rng, samples // 2 + 1, self.recipe.rate, self.recipe.equalise_db)
        return reshape_sound(wave, samples, curve)


@dataclass(frozen=True)
class _Company:
    """The other speakers, what they say, and where in the scene."""

    speakers: list[Speaker]
    waves: Wave
    """`(speakers, time)`"""
    spans: list[tuple[int, int]]


@dataclass(frozen=True)
class _Parts:
    target: Wave
    others: Wave
    noise: Wave

    @property
    def mixture(self) -> Wave:
        return (self.target + self.others.sum(0) + self.noise).astype(np.float32)


def _as_it_came_out(scenario: Scenario, span: tuple[int, int], genders: list[str]) -> Scenario:
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


def _overlap(span: tuple[int, int], others: list[tuple[int, int]]) -> float | None:
    """Share of the target's span in which somebody else may speak."""
    first, last = span
    if last <= first:
        return None
    heard = np.zeros(last - first, bool)
    for begin, end in others:
        heard[max(0, begin - first) : max(0, end - first)] = True
    return float(heard.mean())


def _noise_gain(signal: Wave, noise: Wave, ratio_db: float, rate: int) -> float:
    return gain_for_ratio(active_power(signal, rate), active_power(noise, rate), ratio_db)


def _fade(wave: Wave, first: int, last: int, rate: int) -> None:
    """Let a voice inside a scene begin and end without a click, in place."""
    length = min(round(FADE_S * rate), (last - first) // 2)
    ramp = np.sin(0.5 * np.pi * (np.arange(length) + 0.5) / max(length, 1)).astype(np.float32) ** 2
    if first > 0:
        wave[first : first + length] *= ramp
    if last < len(wave):
        wave[last - length : last] *= ramp[::-1]


def _scale(wave: Wave, level_dbfs: float) -> np.float32:
    scale = 10 ** (level_dbfs / 20) / np.sqrt(max(power(wave), SILENCE))
    return np.float32(min(scale, PEAK / max(float(np.abs(wave).max()), 1e-9)))


def _at_level(wave: Wave, level_dbfs: float) -> Wave:
    return (wave * _scale(wave, level_dbfs)).astype(np.float32)
