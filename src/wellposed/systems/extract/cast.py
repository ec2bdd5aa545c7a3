"""Who is in a scene: the target, an enrolment of it, and others who never are the target."""

from dataclasses import dataclass

import numpy as np

from wellposed.data.mixing import SILENCE, Wave, power
from wellposed.data.sounds import placed
from wellposed.data.voices import Recording, Speaker, Voices
from wellposed.errors import DataError
from wellposed.systems.extract.kinds import Gender
from wellposed.systems.extract.recipe import SHORTEST_ENROLMENT_S

DRAWS = 100
"""After so many draws without one that serves, the choice is at fault, not chance."""
SHORTEST_S = 1.25 * SHORTEST_ENROLMENT_S
"""Least length of a recording to enrol with [s]: played faster by a quarter it still suffices."""
CROPS = 10
"""Crops that are tried for one that is not silent; then the scene goes on with silence."""


@dataclass(frozen=True)
class Part:
    """A stretch of a recording, in samples of the voices' rate."""

    recording: Recording
    first: int
    last: int


@dataclass(frozen=True)
class Role:
    """The target's part in the mixture, and another one that tells who is meant."""

    speaker: Speaker
    spoken: Part
    enrolled: Part
    source: str
    """"another utterance", or "disjoint part" of the same one."""


class Cast:
    """Draws speakers of a split."""

    def __init__(self, voices: Voices, split: str) -> None:
        """Sort out who can be enrolled. Raises DataError: nobody, or only one speaker."""
        self.voices = voices
        self.speakers = voices.speakers(split)
        least = 3 * SHORTEST_S
        self.enrollable = tuple(
            each
            for each in self.speakers
            if len(each.recordings) > 1 or each.recordings[0].seconds >= least
        )
        if not self.enrollable or len(self.speakers) < 2:
            raise DataError(
                f"split {split} has {len(self.speakers)} speakers, of whom {len(self.enrollable)} "
                f"have two recordings or one of {least:g} s; wanted are two speakers at least, and "
                "one who can be enrolled. Add recordings, or name the speakers in a manifest.csv"
            )

    def target(self, enrol_s: float, gender: Gender, rng: np.random.Generator) -> Role:
        """Draw a target with an enrolment of about `enrol_s` [s]; the two share no sample.

        Of known gender, where there is such a one and `gender` is going to matter.
        """
        known = tuple(each for each in self.enrollable if each.gender)
        pool = known if gender != "any" and known else self.enrollable
        for _ in range(DRAWS):
            speaker = pool[int(rng.integers(len(pool)))]
            order = [speaker.recordings[k] for k in rng.permutation(len(speaker.recordings))]
            first = order[0]
            if not self.voices.clean(first):
                continue
            length = len(self.voices.recorded(first))
            wanted = round(enrol_s * self.voices.rate)
            for other in order[1:]:
                if self._serves(other):
                    enrolled = self._cut(other, wanted, rng)
                    spoken = Part(first, 0, length)
                    return Role(speaker, spoken, enrolled, "another utterance")
            shortest = round(min(enrol_s, SHORTEST_S) * self.voices.rate)
            if first.seconds < 3 * SHORTEST_S:
                continue
            size = max(shortest, min(wanted, length // 2))
            if rng.random() < 0.5:
                parts = Part(first, size, length), Part(first, 0, size)
            else:
                parts = Part(first, 0, length - size), Part(first, length - size, length)
            if self._audible(parts[1]):
                return Role(speaker, *parts, "disjoint part")
        raise DataError(
            f"of {DRAWS} draws none gave a clean target with an enrolment; lower "
            "scenes.minimum_range_db, or give longer recordings"
        )

    def others(
        self, count: int, target: Speaker, gender: Gender, rng: np.random.Generator
    ) -> list[Speaker]:
        """Draw `count` different speakers, never the target; fewer where there are no more.

        `gender` is relative to the target's; where that is not known, or nobody fits, anybody.
        """
        pool = [each for each in self.speakers if each.name != target.name]
        if gender != "any" and target.gender:
            fits = [
                e for e in pool if e.gender and (e.gender == target.gender) == (gender == "same")
            ]
            pool = fits if len(fits) >= count else pool
        chosen = rng.permutation(len(pool))[:count]
        return [pool[int(k)] for k in chosen]

    def speech(self, speaker: Speaker, samples: int, rng: np.random.Generator) -> Wave:
        """Draw a piece of somebody's speech that is not silent, if a few crops find one."""
        recording = speaker.recordings[int(rng.integers(len(speaker.recordings)))]
        return audible_crop(self.voices.recorded(recording), samples, rng)

    def wave(self, part: Part) -> Wave:
        """Give the samples of a part."""
        return self.voices.recorded(part.recording)[part.first : part.last]

    def _serves(self, recording: Recording) -> bool:
        long_enough = recording.seconds >= SHORTEST_S
        return long_enough and self.voices.clean(recording)

    def _cut(self, recording: Recording, wanted: int, rng: np.random.Generator) -> Part:
        length = len(self.voices.recorded(recording))
        size = min(wanted, length)
        made = Part(recording, 0, size)
        for _ in range(CROPS):
            first = int(rng.integers(length - size + 1))
            made = Part(recording, first, first + size)
            if self._audible(made):
                break
        return made

    def _audible(self, part: Part) -> bool:
        return audible(self.wave(part))


def audible(wave: Wave) -> bool:
    """Whether a piece is louder than silence."""
    return power(wave) >= SILENCE


def audible_crop(wave: Wave, samples: int, rng: np.random.Generator) -> Wave:
    """Cut or surround as `placed` does, until the piece is audible or `CROPS` were tried."""
    piece = placed(wave, samples, rng)
    for _ in range(CROPS - 1):
        if audible(piece):
            break
        piece = placed(wave, samples, rng)
    return piece
