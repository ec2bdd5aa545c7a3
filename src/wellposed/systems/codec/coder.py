"""Sound to .wpc and back, in memory for a second: any rate, any number of channels, any length.

Promises: the bytes of a file do not depend on how the sound was cut into blocks, nor on the number
of threads; what comes out has exactly the length that went in, at its level; digital silence of a
second comes back as zeros; what is lost is concealed, and told.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from wellposed.data.audio import Waveform
from wellposed.data.audio_stream import resampled
from wellposed.engine.use import open_device
from wellposed.errors import DataError
from wellposed.systems.codec.bitstream.header import Header
from wellposed.systems.codec.bitstream.layers import Codes
from wellposed.systems.codec.bitstream.reader import Piece, Reader
from wellposed.systems.codec.bitstream.tables import Tables
from wellposed.systems.codec.bitstream.writer import Writer
from wellposed.systems.codec.flow import Counted, clipped, lagging, seconds, skipping
from wellposed.systems.codec.loading import (
    WEIGHTS,
    identity,
    load_network,
    load_tables_of,
)
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.seconds import SecondDecoder, SecondEncoder

CHUNK_S = 1.0
"""Length of a chunk: what a flipped bit costs, and 14 bytes of it are no codes."""


@dataclass(frozen=True)
class Settings:
    """How a file is to be coded."""

    stages: int | None = None
    """Stages to code; None: all."""
    kbps: float | None = None
    """Rate that the file is to have, all channels together; None: whatever the stages need."""
    entropy: bool = False
    """Range-code with the tables of the weights."""


class Coder:
    """A trained codec in use."""

    def __init__(
        self,
        network: Codec,
        *,
        level_db: int = 0,
        span_db: float = 0.0,
        tables: Tables | None = None,
        name: str = "",
    ) -> None:
        """Use `network` where its weights are.

        Chunks go into it at about `level_db` (RMS [dBFS]), and a level stays while it is within
        `span_db` of that; 0: as they are.
        """
        self.network, self.tables, self.name = network, tables, name
        self.level_db, self.span_db = level_db, span_db
        self.identity = identity(network)

    @classmethod
    def load(cls, model: Path | str | None = None, device: str = "cpu") -> "Coder":
        """Load a weights file, the best of a run folder, a shipped name, or what is shipped.

        The level is the middle of those that the network was trained at. Raises CheckpointError
        (no such weights, damaged, of another system), RecipeError (no such device).
        """
        path = WEIGHTS.find(model)
        network, recipe = load_network(path, open_device(device))
        low, high = recipe.scenes.level_dbfs
        return cls(
            network,
            level_db=round((low + high) / 2),
            span_db=(high - low) / 2,
            tables=load_tables_of(path),
            name=str(path),
        )

    def header(self, rate: int, channels: int, samples: int | None, settings: Settings) -> Header:
        """Make the header of a file. Raises DataError: settings that these weights cannot serve."""
        network, stages = self.network, settings.stages
        if stages is not None and not 1 <= stages <= len(network.books):
            raise DataError(f"{stages} stages: these weights have 1 to {len(network.books)}")
        if settings.entropy and self.tables is None:
            raise DataError(
                f"no frequency tables beside {self.name or 'these weights'}: train them with "
                "`wellposed codec tables`, or encode without --entropy"
            )
        return Header(
            rate=network.rate,
            hop=network.hop,
            books=network.books[:stages],
            chunk_frames=max(1, round(CHUNK_S * network.rate / network.hop)),
            samples=samples,
            model=self.identity,
            channels=channels,
            level_db=self.level_db,
            source_rate=None if rate == network.rate else rate,
            tables=self.tables.digest if settings.entropy and self.tables else None,
        )

    def encode(
        self,
        blocks: Iterable[Waveform],
        rate: int,
        channels: int,
        samples: int | None,
        sink: BinaryIO,
        settings: Settings | None = None,
    ) -> Writer:
        """Code blocks (channels, time) at `rate` [Hz] into a file; `samples` in all, or None.

        A chunk is written as soon as its second is there. Returns the writer, which knows the
        size. Raises DataError: settings, an empty sound, or another length than was told.
        """
        settings = settings or Settings()
        header = self.header(rate, channels, samples, settings)
        tables = self.tables if settings.entropy else None
        writer = Writer(sink, header, tables=tables, kbps=settings.kbps)
        counted = Counted(blocks)
        low = resampled(counted, rate, header.rate, None)
        encoder = SecondEncoder(self.network, self.span_db, writer)
        for second in seconds(low, header.chunk_samples):
            encoder.add(second)
        if samples not in (None, counted.samples) or not counted.samples:
            raise DataError(f"{counted.samples} samples came, {samples} were told")
        writer.close(counted.samples)
        return writer

    def file_of(self, wave: Waveform, rate: int, settings: Settings | None = None) -> bytes:
        """Return the file of a recording (channels, time). Raises DataError as `encode`."""
        sink = io.BytesIO()
        self.encode([wave], rate, len(wave), wave.shape[1], sink, settings)
        return sink.getvalue()

    def again(self, wave: Waveform, rate: int, settings: Settings | None = None) -> Waveform:
        """Code a recording (channels, time) and decode it."""
        reader = self.open(io.BytesIO(self.file_of(wave, rate, settings)), "memory")
        return np.concatenate(list(self.decode(reader)), axis=1)

    def codes_in(self, content: bytes) -> Codes:
        """Return the codes (stages, frames) of a whole mono file."""
        pieces = self.open(io.BytesIO(content), "memory").pieces()
        return np.concatenate([piece.codes for piece in pieces if piece.codes is not None], axis=1)

    def open(self, stream: BinaryIO, name: str) -> Reader:
        """Begin to read a file. Raises DataError: no .wpc file, damaged header, other weights."""
        reader = Reader(stream, name)
        header, network = reader.header, self.network
        fits = header.rate == network.rate and header.hop == network.hop
        fits = fits and header.books == network.books[: len(header.books)]
        if header.model != self.identity or not fits:
            raise DataError(
                f"{name}: made with the weights {header.model.hex()}, these are "
                f"{self.identity.hex()} ({self.name or 'in memory'}); give the weights that made "
                "it: --model"
            )
        if header.tables is not None:
            if self.tables is None:
                raise DataError(
                    f"{name}: entropy-coded, and there are no frequency tables beside "
                    f"{self.name or 'these weights'}; put them there"
                )
            reader.use(self.tables)
        return reader

    def decode(self, reader: Reader, start: int = 0) -> Iterator[Waveform]:
        """Decode a file that `open` began: blocks (channels, time) at the rate of the recording.

        From sample `start` on, where the stream can seek; the decoding begins two chunks earlier,
        so that the network has heard what its first sample depends on. What is damaged or missing
        is concealed and stands in `reader.report` when the last block has come. Raises DataError:
        no chunk is whole.
        """
        header, report = reader.header, reader.report
        second = 0
        if start:
            before = start * header.rate // header.output_rate // header.chunk_samples
            second = reader.seek(max(0, before - 2))
        first = second * header.chunk_samples
        # A block waits for the next, so that the length is known when the last one is cut.
        waiting = lagging(self._decoded(reader))
        low = clipped(waiting, report, lambda samples: header.coded(samples) - first)
        skipped = round(first * header.output_rate / header.rate)
        high = resampled(low, header.rate, header.output_rate, None)
        sound = clipped(high, report, lambda samples: samples - skipped)
        yield from skipping(sound, start - skipped)

    def _decoded(self, reader: Reader) -> Iterator[Waveform]:
        """Blocks at the rate of the network, of whole frames."""
        header = reader.header
        decoder = SecondDecoder(self.network, header)
        waiting: list[Piece] = []
        for piece in reader.pieces():
            if waiting and waiting[0].second != piece.second:
                yield decoder.second(waiting)
                waiting = []
            waiting.append(piece)
        if not waiting:
            raise DataError(f"{reader.name}: no chunk is whole; {reader.report.words()}")
        yield decoder.second(waiting)
