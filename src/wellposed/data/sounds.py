"""Where excerpts come from: a corpus in memory, or synthesis. Both speak the same protocol.

An excerpt depends on the passed generator and the data alone, never on what was drawn before:
the cache of decoded files only saves time.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wellposed.data import audio, synthetic, synthetic_noise
from wellposed.data.corpus import Clip, Corpus, CorpusChoice, open_corpus
from wellposed.data.keyed import generator
from wellposed.data.mixing import Wave, dynamic_range_db, without_rumble
from wellposed.data.rooms import synthetic_response
from wellposed.data.voices import Recording, Speaker
from wellposed.errors import DataError


@dataclass(frozen=True)
class Excerpt:
    """A piece of sound `(time,)` and where it came from."""

    wave: Wave
    group: str
    source: str


class Sounds(Protocol):
    """What a scene is made of, at one sample rate."""

    rate: int
    digest: str

    def speech(self, split: str, samples: int, rng: np.random.Generator) -> Excerpt:
        """Draw a piece of one person's speech."""
        ...

    def noise(self, split: str, samples: int, rng: np.random.Generator) -> Excerpt:
        """Draw a piece of noise."""
        ...

    def room(self, split: str, rng: np.random.Generator) -> Wave:
        """Draw a room response whose direct sound is one, at sample zero."""
        ...


TAKES = 3
"""Recordings of every synthetic speaker."""

TAKE_SECONDS = 6.0
"""Length of one; all 600 of the training speakers together are 230 MB at 16 kHz."""


@dataclass
class SyntheticSounds:
    """Excerpts that are computed, not recorded: speakers with a few takes each, kept in memory."""

    rate: int
    digest: str = "synthetic/2"
    _takes: dict[tuple[int, int], Wave] = field(default_factory=dict, repr=False)

    def speech(self, split: str, samples: int, rng: np.random.Generator) -> Excerpt:
        """Draw a synthetic speaker of the split, one of its takes, and a place in it."""
        speakers = synthetic.SPEAKERS[split]
        speaker = speakers[int(rng.integers(len(speakers)))]
        take = int(rng.integers(TAKES))
        piece = placed(self._take(speaker, take), samples, rng)
        return Excerpt(piece, f"s{speaker}", f"take {take}")

    def noise(self, split: str, samples: int, rng: np.random.Generator) -> Excerpt:
        """Draw computed noise; every draw is a new recording, so splits share none."""
        return Excerpt(synthetic_noise.noise(samples, self.rate, rng), "computed", "synthetic")

    def room(self, split: str, rng: np.random.Generator) -> Wave:
        """Draw a synthetic room."""
        return synthetic_response(self.rate, rng)

    def speakers(self, split: str) -> tuple[Speaker, ...]:
        """All synthetic speakers of a split, with their takes."""
        return tuple(
            Speaker(
                f"s{number}",
                synthetic.gender(number),
                tuple(
                    Recording(f"s{number}", f"{number} take {take}", TAKE_SECONDS)
                    for take in range(TAKES)
                ),
            )
            for number in synthetic.SPEAKERS[split]
        )

    def recorded(self, recording: Recording) -> Wave:
        """Give a take as it is kept."""
        speaker, _, take = recording.key.split()
        return self._take(int(speaker), int(take))

    def clean(self, recording: Recording) -> bool:
        """Nothing but the voice was computed."""
        return True

    def noise_wave(self, split: str, samples: int, rng: np.random.Generator) -> Wave:
        """Draw computed noise."""
        return self.noise(split, samples, rng).wave

    def _take(self, speaker: int, take: int) -> Wave:
        key = (speaker, take)
        if key not in self._takes:
            rng = generator(0, "synthetic take", speaker, take)
            length = round(TAKE_SECONDS * self.rate)
            self._takes[key] = synthetic.speech(speaker, length, self.rate, rng)
        return self._takes[key]


@dataclass
class CorpusSounds:
    """Excerpts from the files of a corpus, decoded once and kept while memory allows.

    A corpus without noise gets synthetic noise. Rooms are always synthetic: room responses
    of a corpus are few and in no split. `minimum_range_db` leaves out speech whose
    pauses are not quiet enough to be a clean target.
    """

    corpus: Corpus
    rate: int
    cache_mib: int = 1024
    minimum_range_db: float = 0.0
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the cache; nothing is decoded yet."""
        self.digest = self.corpus.digest
        self._waves: OrderedDict[str, Wave] = OrderedDict()
        self._ranges: dict[str, float] = {}
        self._bytes = 0
        self._has_noise = any(clip.kind == "noise" for clip in self.corpus.clips)
        self._lock = threading.Lock()
        self._selected: dict[tuple[str, str], dict[str, list[Clip]]] = {}
        self._synthetic = SyntheticSounds(self.rate)
        self._by_path: dict[str, Clip] = {}

    def speech(self, split: str, samples: int, rng: np.random.Generator) -> Excerpt:
        """Draw a clip, all alike, then a place in it; shorter clips are surrounded by silence."""
        clips = [clip for group in self._groups("speech", split).values() for clip in group]
        clip = _draw(clips, rng, lambda clip: self._range(clip) >= self.minimum_range_db)
        return Excerpt(placed(self._wave(clip), samples, rng), clip.group, clip.path.name)

    def noise(self, split: str, samples: int, rng: np.random.Generator) -> Excerpt:
        """Draw a recording (source), a clip of it, and a place; shorter clips are repeated."""
        if not self._has_noise:
            return self._synthetic.noise(split, samples, rng)
        groups = list(self._groups("noise", split).values())
        clip = _draw(groups[int(rng.integers(len(groups)))], rng, lambda _: True)
        wave = self._wave(clip)
        return Excerpt(_repeated(wave, samples, rng), clip.group, clip.path.name)

    def room(self, split: str, rng: np.random.Generator) -> Wave:
        """Draw a synthetic room."""
        return self._synthetic.room(split, rng)

    def speakers(self, split: str) -> tuple[Speaker, ...]:
        """Everyone who speaks in a split, by name, with all of their recordings."""
        made = []
        for name, clips in sorted(self._groups("speech", split).items()):
            genders = {clip.gender for clip in clips}
            gender = genders.pop() if len(genders) == 1 else ""
            recordings = tuple(
                Recording(name, str(clip.path), clip.frames / clip.rate) for clip in clips
            )
            made.append(Speaker(name, gender, recordings))
        return tuple(made)

    def recorded(self, recording: Recording) -> Wave:
        """Give the whole of a recording at this rate."""
        return self._wave(self._clip(recording))

    def clean(self, recording: Recording) -> bool:
        """Whether its pauses are quiet enough, as `minimum_range_db` says."""
        return self._range(self._clip(recording)) >= self.minimum_range_db

    def noise_wave(self, split: str, samples: int, rng: np.random.Generator) -> Wave:
        """Draw a piece of noise."""
        return self.noise(split, samples, rng).wave

    def _clip(self, recording: Recording) -> Clip:
        if not self._by_path:
            self._by_path = {str(clip.path): clip for clip in self.corpus.clips}
        return self._by_path[recording.key]

    def _groups(self, kind: str, split: str) -> dict[str, list[Clip]]:
        key = (kind, split)
        if key not in self._selected:
            groups: dict[str, list[Clip]] = {}
            for clip in self.corpus.select(kind, split):
                groups.setdefault(clip.group, []).append(clip)
            if not groups:
                raise DataError(
                    f"{self.corpus.root}: no {kind} in split {split}. Give every split some "
                    "files, or let a plain folder be split by speaker (see docs/data.md)."
                )
            self._selected[key] = groups
        return self._selected[key]

    def _range(self, clip: Clip) -> float:
        key = str(clip.path)
        if key not in self._ranges:
            self._ranges[key] = dynamic_range_db(self._wave(clip), self.rate)
        return self._ranges[key]

    def _wave(self, clip: Clip) -> Wave:
        key = str(clip.path)
        with self._lock:
            if key in self._waves:
                self._waves.move_to_end(key)
                return self._waves[key]
        samples, rate = audio.read(clip.path)
        # A constant offset is no sound, but it counts as power: in LibriSpeech it is up to 97 %
        # of a recording (speaker 445), and a signal-to-noise ratio set with it is off by 15 dB.
        samples = samples - samples.mean(axis=1, keepdims=True)
        wave = audio.resample(samples.mean(axis=0, dtype=np.float32), rate, self.rate)
        if clip.kind == "speech":
            wave = without_rumble(wave, self.rate)
        wave.flags.writeable = False
        with self._lock:
            if key not in self._waves:
                self._waves[key] = wave
                self._bytes += wave.nbytes
                while self._bytes > self.cache_mib << 20 and len(self._waves) > 1:
                    _, old = self._waves.popitem(last=False)
                    self._bytes -= old.nbytes
        return wave


def placed(wave: Wave, samples: int, rng: np.random.Generator) -> Wave:
    """Cut `samples` out of a longer wave, or surround a shorter one by silence, anywhere."""
    if len(wave) >= samples:
        start = int(rng.integers(len(wave) - samples + 1))
        return wave[start : start + samples]
    piece = np.zeros(samples, np.float32)
    start = int(rng.integers(samples - len(wave) + 1))
    piece[start : start + len(wave)] = wave
    return piece


def _draw(clips: list[Clip], rng: np.random.Generator, good: Callable[[Clip], bool]) -> Clip:
    """Draw until a clip is good enough; after 100 draws the choice is at fault, not chance."""
    for _ in range(100):
        clip = clips[int(rng.integers(len(clips)))]
        if good(clip):
            return clip
    raise DataError(
        f"{clips[0].path} and {len(clips) - 1} more: of 100 draws none was a clean target. "
        "Lower scenes.minimum_range_db."
    )


def _repeated(wave: Wave, samples: int, rng: np.random.Generator) -> Wave:
    """Cut out or repeat, joining the ends by an equal-power cross-fade of 800 samples."""
    if len(wave) >= samples:
        start = int(rng.integers(len(wave) - samples + 1))
        return wave[start : start + samples]
    fade = min(len(wave) // 4, 800)
    ramp = np.sqrt(np.linspace(0.0, 1.0, fade, dtype=np.float32))
    loop = wave[fade:].copy()
    if fade:
        loop[-fade:] = loop[-fade:] * ramp[::-1] + wave[:fade] * ramp
    start = int(rng.integers(len(loop)))
    return np.take(loop, np.arange(start, start + samples), mode="wrap")


def open_sounds(
    path: Path | None,
    rate: int,
    choice: Mapping[str, Any],
    cache_mib: int,
    minimum_range_db: float = 0.0,
) -> SyntheticSounds | CorpusSounds:
    """Open a corpus, or the synthesis when there is no path; `choice` as `CorpusChoice` has it.

    Raises DataError as `open_corpus`.
    """
    if path is None:
        return SyntheticSounds(rate)
    corpus = open_corpus(path, CorpusChoice(**choice))
    return CorpusSounds(corpus, rate, cache_mib, minimum_range_db)
