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

from wellposed.dsp.arrays.geometry import direction
from wellposed.dsp.doa.peaks import peaks
from wellposed.dsp.doa.wideband import Pairs, climb, phases, scanned, steered
from wellposed.dsp.stft import Stft
from wellposed.errors import DataError
from wellposed.systems.locate.microphones import Microphones

WINDOW_MS, HOPS = 64.0, 4
"""A window is long beside the way across the array, and short beside a syllable."""
TO_THE_WINDOW = 1 / 8
"""Largest share of the window that the way across the array may take: a later sensor then hears
at least 7/8 of what an earlier one heard in the same window."""
REDRAWN = 400
"""Bootstrap draws: the ends of a 95 % interval are then the tenth from either side."""
FEW = 5
"""Pieces below which no interval is told, as for scores (`intervals.FEW`)."""
UPRIGHT = 1e-6
"""A line whose horizontal part is a smaller share of it stands upright."""
STARTS = 3
"""Highest points of the grid that are climbed from: the right one may not be the highest."""
GRID_DEG = 5.0
"""Of the first search; the response's main lobe at 4 kHz is 20 degrees wide for 25 cm, and a climb
follows. Arrays that are larger get a finer one."""


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
    search = _Search.of(microphones, pairs, wavenumbers)
    given = torch.cat([crossed.sum(0, keepdim=True), crossed])
    angles = search.best(given)
    size = torch.cat([weights.sum()[None], weights]) * len(wavenumbers)
    agreement = search.heights(given, angles) / torch.where(size > 0, size, 1)
    heard = [
        Heard(row[0], row[1], share)
        for row, share in zip(angles.tolist(), agreement.tolist(), strict=True)
    ]
    drawn = _redrawn(search, crossed, angles[0]) if len(crossed) >= FEW else None
    deviations, interval = _spread(angles[0], drawn)
    pieces = tuple(
        Piece(
            (number + 0.5) * piece * stft.hop / rate,
            level,
            heard[number + 1] if float(weights[number]) > 0 else None,
        )
        for number, level in enumerate(levels.tolist())
    )
    free = bool(search.free[0]), bool(search.free[1])
    return Talk(heard[0], deviations, interval, pieces, free, search.notes)


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


@dataclass(frozen=True)
class _Search:
    """Where directions are looked for, with one array."""

    pairs: Pairs
    wavenumbers: Tensor
    grid: Tensor
    """`(azimuths, elevations, 2)`"""
    free: Tensor
    normal: Tensor | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, microphones: Microphones, pairs: Pairs, wavenumbers: Tensor) -> "_Search":
        """Look at the whole sphere, or at the part that the array can tell."""
        filled, axes = microphones.extents()
        step = math.radians(GRID_DEG) * min(1.0, 0.25 / microphones.widest)
        around = torch.linspace(-math.pi, math.pi, math.ceil(2 * math.pi / step) + 1).double()[:-1]
        above = torch.linspace(-math.pi / 2, math.pi / 2, math.ceil(math.pi / step) + 1).double()
        free = torch.tensor([True, True])
        notes: tuple[str, ...] = ()
        normal = microphones.normal()
        if filled == 1:
            around, above, free = _beside(axes[0], around, above)
            notes = (
                "the microphones lie on a line: only the angle to it is heard. Told is the "
                "direction in front, in the plane of zero elevation",
            )
        elif normal is not None:
            side = ", ".join(f"{float(each) + 0.0:.2f}" for each in normal)
            notes = (
                "the microphones lie in a plane, and both of its sides sound alike. Told is the "
                f"side of ({side}): right, up, forward",
            )
        grid = torch.stack(torch.meshgrid(around, above, indexing="ij"), -1)
        return cls(pairs, wavenumbers, grid, free, normal, notes)

    def best(self, crossed: Tensor) -> Tensor:
        """Angles `(n, 2)` of the highest responses of each `(n, pairs, bins)`: grid, then climb."""
        angles = self.grid.flatten(0, 1)
        response = scanned(crossed, self.pairs, self.wavenumbers, angles)
        if self.normal is not None:
            told = direction(angles[:, 0], angles[:, 1]) @ self.normal >= -1e-9
            response = torch.where(told, response, response.amin(-1, keepdim=True))
        starts = angles[peaks(response, self.grid.shape[:2], STARTS, wrapped=(0,)).index]
        found = torch.stack([self.climbed(crossed, each) for each in starts.unbind(1)], 1)
        heights = torch.stack([self.heights(crossed, each) for each in found.unbind(1)], 1)
        chosen = heights.argmax(1)[:, None, None].expand(-1, 1, 2)
        return found.gather(1, chosen)[:, 0]

    def heights(self, crossed: Tensor, angles: Tensor) -> Tensor:
        """Response `(n,)` of each `(n, pairs, bins)` at its own angles `(n, 2)`."""
        return steered(crossed, self.pairs, self.wavenumbers, angles[:, None])[:, 0]

    def climbed(self, crossed: Tensor, start: Tensor) -> Tensor:
        """Angles `(n, 2)` beside `start`, on the side that is told."""
        found = climb(crossed, self.pairs, self.wavenumbers, start, free=self.free)
        unit = direction(found[:, 0], found[:, 1])
        if self.normal is not None:
            beyond = (unit @ self.normal).clamp(max=0)[:, None]
            unit = unit - 2 * beyond * self.normal
        kept = torch.stack(
            [torch.atan2(unit[:, 0], unit[:, 2]), unit[:, 1].clamp(-1, 1).asin()], -1
        )
        return torch.where(self.free, kept, start) if not bool(self.free.all()) else kept


def _beside(axis: Tensor, around: Tensor, above: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The half circle of directions that a line of microphones tells apart."""
    if float(axis[[0, 2]].norm()) < UPRIGHT:
        return torch.zeros(1).double(), above, torch.tensor([False, True])
    along = math.atan2(float(axis[0]), float(axis[2]))
    # One of the two halves that begin at the line holds the front.
    begin = along if math.sin(-along) > 0 else along + math.pi
    half = begin + torch.linspace(0, math.pi, len(around) // 2 + 1).double()
    half = torch.atan2(half.sin(), half.cos())
    return half, torch.zeros(1).double(), torch.tensor([True, False])


def _redrawn(search: _Search, crossed: Tensor, whole: Tensor) -> Tensor:
    """Angles `(REDRAWN, 2)` of pieces that were drawn again."""
    count = len(crossed)
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), REDRAWN)
    weights = torch.from_numpy(draws).to(crossed.dtype)
    found = []
    for part in weights.split(50):
        again = (part @ crossed.flatten(1)).unflatten(1, crossed.shape[1:])
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
