"""How deep every frame of a chunk is coded, and codes as packed bits.

A chunk has `stages` whole stages, and one stage more in `extra` of its frames, evenly spread; so a
chunk can have any size in steps of one code, and a lower rate is the same codes with some left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
"""(stages, frames); ABSENT where a frame has no code of a stage."""
ABSENT = -1


@dataclass(frozen=True)
class Depth:
    """Stages of a chunk: `stages` in every frame, one more in `extra` of the `frames`."""

    stages: int
    extra: int
    frames: int

    @property
    def layers(self) -> int:
        """Number of stages that any frame has."""
        return self.stages + (self.extra > 0)

    def frames_of(self, stage: int) -> NDArray[np.intp]:
        """Return which frames have a code of `stage`, in rising order.

        The extra stage is in frame i when `(i + 1) * extra // frames > i * extra // frames`.
        """
        if stage < self.stages:
            return np.arange(self.frames)
        i = np.arange(self.frames)
        return np.flatnonzero((i + 1) * self.extra // self.frames > i * self.extra // self.frames)

    def bits(self, widths: tuple[int, ...]) -> int:
        """Return the size of the packed codes, `widths` being the bits of a code of each stage."""
        whole = sum(widths[: self.stages]) * self.frames
        return whole + (self.extra * widths[self.stages] if self.extra else 0)

    def limited(self, codes: Codes) -> Codes:
        """Return `codes` with what this depth leaves out marked ABSENT."""
        kept = np.full_like(codes, ABSENT)
        for stage in range(self.layers):
            chosen = self.frames_of(stage)
            kept[stage, chosen] = codes[stage, chosen]
        return kept


def pack(codes: Codes, depth: Depth, widths: tuple[int, ...]) -> bytes:
    """Pack stage after stage, frame after frame, the highest bit of a code first."""
    bits = [
        (codes[stage, depth.frames_of(stage)][:, None] >> np.arange(widths[stage])[::-1]) & 1
        for stage in range(depth.layers)
    ]
    return np.packbits(np.concatenate([part.ravel() for part in bits]).astype(np.uint8)).tobytes()


def unpack(payload: bytes, depth: Depth, books: tuple[int, ...]) -> Codes | None:
    """Return the codes `(stages of the file, frames)`; None if the bytes are no such codes."""
    widths = tuple((size - 1).bit_length() for size in books)
    count = depth.bits(widths)
    if len(payload) != -(-count // 8):
        return None
    bits = np.unpackbits(np.frombuffer(payload, np.uint8)).astype(np.int32)
    if bits[count:].any():
        return None
    codes = np.full((len(books), depth.frames), ABSENT, np.int32)
    at = 0
    for stage in range(depth.layers):
        chosen, width = depth.frames_of(stage), widths[stage]
        part = bits[at : at + len(chosen) * width].reshape(-1, width)
        codes[stage, chosen] = part @ (1 << np.arange(width, dtype=np.int32)[::-1])
        at += part.size
        if (codes[stage] >= books[stage]).any():
            return None
    return codes
