"""One scene in the making: who speaks where, in which room, and how loud."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wellposed.data.mixing import (
    SILENCE,
    Wave,
    active_power,
    equaliser,
    reshape_sound,
    stretched_length,
)
from wellposed.data.roombank import Room, Rooms
from wellposed.data.rooms import reverberate
from wellposed.data.voices import Speaker
from wellposed.systems.extract.cast import Cast, Role, audible, audible_crop
from wellposed.systems.extract.kinds import Scenario
from wellposed.systems.extract.parts import (
    Company,
    Parts,
    Scene,
    as_it_came_out,
    at_level,
    fade,
    noise_gain,
    overlap,
    scale,
)
from wellposed.systems.extract.recipe import Scenes

SPREAD_DB = 2.0
"""Standard deviation of the levels of several interferers [dB]."""


@dataclass
class Draw:
    """Makes one scene from the draws of its generator."""

    recipe: Scenes
    cast: Cast
    rooms: Rooms
    split: str
    rng: np.random.Generator

    def scene(self, scenario: Scenario) -> Scene:
        """Make it. Raises DataError: nobody who can be the target."""
        recipe, rng = self.recipe, self.rng
        seconds = recipe.seconds if self.split == "train" else recipe.validation_seconds
        samples = round(seconds * recipe.rate)
        shortest, longest = np.log(recipe.enrol_seconds)
        speed = float(rng.uniform(*recipe.speed))
        enrol_s = speed * float(np.exp(rng.uniform(shortest, longest)))
        role = self.cast.target(enrol_s, scenario.gender, rng)
        room = self.rooms.room(self.split, rng) if rng.random() < recipe.room else None
        target, span = self._target(role, scenario, samples, speed, room)
        others = self._others(role.speaker, scenario, samples, room)
        genders = [role.speaker.gender, *(speaker.gender for speaker in others.speakers)]
        scenario = as_it_came_out(scenario, span, genders)
        enrolment, enrol_facts = self._enrolment(role, speed)
        facts: dict[str, Any] = {
            "scenario": scenario.name,
            "kind": scenario.kind,
            "target": role.speaker.name,
            "interferers": [speaker.name for speaker in others.speakers],
            "genders": genders,
            "speed": speed,
            "decay_s": None if room is None else room.decay_s,
            "overlap": overlap(span, others.spans),
            **enrol_facts,
        }
        return self._finished(self._balanced(target, others, facts), enrolment, span, facts)

    def _target(
        self, role: Role, scenario: Scenario, samples: int, speed: float, room: Room | None
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
        fade(wave, first, last, recipe.rate)
        response = None
        if room is not None:
            response = room.response(rng)
            last = min(samples, last + len(response) - 1)
            kept = reverberate(wave, response)
            wave = np.zeros(samples, np.float32)
            wave[first:last] = kept[first:last]
        if scenario.kind == "absent" or not audible(wave):
            return np.zeros(samples, np.float32), (0, 0)
        return wave, (first, last)

    def _others(
        self, target: Speaker, scenario: Scenario, samples: int, room: Room | None
    ) -> Company:
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
            fade(wave, first, first + length, recipe.rate)
            if room is not None:
                wave = reverberate(wave, room.response(rng))
            level_db = float(rng.normal(0.0, SPREAD_DB))
            loud = np.sqrt(max(active_power(wave, recipe.rate), SILENCE))
            waves[number] = wave * np.float32(10 ** (level_db / 20) / loud)
            spans.append((first, first + length))
        return Company(speakers, waves, spans)

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
            wave = reverberate(wave, self.rooms.room(self.split, rng).response(rng))
        if noisy:
            snr_db = float(rng.uniform(*recipe.enrol_snr_db))
            noise = self.cast.voices.noise_wave(self.split, samples, rng)
            gain = np.float32(noise_gain(wave, noise, snr_db, recipe.rate))
            wave = (wave + gain * noise).astype(np.float32)
            facts["enrol_snr_db"] = snr_db
        return at_level(wave, float(rng.uniform(*recipe.level_dbfs))), facts

    def _balanced(self, target: Wave, company: Company, facts: dict[str, Any]) -> Parts:
        """Bring interferers and noise to their ratios."""
        recipe, rng = self.recipe, self.rng
        others, total = company.waves, company.waves.sum(0, dtype=np.float32)
        sir_db, snr_db = float(rng.uniform(*recipe.sir_db)), float(rng.uniform(*recipe.snr_db))
        if audible(target) and audible(total):
            gain = np.float32(noise_gain(target, total, sir_db, recipe.rate))
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
                noise = noise * np.float32(noise_gain(speech, noise, snr_db, recipe.rate))
                facts["snr_db"] = snr_db
        return Parts(target, others, noise)

    def _finished(
        self, parts: Parts, enrolment: Wave, span: tuple[int, int], facts: dict[str, Any]
    ) -> Scene:
        mixture = parts.mixture
        level = float(self.rng.uniform(*self.recipe.level_dbfs))
        gain = scale(mixture, level)
        facts["level_dbfs"] = level
        target, others = parts.target * gain, parts.others * gain
        return Scene(mixture * gain, target, others, enrolment, span, facts)

    def _coloured(self, wave: Wave, samples: int) -> Wave:
        curve = equaliser(self.rng, samples // 2 + 1, self.recipe.rate, self.recipe.equalise_db)
        return reshape_sound(wave, samples, curve)
