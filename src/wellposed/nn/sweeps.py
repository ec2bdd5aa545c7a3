"""Recordings of any length through the network: the result of processing at once, bounded memory.

Time paths that run both ways need the whole recording, and trained ones remember: pieces that are
joined after 8 s of context differ from the whole by -39 dB at a typical seam and by -24 dB at the
worst (measured, docs/enhance.md). So a recording is swept as a field is ploughed, to and fro. A
sweep carries the states of its direction from chunk to chunk. It completes the time path that
the sweep before began, goes on through the band path, and begins the next time path in its own
direction. Between sweeps the features wait on disk. A causal network is done after one sweep.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wellposed.dsp.stft import Stft
from wellposed.nn.bandsplit import BandSplit
from wellposed.nn.dualpath import Path, State, Way
from wellposed.nn.tape import Tape, require_space

Tick = Callable[[], None]


class Alone(Protocol):
    """A layer that needs no other frame: a path across bands, or a cue."""

    axis: str

    def __call__(self, x: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to the same shape."""
        ...


class Swept(Protocol):
    """A band-split network that filters a spectrum, as the sweeps need to know it."""

    stft: Stft
    split: BandSplit
    level_frames: int
    """Frames around one that its features depend on."""

    def features(self, spectrum: Tensor) -> Tensor:
        """Map a spectrum `(batch, frames, bins)` to what is split."""
        ...

    @property
    def taps(self) -> Callable[[Tensor], Tensor]:
        """Map features `(batch, frames, bands, features)` to taps `(batch, frames, bins, taps)`."""
        ...

    def filtered(self, spectrum: Tensor, taps: Tensor) -> Tensor:
        """Apply the taps."""
        ...


class Sweeps:
    """One channel of `samples` at the network's rate, worked through in chunks of frames."""

    def __init__(
        self, network: Swept, layers: Sequence[Path | Alone], samples: int, chunk: int
    ) -> None:
        """Prepare for chunks of `chunk` frames through `layers`, one time path at least."""
        self.network, self.samples, self.chunk = network, samples, chunk
        self.stft = network.stft
        self.frames = self.stft.frames(samples)
        self.device = network.split.weight.device
        self.layers = list(layers)
        self.timed = [each for each in self.layers if isinstance(each, Path) and _along(each)]
        self.bands = len(network.split.widths)

    @property
    def ticks(self) -> int:
        """How often `run` ticks."""
        both_ways = sum(path.bidirectional for path in self.timed)
        blocks = -(-self.samples // self.stft.hop)
        return (both_ways + 1) * -(-self.frames // self.chunk) + -(-blocks // self.chunk)

    def tapes(self, stack: ExitStack) -> tuple[Tape, Tape, Tape]:
        """Open tapes for the features, the half-done time path and the filtered spectrum.

        Raises RunError: they do not fit on the disk.
        """
        made = (
            Tape((self.bands, self.timed[0].norm.normalized_shape[0])),
            Tape((self.bands, self.timed[0].half_size)),
            Tape((self.stft.bins, 2)),
        )
        for tape in made:
            stack.enter_context(tape)
        require_space(self.frames * sum(tape.row_bytes for tape in made))
        return made

    @torch.inference_mode()
    def run(
        self,
        audio: Tape,
        channel: int,
        tick: Tick,
        done: Callable[[int, Tensor], None] | None = None,
    ) -> None:
        """Replace `channel` of `audio`, rows of one sample per channel, by the estimate.

        `done` is told the number of a first frame, and the features `(frames, bands, features)`
        that come out of the last layer from there on; chunks may come from the end.
        """
        with ExitStack() as stack:
            features, begun, spectrum = self.tapes(stack)
            at, direction = 0, 1
            while at < len(self.layers):
                work = _Sweep(self.layers, at, direction)
                for first, last in self._chunks(self.frames, direction):
                    if at == 0 and direction == 1:
                        x, half = self._split(audio, channel, first, last), None
                    else:
                        x = self._tensor(features.read(first, last - first))
                        half = self._tensor(begun.read(first, last - first))
                    x, half = work.through(x, half)
                    if half is None:
                        spectrum.write(first, self._filtered(audio, channel, first, last, x))
                        if done is not None:
                            done(first, x)
                    else:
                        features.write(first, x.cpu().numpy())
                        begun.write(first, half.cpu().numpy())
                    tick()
                at, direction = work.reached, -direction
            self._overlap_add(spectrum, audio, channel, tick)

    def _chunks(self, count: int, direction: int) -> Iterator[tuple[int, int]]:
        starts = range(0, count, self.chunk)[::direction]
        return ((first, min(first + self.chunk, count)) for first in starts)

    def _tensor(self, rows: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(rows).to(self.device)

    def _spectrum(
        self, audio: Tape, channel: int, first: int, last: int, margin: int
    ) -> tuple[Tensor, int]:
        """Spectrum (1, frames, bins) of a slice, and the number of its first frame.

        Frames `first - margin` to `last + margin` are those of the whole, as far as they exist;
        the others of the slice are not to be used.
        """
        hop = self.stft.hop
        lead = self.stft.window // hop - 1  # so many first frames see the zeros before the slice
        start = max(0, first - margin - lead)
        end = min(self.samples, (last + margin) * hop)
        wave = np.ascontiguousarray(audio.read(start * hop, end - start * hop)[:, channel])
        return self.stft.forward(self._tensor(wave)[None]), start

    def _split(self, audio: Tape, channel: int, first: int, last: int) -> Tensor:
        """Features (frames, bands, features) from which the layers start."""
        network = self.network
        spectrum, start = self._spectrum(audio, channel, first, last, network.level_frames)
        features = network.features(spectrum)[:, first - start : last - start]
        return network.split(features)[0]

    def _filtered(
        self, audio: Tape, channel: int, first: int, last: int, x: Tensor
    ) -> NDArray[np.float32]:
        """Frames `first` to `last` of the filtered spectrum, real and imaginary parts last."""
        made = self.network.taps(x[None])
        reach = made.shape[-1]
        spectrum, start = self._spectrum(audio, channel, first, last, reach)
        begin, end = max(0, first - reach), min(self.frames, last + reach)
        spectrum = spectrum[:, begin - start : end - start]
        taps = spectrum.new_zeros((*spectrum.shape, reach))  # neighbours lend their spectrum only
        taps[:, first - begin : last - begin] = made
        filtered = self.network.filtered(spectrum, taps)
        return torch.view_as_real(filtered[0, first - begin : last - begin]).cpu().numpy()

    def _overlap_add(self, spectrum: Tape, audio: Tape, channel: int, tick: Tick) -> None:
        hop = self.stft.hop
        lap = self.stft.window // hop - 1
        for first, last in self._chunks(-(-self.samples // hop), 1):
            filtered = torch.view_as_complex(self._tensor(spectrum.read(first, last + lap - first)))
            count = min(last * hop, self.samples) - first * hop
            rows = audio.read(first * hop, count)
            rows[:, channel] = self.stft.inverse(filtered[None], count)[0].cpu().numpy()
            audio.write(first * hop, rows)
            tick()


def _along(path: Path) -> bool:
    return path.axis == "time"


class _Sweep:
    """One way over the field: from layer `at` to the next that needs the other direction."""

    def __init__(self, layers: list[Path | Alone], at: int, direction: int) -> None:
        self.layers, self.at, self.direction = layers, at, direction
        self.reached = at
        self.ways: dict[int, Way] = {}
        self.states: dict[int, State] = {}

    def through(self, x: Tensor, half: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Take features, and the half of layer `at` that the sweep before has done.

        Returns features, and the half of layer `reached`; None when all layers are done.
        """
        for number in range(self.at, len(self.layers)):
            path = self.layers[number]
            if not (isinstance(path, Path) and _along(path)):
                x = path(x[None])[0]
                continue
            lines = path.norm(x).transpose(0, 1)
            own = self._own_half(number, path, lines)
            if path.bidirectional and half is None:
                self.reached = number
                return x, own.transpose(0, 1)
            if half is None:
                mixed = path.join(lines, own)
            else:
                other = half.transpose(0, 1)
                forth, back = (other, own) if self.direction < 0 else (own, other)
                mixed = path.join(lines, forth, back)
            x, half = x + mixed.transpose(0, 1), None
        self.reached = len(self.layers)
        return x, None

    def _own_half(self, number: int, path: Path, lines: Tensor) -> Tensor:
        """This direction over (bands, frames, features), from where it was left."""
        if number not in self.ways:
            self.ways[number], self.states[number] = path.way(self.direction), path.blank(lines)
        along = lines if self.direction > 0 else lines.flip(1)
        walked, self.states[number] = self.ways[number](along, self.states[number])
        return walked if self.direction > 0 else walked.flip(1)
