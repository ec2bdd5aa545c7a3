"""How deep a chunk may be, so that the file has the size that was promised.

Promise: with a target, everything but the header (payloads, chunk headers, end record) adds up to
the target to within a code per chunk; what one chunk leaves over is there for the next.
"""

from collections.abc import Callable
from dataclasses import dataclass

from wellposed.errors import DataError
from wellposed.systems.codec.bitstream.chunks import END_SIZE, SIZE
from wellposed.systems.codec.bitstream.header import Header
from wellposed.systems.codec.bitstream.layers import Depth


def promised_kbps(header: Header, stages: int | None = None) -> float:
    """Rate of packed codes of a channel with so many whole stages, chunk headers included."""
    widths = header.bits[: len(header.books) if stages is None else stages]
    payload = -(-sum(widths) * header.chunk_frames // 8)
    return (SIZE + payload) * 8 / 1000 * header.rate / header.chunk_samples


def code_kbps(header: Header, stages: int | None = None) -> float:
    """Rate of the codes alone, stages times bits times frames per second."""
    widths = header.bits[: len(header.books) if stages is None else stages]
    return sum(widths) * header.rate / header.hop / 1000


@dataclass
class Budget:
    """Keeps a file at `kbps` for all its channels together."""

    header: Header
    kbps: float
    spent: int = 0
    """Bytes so far, the end record counted from the beginning."""
    samples: int = 0
    """Of all channels together."""

    def __post_init__(self) -> None:
        """Check that packed codes can have this rate; DataError names the range."""
        channels = self.header.channels
        low, high = (promised_kbps(self.header, n) * channels for n in (1, None))
        if not low <= self.kbps <= high * 1.02:
            raise DataError(
                f"a target of {self.kbps:g} kbit/s: these weights can do {low:.2f} to {high:.2f} "
                f"kbit/s ({len(self.header.books)} stages, channels: {channels})"
            )
        self.spent = END_SIZE

    def depth(self, limit: Depth, samples: int, size: Callable[[Depth], float]) -> Depth:
        """Choose the depth of the next chunk up to `limit`; `size` tells the bytes of a payload."""
        frames = limit.frames
        whole = (self.samples + samples) / self.header.channels / self.header.rate
        room = self.kbps * 125 * whole - self.spent - SIZE
        low, high = frames, limit.stages * frames + limit.extra
        while low < high:  # most codes that fit; sizes rise with the number of codes
            middle = (low + high + 1) // 2
            if size(_depth(middle, frames)) <= room:
                low = middle
            else:
                high = middle - 1
        return _depth(low, frames)

    def spend(self, payload: int, samples: int) -> None:
        """Take note of a chunk that was written."""
        self.spent += SIZE + payload
        self.samples += samples


def _depth(codes: int, frames: int) -> Depth:
    return Depth(*divmod(codes, frames), frames)
