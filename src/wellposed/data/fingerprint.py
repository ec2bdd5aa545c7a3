"""Whether two files hold the same recording, at any level, rate, codec and trimming.

The robust hash of Haitsma and Kalker, "A highly robust audio fingerprinting system" (ISMIR 2002):
every 12.8 ms 32 bits, each the sign of how the energy difference of two neighbouring bands
between 300 and 2000 Hz changes in time. Signs do not know the level, and that band survives every
usual rate and codec. Equal words in two files propose a time shift; at that shift the share of
differing bits (the bit error rate) over the whole overlap decides.

Not found: another speed or pitch, a piece shorter than `MIN_OVERLAP`, and content above 2 kHz only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

RATE = 5_000  # Hz, after resampling
HOP = 64  # samples, 12.8 ms
_FRAME = 2_048  # samples, 0.41 s: long, so that shifts by half a hop change few bits
_BANDS = 33
_LOW_HZ, _HIGH_HZ = 300.0, 2_000.0
MIN_OVERLAP = 96  # loud frames; with one frame's length 1.6 s of common sound
# A longer overlap matches when any stretch of this many loud frames (2.9 s) does, so a short
# piece inside two long recordings is found.
_STRETCH = 192
_RUNS = 1 << 10  # frames at once, bounds memory
# Frames below the loudest of a file by more than this are mostly rounding and codec noise.
_QUIET_DB = 50.0
# Measured (docs/data.md): over ALL shifts of 478 110 pairs of different recordings the smallest
# rate is 0.324; re-encoded, resampled, quieter or trimmed copies have a median of 0.00 to 0.07.
MAX_ERROR_RATE = 0.30
_NEIGHBOURS = 16  # equal words are paired with this many next ones, so the work stays linear
_SHIFTS = 3  # the most voted shifts of two files are verified


@dataclass(frozen=True)
class Fingerprint:
    """The words of one file."""

    words: NDArray[np.uint32]
    """(frames,)"""
    loud: NDArray[np.bool_]
    """(frames,) whether a frame has enough energy to be compared"""


@dataclass(frozen=True)
class Match:
    """Two files that share a recording."""

    first: int
    second: int
    shift_s: float
    """time in the first minus time in the second"""
    overlap_s: float
    """common loud sound"""
    error_rate: float
    """share of differing bits; 0.5 by chance"""


class Listener:
    """Takes a file block by block and gives its fingerprint; keeps 20 kB for each second."""

    def __init__(self, rate: int) -> None:
        self._resampler = soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="MQ")
        self._heard: list[NDArray[np.float32]] = []

    def add(self, mono: NDArray[np.float32]) -> None:
        """Hear the next (time,) samples."""
        self._heard.append(self._resampler.resample_chunk(mono))

    def finish(self) -> Fingerprint:
        """End the file. Files under 0.42 s give no words."""
        self._heard.append(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        return fingerprint(np.concatenate(self._heard))


def fingerprint(signal: NDArray[np.float32]) -> Fingerprint:
    """Hash (time,) samples at `RATE`."""
    if len(signal) < _FRAME + HOP:
        return Fingerprint(np.zeros(0, np.uint32), np.zeros(0, np.bool_))
    energy = np.concatenate(list(_band_energies(signal)))
    change = np.diff(energy[:, :-1] - energy[:, 1:], axis=0) > 0
    words = np.packbits(change, axis=1).view(np.uint32)[:, 0]
    total = energy.sum(axis=1)
    floor = total.max() * 10 ** (-_QUIET_DB / 10)
    # A bit compares two frames, so both must be loud.
    loud = np.minimum(total[1:], total[:-1]) > max(floor, 1e-20)
    return Fingerprint(words, loud)


def _band_energies(signal: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    window = np.hanning(_FRAME).astype(np.float32)
    edges = np.geomspace(_LOW_HZ, _HIGH_HZ, _BANDS + 1) * _FRAME / RATE
    bins = np.rint(edges).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(signal, _FRAME)[::HOP]
    for at in range(0, len(frames), _RUNS):
        spectrum = np.fft.rfft(frames[at : at + _RUNS] * window, axis=1)[:, : bins[-1]]
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        yield np.add.reduceat(power, bins[:-1], axis=1).astype(np.float32)


def find_matches(prints: Sequence[Fingerprint]) -> list[Match]:
    """Pairs of files that share a recording; time and memory linear in the total duration.

    Of many copies of one recording not every pair is named, but all are linked through others.
    """
    matches = []
    for first, second, shifts in _proposals(prints):
        tried = [_compare(prints, first, second, shift) for shift in shifts]
        best = min(tried, key=lambda match: match.error_rate)
        if best.error_rate < MAX_ERROR_RATE:
            matches.append(best)
    return matches


def _proposals(prints: Sequence[Fingerprint]) -> Iterator[tuple[int, int, list[int]]]:
    """Pairs of files with equal words, and the time shifts that most of these agree on."""
    lengths = [len(one.words) for one in prints]
    words = np.concatenate([one.words for one in prints] or [np.zeros(0, np.uint32)])
    files = np.repeat(np.arange(len(prints)), lengths)
    times = np.concatenate([np.arange(length) for length in lengths] or [np.zeros(0, np.intp)])
    fresh = np.concatenate([one.loud for one in prints] or [np.zeros(0, np.bool_)])
    # A steady tone repeats one word; the first of a run is enough to propose a shift.
    fresh[1:] &= (words[1:] != words[:-1]) | (files[1:] != files[:-1])
    words, files, times = words[fresh], files[fresh], times[fresh]
    order = np.argsort(words, kind="stable")  # stable: within a word by file, then by time
    words, files, times = words[order], files[order], times[order]
    found = []
    for step in range(1, _NEIGHBOURS + 1):
        same = (words[step:] == words[:-step]) & (files[step:] != files[:-step])
        at = np.flatnonzero(same)
        found.append(np.stack([files[at], files[at + step], times[at] - times[at + step]], axis=1))
    votes, counts = np.unique(np.concatenate(found), axis=0, return_counts=True)
    by_pair: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (first, second, shift), count in zip(votes.tolist(), counts.tolist(), strict=True):
        by_pair.setdefault((first, second), []).append((-count, shift))
    for (first, second), ranked in by_pair.items():
        yield first, second, [shift for _, shift in sorted(ranked)[:_SHIFTS]]


def _compare(prints: Sequence[Fingerprint], first: int, second: int, shift: int) -> Match:
    """Bit error rate when `second` starts `shift` frames into `first` (1.0: too little overlap)."""
    a, b = prints[first], prints[second]
    a_from, b_from = max(shift, 0), max(-shift, 0)
    length = min(len(a.words) - a_from, len(b.words) - b_from)
    both = a.loud[a_from : a_from + length] & b.loud[b_from : b_from + length]
    differing = a.words[a_from : a_from + length] ^ b.words[b_from : b_from + length]
    bits = np.unpackbits(np.ascontiguousarray(differing[both]).view(np.uint8))
    errors = bits.reshape(-1, 32).sum(axis=1, dtype=np.int64)
    rate = 1.0
    if len(errors) >= MIN_OVERLAP:
        stretch = min(len(errors), _STRETCH)
        total = np.concatenate([[0], np.cumsum(errors)])
        rate = float((total[stretch:] - total[:-stretch]).min()) / (32 * stretch)
    return Match(first, second, shift * HOP / RATE, len(errors) * HOP / RATE, rate)
