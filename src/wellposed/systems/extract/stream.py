"""Extracting one speaker while the mixture comes in; what is promised stands in data/live.py."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wellposed.data.audio import Waveform
from wellposed.data.live import LiveStream
from wellposed.errors import CheckpointError
from wellposed.nn.walk import LOOKS_AHEAD
from wellposed.systems.extract.use import Extractor
from wellposed.systems.extract.walk import ExtractWalk


class ExtractStream(LiveStream):
    """A causal network and an enrolled speaker on a live mixture: `push` chunks, then `flush`.

    What is put out is what the extractor makes of the whole.
    """

    def __init__(
        self, extractor: Extractor, rate: int | None = None, channels: int | None = None
    ) -> None:
        """Stream at `rate` [Hz], None for the network's own, in chunks of (channels, time).

        Without `channels` chunks are (time,). Raises DataError: nobody is enrolled, a rate or
        number of channels below one; CheckpointError: the network is not causal.
        """
        if not extractor.network.causal:
            where = f"{extractor.name}: " if extractor.name else ""
            raise CheckpointError(f"{where}{LOOKS_AHEAD}")
        self._frames = ExtractWalk(extractor.network, extractor.enrolled)
        super().__init__(self._frames, rate, channels)

    def push(self, chunk: ArrayLike) -> Waveform:
        """As `LiveStream.push`; `speaking` is then about this chunk."""
        self._frames.heard.clear()
        return super().push(chunk)

    @property
    def speaking(self) -> NDArray[np.floating]:
        """Probabilities `(channels, frames)` that the speaker speaks, of the last push's frames.

        A frame is a window of the network that ends with what came in; one begins every hop.
        """
        logits = [part.cpu().numpy() for part in self._frames.heard]
        joined = np.concatenate([np.zeros((self.channels or 1, 0)), *logits], axis=1)
        return 1 / (1 + np.exp(-joined.clip(-700, 700)))
