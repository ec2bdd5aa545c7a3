"""Shoebox rooms by the image-source method of pyroomacoustics, an optional package."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from wellposed.data.keyed import generator
from wellposed.data.mixing import Wave
from wellposed.data.roombank import RoomBank, bank_of
from wellposed.data.rooms import DECAY_S
from wellposed.errors import DataError

SIZES_M = ((3.0, 8.0), (3.0, 6.0), (2.4, 3.5))
"""Length, width and height, uniform [m]: small rooms to class rooms."""
DISTANCES_M = (0.3, 2.5)
"""Voice to listener, uniform [m]: a telephone held away to across a table."""
WALL_M = 0.2
"""Nobody stands nearer to a wall [m]."""
HEAD_M = (1.0, 1.9)
"""Height of mouths and of the listener [m], sitting or standing."""
ORDER = 40
"""Most reflections of a path. A room that would need more for its decay takes the next draw:
full orders take seconds a room and gigabytes of images."""
DRAWS = 1000
NEAR_S = 0.001
"""Around the geometric delay the direct sound is looked for [s]."""


def simulate(
    rate: int, rooms: int, places: int, seed: int, advance: Callable[[float], None] | None = None
) -> RoomBank:
    """Simulate a bank; the same arguments and version give the same one.

    Raises DataError: pyroomacoustics is not installed, too few rooms.
    """
    simulator = _simulator()
    made: list[tuple[list[Wave], float]] = []
    for number in range(rooms):
        made.append(_room(simulator, rate, places, generator(seed, "room bank", number)))
        if advance is not None:
            advance((number + 1) / rooms)
    told = {
        "simulator": f"pyroomacoustics {simulator.__version__}, image sources, order {ORDER}",
        "seed": seed,
        "places": places,
    }
    return bank_of(rate, made, told)


def _simulator() -> Any:
    try:
        return import_module("pyroomacoustics")
    except ImportError:
        raise DataError(
            "rooms are simulated by pyroomacoustics, which is not installed: "
            "pip install 'wellposed[rooms]'. Without a bank scenes have computed rooms"
        ) from None


def _room(
    simulator: Any, rate: int, places: int, rng: np.random.Generator
) -> tuple[list[Wave], float]:
    """Responses from `places` voices to one listener, and the reverberation time asked for."""
    for _ in range(DRAWS):
        size = np.array([rng.uniform(*span) for span in SIZES_M])
        decay_s = float(rng.uniform(*DECAY_S))
        try:
            absorption, order = simulator.inverse_sabine(decay_s, size)
        except ValueError:  # no wall absorbs so much
            continue
        if order <= ORDER:
            break
    else:
        raise DataError(f"of {DRAWS} rooms none could have its reverberation time")
    listener = np.array([*rng.uniform(WALL_M, size[:2] - WALL_M), rng.uniform(*HEAD_M)])
    box = simulator.ShoeBox(
        size, fs=rate, materials=simulator.Material(absorption), max_order=order
    )
    box.add_microphone(listener)
    spots = [_spot(listener, size, rng) for _ in range(places)]
    for spot in spots:
        box.add_source(spot)
    box.compute_rir()
    lag = simulator.constants.get("frac_delay_length") // 2
    speed = simulator.constants.get("c")
    delays = [lag + rate * np.linalg.norm(spot - listener) / speed for spot in spots]
    return [
        _from_direct(np.asarray(box.rir[0][k]), delay, rate) for k, delay in enumerate(delays)
    ], decay_s


def _spot(
    listener: np.ndarray[Any, Any], size: np.ndarray[Any, Any], rng: np.random.Generator
) -> np.ndarray[Any, Any]:
    """A place in the room at a drawn distance from the listener."""
    for _ in range(DRAWS):
        angle, height = rng.uniform(0, 2 * np.pi), rng.uniform(*HEAD_M)
        away = rng.uniform(*DISTANCES_M)
        flat = np.sqrt(max(away**2 - (height - listener[2]) ** 2, 0.0))
        spot = np.array(
            [listener[0] + flat * np.cos(angle), listener[1] + flat * np.sin(angle), height]
        )
        inside = (spot[:2] > WALL_M).all() and (spot[:2] < size[:2] - WALL_M).all()
        if inside and np.linalg.norm(spot - listener) >= DISTANCES_M[0]:
            return spot
    raise DataError(f"of {DRAWS} places none was in the room of {size.round(2)} m")


def _from_direct(response: np.ndarray[Any, Any], delay: float, rate: int) -> Wave:
    """Cut so that the direct sound comes first, with gain one, and end at -60 dB of it."""
    near = max(1, round(NEAR_S * rate))
    first = max(0, int(delay) - near)
    at = first + int(np.argmax(np.abs(response[first : int(delay) + near + 1])))
    made = response[at:] / response[at]
    heard = np.flatnonzero(np.abs(made) >= 1e-3)
    return made[: heard[-1] + 1].astype(np.float32)
