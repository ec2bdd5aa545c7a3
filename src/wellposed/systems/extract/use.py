"""Extracting one speaker from recordings: any rate, any number of channels, any length.

Promises: the output has exactly the input's shape; its level follows the input's, nothing is
normalised; digital silence stays digital silence; memory does not grow with the length of a stream.
Each channel is processed alone, as if the others did not exist.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wellposed.data.audio import Waveform
from wellposed.data.given import Band, checked, finite
from wellposed.engine.use import open_device
from wellposed.errors import DataError
from wellposed.nn.cues import Cue, Enrolled
from wellposed.nn.dualpath import Path as Layer
from wellposed.nn.longform import swept
from wellposed.nn.sweeps import Alone, Sweeps
from wellposed.systems.extract.enrolment import prepared
from wellposed.systems.extract.loading import WEIGHTS, load_network
from wellposed.systems.extract.model import Extract, asked
from wellposed.systems.extract.presence import Presence, track

WHOLE_S = 20.0
"""Recordings up to this length are processed at once."""
CHUNK_S = 10.0
"""Longer ones are swept in chunks of this length, with the same result."""

logger = logging.getLogger(__name__)


class Extractor:
    """A trained network in use: enrol a speaker, then call it with waveforms."""

    def __init__(
        self, network: Extract, *, name: str = "", notice: Callable[[str], None] = logger.warning
    ) -> None:
        """Use `network` where its weights are; `notice` is told once what a user should know."""
        self.network, self.name, self.notice = network, name, notice
        self.rate = network.rate
        self.presence: list[Presence] = []
        """Of the channels of the last recording that was finished."""
        self._enrolled: Enrolled | None = None
        self._heard: list[Tensor] = []
        """Logits `(1, frames)` of the channels of the recording at work."""
        self._told_band = False

    @property
    def enrolled(self) -> Enrolled:
        """What is known of the wanted speaker. Raises DataError: nobody is enrolled."""
        if self._enrolled is None:
            raise DataError("nobody is enrolled: call enrol with a recording of the wanted speaker")
        return self._enrolled

    @classmethod
    def load(cls, model: Path | str | None = None, device: str = "cpu") -> "Extractor":
        """Load a weights file, the best of a run folder, a shipped name, or what is shipped.

        Raises CheckpointError (no such weights, damaged, of another system), RecipeError (no
        such device).
        """
        path = WEIGHTS.find(model)
        return cls(load_network(path, open_device(device))[0], name=str(path))

    @torch.inference_mode()
    def enrol(self, enrolments: Sequence[tuple[ArrayLike, int]], names: Sequence[str] = ()) -> Self:
        """Say who is wanted, by one waveform or several, each with its rate [Hz].

        Of several all frames count alike. Raises DataError: see `enrolment.prepared`.
        """
        if not enrolments:
            raise DataError("no enrolment: give at least one recording of the wanted speaker")
        made = []
        for number, (waveform, rate) in enumerate(enrolments):
            where = names[number] if number < len(names) else f"enrolment {number + 1}"
            wave = torch.from_numpy(prepared(waveform, rate, self.rate, where))[None]
            wave = wave.to(self.network.split.weight.device)
            assert bool(asked(wave).all())
            made.append(self.network.enrol(wave))
        counts = torch.tensor([each.exists.sum() for each in made])
        shares = counts / counts.sum()
        self._enrolled = Enrolled(
            torch.cat([each.frames for each in made], 1),
            torch.cat([each.exists for each in made], 1),
            sum((s * each.pooled for s, each in zip(shares, made, strict=True)), torch.zeros(())),
            sum(
                (s * each.embedding for s, each in zip(shares, made, strict=True)), torch.zeros(())
            ),
        )
        return self

    def __call__(self, waveform: ArrayLike, rate: int) -> Waveform:
        """Extract from (channels, time) or (time,), full scale 1.0, at `rate` [Hz].

        Returns float32 of the same shape; `presence` then tells when the speaker speaks. Raises
        DataError: nobody enrolled, no samples, NaN or infinite samples, integers, a wrong shape.
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
        """Extract from finite blocks (channels, time) of `samples` in all; as many come out.

        All of the input is read before the first block comes out; what is longer than memory
        waits in temporary files. `advance` is told the share of the work that is done, 0 to 1.
        Raises DataError (nobody enrolled, float32 overflows), RunError (no disk space).
        """
        _ = self.enrolled  # nobody enrolled is told before anything is read

        def work(low: Iterator[Waveform], count: int) -> Iterator[Waveform]:
            short = count <= WHOLE_S * self.rate
            made = self._at_once(low) if short else self._swept(low, count, advance)
            return map(finite, made)

        band = Band(rate, self.rate)
        self._heard = []
        yield from band.around(blocks, samples, work)
        count = -(-samples * self.rate // rate)
        self.presence = [self._track(frames, count) for frames in self._heard]
        self._tell_band(band)

    def _at_once(self, blocks: Iterable[Waveform]) -> Iterator[Waveform]:
        waveform = np.concatenate(list(blocks), axis=1)
        done = np.empty_like(waveform)
        enrolled = self.enrolled
        for row, target in zip(waveform, done, strict=True):
            wave = torch.from_numpy(np.ascontiguousarray(row, np.float32)[None])
            with torch.inference_mode():
                made = self.network.extract(
                    wave.to(enrolled.frames.device), enrolled, torch.ones(1, dtype=torch.bool)
                )
            target[:] = made.estimate[0].cpu().numpy()
            self._heard.append(made.frames)
        yield done

    def _swept(
        self, blocks: Iterable[Waveform], count: int, advance: Callable[[float], None] | None
    ) -> Iterator[Waveform]:
        chunk = math.ceil(CHUNK_S * self.rate / self.network.stft.hop)
        sweeps = Sweeps(self.network, self._layers(), count, chunk)

        def hear(channel: int, first: int, x: Tensor) -> None:
            while channel >= len(self._heard):
                self._heard.append(torch.zeros(1, sweeps.frames))
            logits = self.network.presence(x[None]).cpu()
            self._heard[channel][:, first : first + len(x)] = logits

        return swept(sweeps, blocks, advance, hear)

    def _layers(self) -> list[Layer | Alone]:
        """All layers in order, the cues among them told whom to look for."""
        layers: list[Layer | Alone] = []
        cues = iter(self.network.cues)
        for path in self.network.paths.paths:
            if path.axis == "time":
                cue = next(cues)
                assert isinstance(cue, Cue)
                layers.append(_Told(cue, self.enrolled))
            layers.append(path)
        return layers

    @torch.inference_mode()
    def _track(self, frames: Tensor, count: int) -> Presence:
        """Presence of a channel of `count` samples from the logits `(1, frames)`."""
        network = self.network
        logit = float(network.presence.whole(frames.to(network.threshold.device)))
        stft = network.stft
        grid = (stft.window / self.rate, stft.hop / self.rate, count / self.rate)
        return track(frames[0].cpu().numpy(), (logit, float(network.threshold)), grid)

    def _tell_band(self, band: Band) -> None:
        if not self._told_band and (lost := band.loss()):
            self._told_band = True
            self.notice(lost)


class _Told:
    """A cue with the enrolment it looks at."""

    axis = "bands"

    def __init__(self, cue: Cue, enrolled: Enrolled) -> None:
        self.cue = cue
        with torch.inference_mode():
            self.memory = cue.memory(enrolled)

    def __call__(self, x: Tensor) -> Tensor:
        return self.cue.look(x, self.memory)
