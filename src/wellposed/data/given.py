"""Waveforms as a user hands them over, and what is told of them."""

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from wellposed.data.audio import Waveform, require_finite
from wellposed.data.audio_stream import resampled
from wellposed.errors import DataError

MOST_CHANNELS = 64
"""More channels than this, and than samples: the array is (time, channels) by mistake."""

TOO_HIGH = 1e-4
"""Share of the power (-40 dB) beyond the lower band from which its loss is told; weaker rests are
left by any resampler and by dither."""


def checked(given: NDArray[np.generic], rate: int) -> Waveform:
    """Return (channels, time) float32 of a waveform (time,) or (channels, time).

    Raises DataError: no samples, NaN or infinite samples, integers, a wrong shape or rate.
    """
    if rate < 1:
        raise DataError(f"rate of {rate} Hz: wanted the number of samples per second")
    if given.ndim not in (1, 2) or given.size == 0:
        raise DataError(
            f"a waveform of shape {given.shape}: wanted (time,) or (channels, time) with at least "
            "one sample"
        )
    if not np.issubdtype(given.dtype, np.floating):
        raise DataError(
            f"a waveform of {given.dtype}: wanted floating-point samples with full scale 1.0; "
            "divide int16 by 32768"
        )
    if given.ndim == 2 and given.shape[0] > max(MOST_CHANNELS, given.shape[1]):
        raise DataError(
            f"a waveform of shape {given.shape} would have {given.shape[0]} channels; wanted "
            "(channels, time): transpose it"
        )
    with np.errstate(over="ignore"):  # what overflows is infinite, and is told as such
        samples = np.atleast_2d(given).astype(np.float32)
    require_finite("waveform", samples, 0, rate)
    return samples


def finite(estimate: NDArray[np.float32]) -> Waveform:
    """Return what a network made. Raises DataError: it is not finite."""
    if not np.isfinite(estimate).all():
        raise DataError(
            "the network's output is not finite: the input is so loud that float32 overflows "
            "(full scale is 1.0); scale it down"
        )
    return estimate


class Band:
    """Compares the power of a stream before and after it is resampled to a lower rate."""

    def __init__(self, rate: int, low_rate: int) -> None:
        """Prepare for a stream at `rate` that becomes one at `low_rate` [Hz]."""
        self.rates = (rate, low_rate)
        self.energy = [0.0, 0.0]

    def around(
        self,
        blocks: Iterable[Waveform],
        samples: int,
        work: Callable[[Iterator[Waveform], int], Iterator[Waveform]],
    ) -> Iterator[Waveform]:
        """Pass blocks of `samples` in all through `work` at the lower rate; as many come out.

        `work` takes blocks at that rate, and how many samples they are in all.
        """
        rate, own = self.rates
        count = -(-samples * own // rate)
        low = self.after(resampled(self.before(blocks), rate, own, count))
        yield from resampled(work(low, count), own, rate, samples)

    def before(self, blocks: Iterable[Waveform]) -> Iterator[Waveform]:
        """Pass blocks on that are not yet resampled."""
        return self._through(blocks, 0)

    def after(self, blocks: Iterable[Waveform]) -> Iterator[Waveform]:
        """Pass blocks on that are resampled."""
        return self._through(blocks, 1)

    def _through(self, blocks: Iterable[Waveform], side: int) -> Iterator[Waveform]:
        for block in blocks:
            self.energy[side] += float(np.square(block, dtype=np.float64).sum()) / self.rates[side]
            yield block

    def loss(self) -> str | None:
        """Say what the lower rate has lost, if it is more than a resampler or dither leaves."""
        share = self.share_above()
        if share < TOO_HIGH:
            return None
        level_db, top_khz = 10 * math.log10(share), self.rates[1] / 2000
        return (
            f"input at {self.rates[0]} Hz has sound above {top_khz:g} kHz ({level_db:.0f} dB of "
            f"its power); the output is band-limited to {top_khz:g} kHz, as these weights are "
            "(said once)"
        )

    def share_above(self) -> float:
        """Share of the power that the lower rate has lost; 0 where no rate is lowered."""
        whole, kept = self.energy
        if self.rates[1] >= self.rates[0] or whole == 0.0:
            return 0.0
        return max(0.0, 1.0 - kept / whole)
