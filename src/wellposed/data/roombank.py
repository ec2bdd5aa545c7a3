"""Rooms that voices stand in: computed as they are needed, or simulated once and kept in a file.

A room answers for one listener and several places of voices. Responses are as `rooms.py` says: the
direct sound has gain one and stands at sample zero. The rooms of a bank belong to one split each.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wellposed.data.mixing import Wave
from wellposed.data.rooms import DECAY_S, synthetic_response
from wellposed.errors import DataError

SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}
"""Of the rooms of a bank, in this order."""
FEWEST = 10
"""Rooms of a bank: one for each split at the shares above."""


class Room(Protocol):
    """One room for one scene."""

    @property
    def decay_s(self) -> float:
        """Reverberation time [s]."""
        ...

    def response(self, rng: np.random.Generator) -> Wave:
        """From another place of the room."""
        ...


class Rooms(Protocol):
    """Rooms at one sample rate."""

    @property
    def digest(self) -> str:
        """Name of all rooms there are."""
        ...

    def room(self, split: str, rng: np.random.Generator) -> Room:
        """Draw a room of a split."""
        ...


@dataclass(frozen=True)
class SyntheticRoom:
    """Direct sound, a few reflections and a decaying tail, anew for every place."""

    rate: int
    decay_s: float

    def response(self, rng: np.random.Generator) -> Wave:
        """Compute one."""
        return synthetic_response(self.rate, rng, self.decay_s)


@dataclass(frozen=True)
class SyntheticRooms:
    """Rooms that are computed where they are needed; every draw is a new one."""

    rate: int
    digest: str = "synthetic"

    def room(self, split: str, rng: np.random.Generator) -> SyntheticRoom:
        """Draw a reverberation time."""
        return SyntheticRoom(self.rate, float(rng.uniform(*DECAY_S)))


@dataclass
class BankRoom:
    """A room of a bank; no place is taken twice before all were."""

    responses: list[Wave]
    decay_s: float
    _left: list[int] = field(default_factory=list, repr=False)

    def response(self, rng: np.random.Generator) -> Wave:
        """Draw a place that nobody stands at."""
        if not self._left:
            self._left = [int(place) for place in rng.permutation(len(self.responses))]
        return self.responses[self._left.pop()]


@dataclass(frozen=True)
class RoomBank:
    """Responses of `rooms` rooms, `places` each, and how they were made."""

    rate: int
    responses: Wave
    """All of them, one after the other."""
    lengths: NDArray[np.int64]
    """`(rooms, places)` [samples]."""
    decay_s: NDArray[np.float64]
    """`(rooms,)`, measured [s]."""
    told: dict[str, Any]
    """Seed, simulator and what else it takes to make them again."""

    @property
    def digest(self) -> str:
        """Name of the content, and of nothing else."""
        total = hashlib.sha256(json.dumps([self.rate, self.told], sort_keys=True).encode())
        for array in (self.responses, self.lengths, self.decay_s):
            total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()

    def room(self, split: str, rng: np.random.Generator) -> BankRoom:
        """Draw a room of a split."""
        numbers = self.numbers(split)
        number = numbers[int(rng.integers(len(numbers)))]
        ends = np.cumsum(self.lengths.reshape(-1))
        first = number * self.lengths.shape[1]
        cut = [
            self.responses[ends[k] - self.lengths.flat[k] : ends[k]]
            for k in range(first, first + self.lengths.shape[1])
        ]
        return BankRoom(cut, float(self.decay_s[number]))

    def numbers(self, split: str) -> range:
        """Rooms of a split; splits share none."""
        rooms = len(self.lengths)
        ends = np.round(np.cumsum(list(SHARES.values())) * rooms).astype(int)
        at = list(SHARES).index(split)
        return range(int(ends[at - 1]) if at else 0, int(ends[at]))

    def bytes(self) -> bytes:
        """The file: a NumPy archive without objects; the same bank gives the same bytes."""
        sink = io.BytesIO()
        card = json.dumps({"rate": self.rate, "told": self.told, "digest": self.digest})
        np.savez(
            sink, responses=self.responses, lengths=self.lengths, decay_s=self.decay_s,
            card=np.frombuffer(card.encode(), np.uint8),
        )  # fmt: skip
        return sink.getvalue()

    @staticmethod
    def load(path: Path, rate: int) -> "RoomBank":
        """Read a bank. Raises DataError: no file, no bank, damaged, or of another rate."""
        try:
            with np.load(path, allow_pickle=False) as archive:
                card = json.loads(archive["card"].tobytes())
                bank = RoomBank(
                    int(card["rate"]), archive["responses"], archive["lengths"],
                    archive["decay_s"], card["told"],
                )  # fmt: skip
        except FileNotFoundError:
            raise DataError(
                f"{path}: no such room bank; `wellposed data rooms` makes one"
            ) from None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path}: is no room bank, or damaged ({error}); make it again with "
                "`wellposed data rooms`"
            ) from error
        if bank.digest != card["digest"]:
            raise DataError(f"{path}: is damaged, its digest differs; make it again")
        if bank.rate != rate:
            raise DataError(
                f"{path}: rooms at {bank.rate} Hz, the scenes are at {rate} Hz; make a bank with "
                f"`wellposed data rooms --rate {rate}`"
            )
        return bank


def bank_of(
    rate: int,
    rooms: list[tuple[list[Wave], float]],
    told: dict[str, Any],
) -> RoomBank:
    """Put responses and reverberation times of rooms together. Raises DataError: too few."""
    if len(rooms) < FEWEST:
        raise DataError(f"{len(rooms)} rooms: wanted {FEWEST} at least, for three splits")
    waves = [wave for responses, _ in rooms for wave in responses]
    lengths = np.array([[len(wave) for wave in responses] for responses, _ in rooms], np.int64)
    decays = np.array([decay_s for _, decay_s in rooms])
    return RoomBank(rate, np.concatenate(waves).astype(np.float32), lengths, decays, told)
