"""Where microphones are, from a small YAML file, and what such an array cannot tell apart.

positions_m:            # one row a channel, in the order of the channels of the file
  - [-0.05, -0.05, 0]
  - ...
up: z                   # rows are x right, y forward, z up; without it x right, y up, z forward
speed_of_sound: 343     # [m/s]; 343 if it is left out: dry air of 20 degrees Celsius
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from wellposed.engine.recipe import no_yaml
from wellposed.errors import DataError

SPEED_OF_SOUND = 343.0
"""In dry air of 20 degrees Celsius [m/s]; half a degree Celsius changes it by a thousandth."""
KEYS = ("positions_m", "up", "speed_of_sound")
FLAT = 1e-6
"""A direction in which an array extends less than this share of its largest extent is none: a
micrometre for a metre."""


@dataclass(frozen=True)
class Microphones:
    """An array of microphones, in the axes of `dsp.arrays`."""

    positions: Tensor
    """`(channels, 3)` [m], float64: x right, y up, z forward"""
    speed: float
    """Of sound [m/s]"""

    @classmethod
    def read(cls, path: Path) -> "Microphones":
        """Read a file. Raises DataError: no such file, no YAML, or no array."""
        try:
            tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            said = getattr(error, "strerror", None) or error
            raise DataError(f"{path}: cannot be read: {said}; check the path") from None
        except yaml.YAMLError as error:
            raise DataError(f"{path}: {no_yaml(error)}") from None
        if not isinstance(tree, dict) or "positions_m" not in tree:
            raise DataError(
                f"{path}: wanted `positions_m:` with a row [x, y, z] in metres for every channel"
            )
        if unknown := sorted(set(tree) - set(KEYS)):
            raise DataError(f"{path}: unknown key {unknown[0]}; known: {', '.join(KEYS)}")
        return cls(_positions(path, tree), _speed(path, tree))

    @property
    def widest(self) -> float:
        """Largest distance of two microphones [m]."""
        return float(torch.cdist(self.positions, self.positions).max())

    def extents(self) -> tuple[int, Tensor]:
        """Dimensions that the array fills, and orthonormal axes `(3, 3)`, the longest first."""
        centred = self.positions - self.positions.mean(0)
        _, lengths, axes = torch.linalg.svd(centred, full_matrices=True)
        return int((lengths > FLAT * lengths[0]).sum()), axes

    def normal(self) -> Tensor | None:
        """Of a flat array, on the side that is told: up, else to the front, else to the right."""
        filled, axes = self.extents()
        if filled != 2:
            return None
        normal = axes[2]
        for part in (normal[1], normal[2], normal[0]):
            if abs(float(part)) > FLAT:
                return normal * part.sign()
        return normal


def _positions(path: Path, tree: dict[str, Any]) -> Tensor:
    rows = tree["positions_m"]
    good = isinstance(rows, list) and all(isinstance(r, list) and len(r) == 3 for r in rows)
    if not good or not all(_is_number(each) for row in rows for each in row):
        raise DataError(f"{path}: positions_m: wanted rows of three finite numbers [m]")
    positions = torch.tensor(rows, dtype=torch.float64).reshape(-1, 3)
    if len(positions) < 2:
        raise DataError(f"{path}: positions_m: {len(positions)} rows; one microphone hears no side")
    apart = torch.cdist(positions, positions) + torch.eye(len(positions))
    if float(apart.min()) == 0:
        first, second = (apart == 0).nonzero()[0].tolist()
        raise DataError(f"{path}: positions_m: channels {first} and {second} are at one place")
    up = tree.get("up", "y")
    if up not in ("y", "z"):
        raise DataError(f"{path}: up: found {up!r}, wanted y or z")
    return positions if up == "y" else positions[:, [0, 2, 1]]


def _speed(path: Path, tree: dict[str, Any]) -> float:
    speed = tree.get("speed_of_sound", SPEED_OF_SOUND)
    if not _is_number(speed) or speed <= 0:
        raise DataError(f"{path}: speed_of_sound: found {speed!r}, wanted metres per second")
    return float(speed)


def _is_number(value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value)
