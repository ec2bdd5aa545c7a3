"""A causal network on a signal that comes in: chunks of any size in, what is ready out.

Promises: all that was put out, flush included, has the input's length and is what the network makes
of the whole, whatever the chunks were (differences are rounding: below 1e-5 of full scale, held by
tests); nothing is shifted, so the output starts later than the input by the latency; digital
silence stays digital silence; memory does not grow.
"""

from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from wellposed.data.audio import Waveform
from wellposed.data.audio_stream import RateStream
from wellposed.errors import DataError

FRAMES = 64
"""Most frames that are worked on at once: bounds the memory of a push of any size."""
_LONGEST_LULL_S = 2.0
"""How long the resamplers are watched for their longest wait. Measured from 8 to 192 kHz, to and
from 16 kHz: it came within the first 1.3 s."""

State = dict[str, Tensor]


class Walker(Protocol):
    """What works on whole hops: `(rows, hops * hop)` in, as many samples out, later by `delay`."""

    rate: int
    """Sample rate [Hz]."""
    hop: int
    delay: int

    @property
    def loudest(self) -> float:
        """Largest sample that float32 bears."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it works."""
        ...

    def rest(self, batch: int) -> State:
        """State before the first sample of `batch` signals."""
        ...

    def __call__(self, samples: Tensor, state: State) -> tuple[Tensor, State]:
        """Work on the next hops, at least one."""
        ...


class LiveStream:
    """A walk over a live signal: `push` chunks, `flush` at the end.

    A stream belongs to one signal; its channels are worked on as if each were alone. After `flush`
    or `reset` a new signal may begin.
    """

    def __init__(self, walk: Walker, rate: int | None, channels: int | None) -> None:
        """Stream at `rate` [Hz], None for the walk's own, in chunks of (channels, time).

        Without `channels` chunks are (time,). Raises DataError: a rate or number of channels below
        one.
        """
        self.rate = walk.rate if rate is None else rate
        self.channels = channels
        for name, value in (("rate", self.rate), ("number of channels", channels)):
            if value is not None and value < 1:
                raise DataError(f"{name} of {value}: wanted at least 1")
        self._walk = walk
        self.reset()

    def reset(self) -> None:
        """Forget the signal; the next chunk is the first of another."""
        rows, low = self.channels or 1, self._walk.rate
        self._into = RateStream(self.rate, low, rows)
        self._outof = RateStream(low, self.rate, rows)
        self._state: State = self._walk.rest(rows)
        self._waiting = np.zeros((rows, 0), np.float32)
        self._early = self._walk.delay  # of the network's output lies before the first sample
        # Samples taken and given at the stream's rate, and made at the network's.
        self._taken = self._given = self._made = 0

    def push(self, chunk: ArrayLike) -> Waveform:
        """Take floating-point samples, full scale 1.0, any number; give those that are ready.

        Raises DataError for NaN or infinite samples, or so loud ones that float32 overflows,
        integers, or a wrong shape; the stream is then as if the chunk had not come.
        """
        samples = self._checked(np.asarray(chunk))
        made = self._worked(self._into.push(samples))
        self._taken += samples.shape[1]
        self._made += made.shape[1]
        return self._told(self._outof.push(made))

    def flush(self) -> Waveform:
        """Give what is left, so that as many samples have come out as went in, and reset."""
        count = -(-self._taken * self._walk.rate // self.rate)
        known = self._made + self._walk.delay - self._early + self._waiting.shape[1]
        last = _fitted(self._into.flush(), count - known)
        silence = np.zeros((len(last), self._walk.delay + self._walk.hop), np.float32)
        made = self._worked(np.concatenate((last, silence), axis=1))
        made = self._outof.push(_fitted(made, count - self._made))
        rest = np.concatenate((made, self._outof.flush()), axis=1)
        told = self._told(_fitted(rest, self._taken - self._given))
        self.reset()
        return told

    @cached_property
    def latency_samples(self) -> int:
        """Samples that come in after a sample before it is put out, at most, at `rate`.

        At the network's rate, a window less one sample. At others the resamplers wait as well; how
        long is soxr's affair, and found by watching them.
        """
        low = self._walk.rate
        if self.rate == low:
            return self._walk.delay + self._walk.hop - 1
        into, outof = RateStream(self.rate, low, 1), RateStream(low, self.rate, 1)
        one, hop, delay = np.zeros((1, 1), np.float32), self._walk.hop, self._walk.delay
        heard = made = out = worst = 0
        for taken in range(round(_LONGEST_LULL_S * self.rate)):
            worst = max(worst, taken - out)
            heard += into.push(one).shape[1]
            ready = max(0, heard // hop * hop - delay)
            out += outof.push(np.zeros((1, ready - made), np.float32)).shape[1]
            made = ready
        return worst

    @property
    def latency_ms(self) -> float:
        """Longest time from a sample's coming in to its coming out, computing time aside [ms]."""
        return 1000 * self.latency_samples / self.rate

    @torch.inference_mode()
    def _worked(self, low: Waveform) -> Waveform:
        """Work at the network's rate as many whole hops as there are; keep the rest."""
        hop = self._walk.hop
        known = np.concatenate((self._waiting, low), axis=1)
        whole = known.shape[1] // hop * hop
        state, made = self._state, [known[:, :0]]
        for start in range(0, whole, FRAMES * hop):
            block = np.ascontiguousarray(known[:, start : min(start + FRAMES * hop, whole)])
            out, state = self._walk(torch.from_numpy(block).to(self._walk.device), state)
            made.append(out.cpu().numpy())
        done = np.concatenate(made, axis=1)
        if not np.isfinite(done).all():
            raise DataError(
                "the network's output is not finite: the input is so loud that float32 overflows "
                "(full scale is 1.0); scale it down"
            )
        self._state, self._waiting = state, known[:, whole:]
        early = min(self._early, done.shape[1])
        self._early -= early
        return done[:, early:]

    def _checked(self, given: NDArray[np.generic]) -> Waveform:
        wanted = "(time,)" if self.channels is None else f"({self.channels}, time)"
        if given.ndim != (1 if self.channels is None else 2) or (
            self.channels not in (None, given.shape[0])
        ):
            raise DataError(f"a chunk of shape {given.shape}: this stream takes {wanted}")
        if given.size and not np.issubdtype(given.dtype, np.floating):
            raise DataError(
                f"a chunk of {given.dtype}: wanted floating-point samples with full scale 1.0; "
                "divide int16 by 32768"
            )
        rows = given.reshape(self.channels or 1, -1)
        good = np.abs(rows) <= self._walk.loudest
        if not good.all():
            at = (self._taken + int(np.argmin(good.all(axis=0)))) / self.rate
            raise DataError(
                f"{int(good.size - good.sum())} of the {good.size} samples of a chunk are NaN, "
                f"infinite or beyond {self._walk.loudest:.0e} (full scale is 1.0), the first at "
                f"{at:.3f} s of the stream. The chunk was not taken; push a sound one in its place."
            )
        return rows.astype(np.float32)

    def _told(self, made: Waveform) -> Waveform:
        self._given += made.shape[1]
        return np.ascontiguousarray(made[0] if self.channels is None else made)


def _fitted(block: Waveform, length: int) -> Waveform:
    """Cut or lengthen (channels, time) to `length` samples, by zeros."""
    length = max(0, length)
    return np.pad(block[:, :length], ((0, 0), (0, max(0, length - block.shape[1]))))
