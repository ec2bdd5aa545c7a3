"""The direction of wide-band sound at microphones: of a whole recording, and piece by piece.

Pieces are half a second long, about as long as a word. The direction of the recording is that of
all pieces together; how sure it is follows from drawing pieces again (a bootstrap over pieces,
since frames within one depend on each other).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wellposed.dsp.doa.wideband import Pairs, phases
from wellposed.dsp.stft import Stft
from wellposed.errors import DataError
from wellposed.systems.locate.microphones import Microphones
from wellposed.systems.locate.talk_search import Search
from wellposed.systems.locate.talk_voices import Voice, several

WINDOW_MS, HOPS = 64.0, 4
"""A window is long beside the way across the array, and short beside a syllable."""
TO_THE_WINDOW = 1 / 8
"""Largest share of the window that the way across the array may take: a later sensor then hears
at least 7/8 of what an earlier one heard in the same window."""
REDRAWN = 400
"""Bootstrap draws: the ends of a 95 % interval are then the tenth from either side."""
FEW = 5
"""Pieces below which no interval is told, as for scores (`intervals.FEW`)."""


@dataclass(frozen=True)
class Heard:
    """A direction, and how well microphones agree on it."""

    azimuth: float
    """[rad]"""
    elevation: float
    """[rad]"""
    agreement: float
    """Mean cosine of the phases that are left: 1 if all pairs agree at all frequencies, 0 for
    chance"""


@dataclass(frozen=True)
class Piece:
    """One piece of the recording."""

    seconds: float
    """Its middle."""
    level_db: float
    """Mean power of all channels, re full scale; -inf for digital silence"""
    heard: Heard | None
    """None where it is silent"""


@dataclass(frozen=True)
class Talk:
    """What a recording holds."""

    heard: Heard
    deviations: tuple[float, float]
    """Standard deviations of azimuth and elevation [rad]; NaN where pieces are too few"""
    interval: tuple[tuple[float, float], tuple[float, float]]
    """95 % intervals of azimuth and elevation [rad], NaN likewise"""
    pieces: tuple[Piece, ...]
    voices: tuple[Voice, ...]
    """Directions at once, the strongest first; none where there is no more than one"""
    free: tuple[bool, bool]
    """Whether azimuth and elevation were searched"""
    notes: tuple[str, ...]
    """What this array cannot tell"""


def locate_talk(
    sound: NDArray[np.float32], rate: int, microphones: Microphones, every: float = 0.5
) -> Talk:
    """Find the direction that a recording `(channels, time)` comes from, and that of its pieces.

    Raises DataError: another number of channels than positions, too short, or silent.
    """
    stft, piece = _analysis(sound, rate, microphones, every)
    pairs = Pairs.of(microphones.positions)
    wavenumbers = _wavenumbers(stft, microphones.speed)
    crossed, weights, levels = _crossed(sound, stft, pairs, piece)
    if float(weights.sum()) == 0:
        raise DataError("the recording is silent in every channel or pair: nothing to locate")
    search = Search.of(microphones, pairs, wavenumbers)
    given = torch.cat([crossed.sum(0, keepdim=True), crossed])
    angles = search.best(given)
    size = torch.cat([weights.sum()[None], weights]) * len(wavenumbers)
    agreement = search.heights(given, angles) / torch.where(size > 0, size, 1)
    heard = [
        Heard(row[0], row[1], share)
        for row, share in zip(angles.tolist(), agreement.tolist(), strict=True)
    ]
    draws = _draws(len(crossed)) if len(crossed) >= FEW else None
    drawn = None if draws is None else _redrawn(search, crossed, angles[0], draws)
    deviations, interval = _spread(angles[0], drawn)
    voices = several(search, crossed, angles[0], float(weights.sum()), draws)
    pieces = tuple(
        Piece(
            (number + 0.5) * piece * stft.hop / rate,
            level,
            heard[number + 1] if float(weights[number]) > 0 else None,
        )
        for number, level in enumerate(levels.tolist())
    )
    free = bool(search.free[0]), bool(search.free[1])
    return Talk(heard[0], deviations, interval, pieces, voices, free, search.notes)


def _analysis(
    sound: NDArray[np.float32], rate: int, microphones: Microphones, every: float
) -> tuple[Stft, int]:
    """The transform, and the frames of a piece."""
    channels, time = sound.shape
    if channels != len(microphones.positions):
        raise DataError(
            f"{channels} channels and {len(microphones.positions)} positions: want one row of "
            "positions_m for every channel, in their order"
        )
    window = WINDOW_MS
    while microphones.widest / microphones.speed > TO_THE_WINDOW * window / 1000:
        window *= 2
    stft = Stft.of_duration(rate, window, window / HOPS)
    if time < stft.window:
        raise DataError(
            f"{time / rate:.3f} s of sound: want at least one window of {stft.window / rate:.3f} s"
        )
    frames = (time - stft.window) // stft.hop + 1
    return stft, max(1, min(frames, round(every * rate / stft.hop)))


def _wavenumbers(stft: Stft, speed: float) -> Tensor:
    """Of all bins but 0 Hz and the Nyquist rate, which have no phase [rad/m]."""
    hertz = torch.arange(1, stft.window // 2, dtype=torch.float64) * stft.bin_hz
    return 2 * math.pi * hertz / speed


def _crossed(
    sound: NDArray[np.float32], stft: Stft, pairs: Pairs, piece: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Sums over frames of each piece `(pieces, pairs, bins)`, their weights, levels [dB].

    A frame counts by its amplitude: what is heard in pauses moves nothing. No frame reaches over
    an end of the sound, where a cut that is no delay would be common to all channels.
    """
    made, weights, levels = [], [], []
    for frames in _framed(sound, stft, piece):
        power = frames.square().mean((0, 2))
        spectra = torch.fft.rfft(frames * stft.analysis_window(frames))[..., 1 : stft.window // 2]
        amplitude = power.sqrt()
        cross = phases(spectra, pairs)
        made.append((cross * amplitude[:, None]).sum(1))
        # A bin of digital silence has no phase, and counts nothing.
        weights.append((cross.abs().mean((0, 2)) * amplitude).sum())
        level = float(power.mean())
        levels.append(10 * math.log10(level) if level > 0 else -math.inf)
    return torch.stack(made), torch.stack(weights), torch.tensor(levels)


def _framed(sound: NDArray[np.float32], stft: Stft, piece: int) -> Iterator[Tensor]:
    """Frames of one piece after the other, `(channels, frames, window)`, float64."""
    count = (sound.shape[1] - stft.window) // stft.hop + 1
    for first in range(0, count - count % piece or count, piece):
        last = min(first + piece, count)
        samples = sound[:, first * stft.hop : (last - 1) * stft.hop + stft.window]
        yield torch.from_numpy(samples.astype(np.float64)).unfold(-1, stft.window, stft.hop)


def _draws(count: int) -> Tensor:
    """How often each piece was drawn `(REDRAWN, count)`, float64."""
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), REDRAWN)
    return torch.from_numpy(draws).double()


def _redrawn(search: Search, crossed: Tensor, whole: Tensor, draws: Tensor) -> Tensor:
    """Angles `(REDRAWN, 2)` of pieces that were drawn again."""
    found = []
    for part in draws.split(50):
        again = (part.to(crossed.dtype) @ crossed.flatten(1)).unflatten(1, crossed.shape[1:])
        found.append(search.climbed(again, whole.expand(len(part), 2).contiguous()))
    return torch.cat(found)


def _spread(
    whole: Tensor, drawn: Tensor | None
) -> tuple[tuple[float, float], tuple[tuple[float, float], tuple[float, float]]]:
    nothing = (math.nan, math.nan)
    if drawn is None:
        return nothing, (nothing, nothing)
    # Azimuths close on themselves: differences within half a turn.
    apart = torch.remainder(drawn - whole + math.pi, 2 * math.pi) - math.pi
    ends = torch.quantile(apart, torch.tensor([0.025, 0.975]).double(), dim=0) + whole
    sd = apart.std(0)
    return (float(sd[0]), float(sd[1])), (
        (float(ends[0, 0]), float(ends[1, 0])),
        (float(ends[0, 1]), float(ends[1, 1])),
    )
