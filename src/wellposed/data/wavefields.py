"""Scenes of sources before arrays and surfaces, each a pure function of (seed, split, index).

Nothing is stored: a scene is drawn when it is wanted, by a counter-based generator. Splits are part
of the key, so no scene of one can be in another (a seed plus an offset would not do: offsets
overlap).
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from wellposed.data.keyed import generator
from wellposed.dsp.arrays.imperfections import displaced, unequal
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.snapshots import Reference, correlated, noise_power, reference_power
from wellposed.dsp.arrays.wavefront import Places

Split = Literal["train", "valid", "test"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Population:
    """What scenes are drawn from; intervals are drawn from evenly."""

    sources: tuple[int, int] = (1, 3)
    """fewest and most"""
    azimuth_deg: Interval = (-60.0, 60.0)
    elevation_deg: Interval = (0.0, 0.0)
    range: Interval = (math.inf, math.inf)
    """unit of the sensors; inf: far sources"""
    apart_deg: float = 0.0
    """least difference of azimuths; anything above 0 makes the task easier and must be told"""
    snr_db: Interval = (0.0, 20.0)
    reference: Reference = "source"
    """what the ratio counts as signal"""
    correlation: Interval = (0.0, 0.0)
    """of every pair of sources, with random phases; 1 is coherent"""
    power_spread_db: float = 0.0
    """powers lie this far apart at most"""
    path_loss: float = 0.0
    """power falls with this power of the range"""
    snapshots: int = 100

    def __post_init__(self):
        """Refuse a population that nobody can be drawn from."""
        low, high = self.sources
        room = self.azimuth_deg[1] - self.azimuth_deg[0]
        if not 0 < low <= high:
            raise ValueError(f"sources {self.sources}: at least 1, and the fewest first")
        if self.apart_deg * (high - 1) >= room and self.apart_deg:
            raise ValueError(
                f"{high} sources {self.apart_deg:g} degrees apart do not fit into {room:g} degrees"
            )
        if not 0 < self.range[0] <= self.range[1]:
            raise ValueError(f"range {self.range}: above 0, and the nearest first")


@dataclass(frozen=True)
class Flaws:
    """Standard deviations of what the array does and its description does not say."""

    position: float = 0.0
    """[unit of the sensors] each axis"""
    gain_db: float = 0.0
    phase_deg: float = 0.0


class Sources(NamedTuple):
    """Who is there, `(sources,)` each."""

    places: Places
    powers: Tensor
    correlation: Tensor
    """()"""
    phase: Tensor


class Scene(NamedTuple):
    """What is heard, and the truth about it; float64 and complex128."""

    snapshots: Tensor
    """`(sensors, snapshots)`"""
    sources: Sources
    symbols: Tensor
    """`(sources, snapshots)` as drawn"""
    noise: Tensor
    """() noise power of one output"""
    array: Array
    """as it was, flaws included"""

    def digest(self) -> str:
        """Hash of what is heard."""
        return digest(self.snapshots)


@dataclass(frozen=True)
class ArrayScenes:
    """Scenes before one array."""

    array: Array
    population: Population = field(default_factory=Population)
    flaws: Flaws = field(default_factory=Flaws)
    seed: int = 0

    def scene(self, split: Split, index: int) -> Scene:
        """Draw scene `index` of a split."""
        rng = keyed(self.seed, split, index)
        sources = draw_sources(rng, self.population)
        array = self._flawed(rng)
        shape = (len(sources.powers), self.population.snapshots)
        symbols = correlated(
            white(rng, *shape), white(rng, 1, shape[1]), sources.powers, *sources[2:]
        )
        clean = array.response(sources.places) @ symbols
        snr_db = uniform(rng, self.population.snr_db)
        power = reference_power(clean, sources.powers, self.population.reference)
        noise = noise_power(power, snr_db)
        heard = clean + noise.sqrt() * white(rng, *clean.shape)
        return Scene(heard, sources, symbols, noise, array)

    def _flawed(self, rng: np.random.Generator) -> Array:
        count, flaws = self.array.positions.shape[-2], self.flaws
        # Always drawn, so that a flaw switched off leaves the rest of the scene as it was.
        offsets, gains, phases = normal(rng, count, 3), normal(rng, count), normal(rng, count)
        array = self.array
        if flaws.position:
            array = displaced(array, flaws.position * offsets)
        if flaws.gain_db or flaws.phase_deg:
            turn = math.radians(flaws.phase_deg) * phases
            array = unequal(array, flaws.gain_db * gains, turn)
        return array


def keyed(seed: int, split: Split, index: int) -> np.random.Generator:
    """The stream of one scene."""
    if split not in get_args(Split):
        raise ValueError(f"split {split!r}: one of {', '.join(get_args(Split))} wanted")
    return generator(seed, "wavefield", split, index)


def draw_sources(rng: np.random.Generator, population: Population) -> Sources:
    """Draw who is there."""
    low, high = population.sources
    count = int(rng.integers(low, high + 1))
    azimuth = _azimuths(rng, population, count)
    elevation = np.radians(rng.uniform(*population.elevation_deg, count))
    nearest, farthest = population.range
    distance = (
        np.full(count, nearest) if math.isinf(farthest) else rng.uniform(nearest, farthest, count)
    )
    spread = rng.uniform(-population.power_spread_db, 0, count)
    decay = (
        0.0 if math.isinf(farthest) else population.path_loss * np.log10(distance / distance.min())
    )
    powers = 10 ** (spread / 10 - decay)
    places = Places(*(torch.from_numpy(each) for each in (azimuth, elevation, distance)))
    phase = torch.from_numpy(rng.uniform(-math.pi, math.pi, count))
    return Sources(places, torch.from_numpy(powers), uniform(rng, population.correlation), phase)


def _azimuths(rng: np.random.Generator, population: Population, count: int) -> np.ndarray:
    """Evenly among all sets that are far enough apart: gaps are put into a shorter interval."""
    low, high = population.azimuth_deg
    gaps = population.apart_deg * np.arange(count)
    free = rng.uniform(low, high - gaps[-1], count)
    ranks = free.argsort().argsort()
    return np.radians(free + gaps[ranks])


def uniform(rng: np.random.Generator, interval: Interval) -> Tensor:
    """One number, `()`."""
    return torch.tensor(rng.uniform(*interval), dtype=torch.float64)


def normal(rng: np.random.Generator, *shape: int) -> Tensor:
    """Real, of unit variance."""
    return torch.from_numpy(rng.standard_normal(shape))


def white(rng: np.random.Generator, *shape: int) -> Tensor:
    """Complex and circular, of unit power."""
    pairs = rng.standard_normal((*shape, 2)) * math.sqrt(0.5)
    return torch.view_as_complex(torch.from_numpy(pairs))


def digest(*tensors: Tensor) -> str:
    """Hash of the bytes of tensors, in order."""
    state = hashlib.blake2b(digest_size=16)
    for each in tensors:
        state.update(each.detach().cpu().resolve_conj().contiguous().numpy().tobytes())
    return state.hexdigest()


def overlap(splits: Sequence[Sequence[str]]) -> int:
    """Number of digests that are in more than one split, or twice in one."""
    whole = [one for split in splits for one in split]
    return len(whole) - len(set(whole))
