"""Enhancing recordings: any rate, any number of channels, any length.

Promises: the output has exactly the input's shape; its level follows the input's; digital silence
stays digital silence; memory does not grow with the length of a stream. Each channel is processed
alone, as if the others did not exist.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from wellposed.data.audio import Waveform
from wellposed.data.given import Band, checked, finite
from wellposed.engine.use import open_device
from wellposed.nn.longform import swept
from wellposed.nn.sweeps import Sweeps
from wellposed.systems.enhance.loading import WEIGHTS, load_network
from wellposed.systems.enhance.model import Bsrnn

WHOLE_S = 20.0
"""Recordings up to this length are processed at once."""
CHUNK_S = 10.0
"""Longer ones are swept in chunks of this length, with the same result. Measured, BSRNN-small, one
thread, seconds per second of audio and peak of the process: 5 s 0.023 and 312 MiB, 10 s 0.019 and
343 MiB, 30 s 0.028 and 459 MiB; 120 s at once 0.040 and 860 MiB."""
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
        path = WEIGHTS.find(model)
        return cls(load_network(path, open_device(device)), name=str(path))

    def __call__(self, waveform: ArrayLike, rate: int) -> Waveform:
        """Enhance (channels, time) or (time,), full scale 1.0, at `rate` [Hz].

        Returns float32 of the same shape. Sound above half the network's rate is not in the
        output. Raises DataError: no samples, NaN or infinite samples, integers, a wrong shape.
        """
        given = np.asarray(waveform)
        samples = checked(given, rate)
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

        def work(low: Iterator[Waveform], count: int) -> Iterator[Waveform]:
            if count <= WHOLE_S * self.rate:
                return self._at_once(low)
            chunk = math.ceil(CHUNK_S * self.rate / self.network.stft.hop)
            sweeps = Sweeps(self.network, self.network.paths.paths, count, chunk)
            return map(finite, swept(sweeps, low, advance))

        band = Band(rate, self.rate)
        yield from band.around(blocks, samples, work)
        self._tell_band(band)

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
        yield finite(done)

    def _tell_band(self, band: Band) -> None:
        if not self._told_band and (lost := band.loss()):
            self._told_band = True
            self.notice(lost)
