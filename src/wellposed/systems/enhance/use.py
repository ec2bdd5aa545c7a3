"""Enhancing recordings: any rate, any number of channels, any length.

Promises: the output has exactly the input's shape; its level follows the input's; digital silence
stays digital silence; memory does not grow with the length of a stream. Each channel is processed
alone, as if the others did not exist.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from wellposed.data.audio import Waveform, require_finite
from wellposed.data.audio_stream import resampled
from wellposed.errors import DataError
from wellposed.systems.enhance.loading import find_weights, load_network, open_device
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.sweeps import Sweeps
from wellposed.systems.enhance.tape import Tape

WHOLE_S = 20.0
"""Recordings up to this length are processed at once."""
CHUNK_S = 10.0
"""Longer ones are swept in chunks of this length, with the same result. Measured, BSRNN-small, one
thread, seconds per second of audio and peak of the process: 5 s 0.023 and 312 MiB, 10 s 0.019 and
343 MiB, 30 s 0.028 and 459 MiB; 120 s at once 0.040 and 860 MiB."""
TOO_HIGH = 1e-4
"""Share of the power (-40 dB) beyond the model's band from which its loss is told; weaker rests
are left by any resampler and by dither."""
MOST_CHANNELS = 64
"""More channels than this, and than samples: the array is (time, channels) by mistake."""

logger = logging.getLogger(__name__)


class Enhancer:
    """A trained network in use: call it with a waveform and its rate, or stream through it."""

    def __init__(
        self, network: Bsrnn, *, name: str = "", notice: Callable[[str], None] = logger.warning
    ) -> None:
        """Use `network` where its weights are; `notice` is told once what a user should know."""
        self.network, self.name, self.notice = network, name, notice
        self.rate = network.rate
        self._told_band = False

    @classmethod
    def load(cls, model: Path | str | None = None, device: str = "cpu") -> "Enhancer":
        """Load a weights file, the best of a run folder, a shipped name, or what is shipped.

        Raises CheckpointError (no such weights, damaged, of another system), RecipeError (no
        such device).
        """
        path = find_weights(model)
        return cls(load_network(path, open_device(device)), name=str(path))

    def __call__(self, waveform: ArrayLike, rate: int) -> Waveform:
        """Enhance (channels, time) or (time,), full scale 1.0, at `rate` [Hz].

        Returns float32 of the same shape. Sound above half the network's rate is not in the
        output. Raises DataError: no samples, NaN or infinite samples, integers, a wrong shape.
        """
        given = np.asarray(waveform)
        samples = _checked(given, rate)
        blocks = list(self.stream([samples], rate, samples.shape[1]))
        return np.concatenate(blocks, axis=1).reshape(given.shape)

    def stream(
        self,
        blocks: Iterable[Waveform],
        rate: int,
        samples: int,
        advance: Callable[[float], None] | None = None,
    ) -> Iterator[Waveform]:
        """Enhance finite blocks (channels, time) of `samples` in all; as many come out.

        All of the input is read before the first block comes out; what is longer than memory
        waits in temporary files. `advance` is told the share of the work that is done, 0 to 1.
        Raises DataError (samples so loud that float32 overflows), RunError (no disk space).
        """
        count = -(-samples * self.rate // rate)
        band = _Band(rate, self.rate)
        low = band.after(resampled(band.before(blocks), rate, self.rate, count))
        short = count <= WHOLE_S * self.rate
        done = self._at_once(low) if short else self._swept(low, count, advance or _ignore)
        yield from resampled(done, self.rate, rate, samples)
        self._tell_band(band, rate)

    def _at_once(self, blocks: Iterable[Waveform]) -> Iterator[Waveform]:
        waveform = np.concatenate(list(blocks), axis=1)
        device = next(self.network.parameters()).device
        done = np.empty_like(waveform)
        # One channel after the other: on a CPU (one thread, measured) a batch of two takes 1.4
        # times as long per second of audio as a batch of one, which fits the caches.
        with torch.inference_mode():
            for row, target in zip(waveform, done, strict=True):
                noisy = torch.from_numpy(np.ascontiguousarray(row, np.float32)[None])
                target[:] = self.network(noisy.to(device))[0].cpu().numpy()
        yield _finite(done)

    def _swept(
        self, blocks: Iterable[Waveform], count: int, advance: Callable[[float], None]
    ) -> Iterator[Waveform]:
        chunk = math.ceil(CHUNK_S * self.rate / self.network.stft.hop)
        sweeps = Sweeps(self.network, count, chunk)
        with ExitStack() as stack:
            source = iter(blocks)
            start = next(source)
            channels, written = len(start), 0
            audio = stack.enter_context(Tape((channels,)))
            for block in chain([start], source):
                audio.write(written, block.T)
                written += block.shape[1]
            ticks = iter(range(1, sweeps.ticks * channels + 1))
            for channel in range(channels):
                sweeps.run(audio, channel, lambda: advance(next(ticks) / (sweeps.ticks * channels)))
            step = chunk * self.network.stft.hop
            for first in range(0, count, step):
                yield _finite(audio.read(first, min(step, count - first)).T)

    def _tell_band(self, band: "_Band", rate: int) -> None:
        if self._told_band or band.share_above() < TOO_HIGH:
            return
        self._told_band = True
        level_db, top_khz = 10 * math.log10(band.share_above()), self.rate / 2000
        self.notice(
            f"input at {rate} Hz has sound above {top_khz:g} kHz ({level_db:.0f} dB of its power); "
            f"the output is band-limited to {top_khz:g} kHz, as these weights are (said once)"
        )


class _Band:
    """Compares the power of a stream before and after it is resampled to a lower rate."""

    def __init__(self, rate: int, low_rate: int) -> None:
        self.rates = (rate, low_rate)
        self.energy = [0.0, 0.0]

    def before(self, blocks: Iterable[Waveform]) -> Iterator[Waveform]:
        return self._through(blocks, 0)

    def after(self, blocks: Iterable[Waveform]) -> Iterator[Waveform]:
        return self._through(blocks, 1)

    def _through(self, blocks: Iterable[Waveform], side: int) -> Iterator[Waveform]:
        for block in blocks:
            self.energy[side] += float(np.square(block, dtype=np.float64).sum()) / self.rates[side]
            yield block

    def share_above(self) -> float:
        """Share of the power that the lower rate has lost; 0 where no rate is lowered."""
        whole, kept = self.energy
        if self.rates[1] >= self.rates[0] or whole == 0.0:
            return 0.0
        return max(0.0, 1.0 - kept / whole)


def _finite(estimate: NDArray[np.float32]) -> Waveform:
    if not np.isfinite(estimate).all():
        raise DataError(
            "the network's output is not finite: the input is so loud that float32 overflows "
            "(full scale is 1.0); scale it down"
        )
    return estimate


def _ignore(share: float) -> None:
    """Nobody looks at the progress."""


def _checked(given: NDArray[np.generic], rate: int) -> Waveform:
    """Return (channels, time) float32. Raises DataError as `Enhancer.__call__` says."""
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
