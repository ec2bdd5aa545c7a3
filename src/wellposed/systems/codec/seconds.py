"""The network between sound and a file, a second at a time, with levels and lost chunks.

The level of each second is taken out before the network and put back after it; a chunk that did not
come is filled by what came before.
"""

import numpy as np
import torch

from wellposed.data.audio import Waveform
from wellposed.systems.codec.bitstream.chunks import SILENT
from wellposed.systems.codec.bitstream.header import Header
from wellposed.systems.codec.bitstream.layers import ABSENT
from wellposed.systems.codec.bitstream.reader import Piece
from wellposed.systems.codec.bitstream.writer import Writer
from wellposed.systems.codec.concealment import Concealer, fades
from wellposed.systems.codec.levels import Leveller, gains
from wellposed.systems.codec.model import Codec


class SecondEncoder:
    """One second after the other into a writer, all channels at once."""

    def __init__(self, network: Codec, span_db: float, writer: Writer) -> None:
        """Begin a file; levels within `span_db` of that in its header stay as they are."""
        self.network, self.writer = network, writer
        self.header = header = writer.header
        self.levellers = [Leveller(header.level_db, span_db) for _ in range(header.channels)]
        self.before = [SILENT] * header.channels
        self.state = network.encoder_state()

    def add(self, chunk: Waveform) -> None:
        """Code (channels, time), a whole second but for the last one."""
        header, samples = self.header, chunk.shape[1]
        levels = [each.next(row) for each, row in zip(self.levellers, chunk, strict=True)]
        frames = -(-samples // header.hop)
        scaled = np.zeros((header.channels, frames * header.hop), np.float32)
        for number, level in enumerate(levels):
            made = gains(self.before[number], level, header.level_db, header.hop, samples)
            scaled[number, :samples] = chunk[number] * made
        device = next(self.network.parameters()).device
        codes = self.network.encode_step(torch.from_numpy(scaled).to(device), self.state)
        codes = codes[:, : len(header.books)].cpu().numpy().astype(np.int32)
        for number, level in enumerate(levels):
            self.writer.add(codes[number], level, samples)
        self.before = levels


class SecondDecoder:
    """One second after the other out of a reader; what is missing is concealed."""

    def __init__(self, network: Codec, header: Header) -> None:
        """Begin a file of this header."""
        self.network, self.header = network, header
        channels = range(header.channels)
        self.concealers = [Concealer(len(header.books)) for _ in channels]
        self.heights = [1.0 for _ in channels]
        self.before = [SILENT for _ in channels]
        self.state = network.decoder_state()

    def second(self, pieces: list[Piece]) -> Waveform:
        """Decode the pieces of one second, one a channel or fewer: (channels, frames * hop)."""
        header = self.header
        frames = pieces[0].frames
        codes = np.full((header.channels, len(header.books), frames), ABSENT, np.int32)
        lost = np.ones(header.channels, bool)
        levels = [SILENT] * header.channels
        for piece in pieces:
            if piece.codes is not None:
                codes[piece.channel], lost[piece.channel] = piece.codes, False
                levels[piece.channel] = piece.level
        shapes = [self._shape(n, codes, bool(gone), levels[n]) for n, gone in enumerate(lost)]
        device = next(self.network.parameters()).device
        wave = self.network.decode_step(torch.from_numpy(codes).long().to(device), self.state)
        return wave.cpu().numpy() * np.stack(shapes)

    def _shape(self, channel: int, codes: np.ndarray, lost: bool, level: int) -> np.ndarray:
        """Fill the codes of a lost chunk; return the gain of every sample."""
        header = self.header
        frames = codes.shape[2]
        codes[channel], heights = self.concealers[channel].fill(
            codes[channel], np.full(frames, lost)
        )
        made = fades(self.heights[channel], heights, header.hop)
        self.heights[channel] = float(heights[-1])
        if lost:
            level = self.before[channel]  # concealed at the level of what is repeated
        before, self.before[channel] = self.before[channel], level
        if header.level_db == 0 and level != SILENT:
            return made
        if level == SILENT:
            return np.zeros_like(made)
        return made / gains(before, level, header.level_db, header.hop, len(made))
