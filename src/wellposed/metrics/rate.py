"""What bitrate is really used: by the codes, and by the file."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def perplexity(counts: NDArray[np.integer]) -> float:
    """`exp(-sum p ln p)` of the shares p of counted codes: how many equal codes say as much.

    Of no code at all it is 1: nothing is said.
    """
    total = counts.sum()
    if not total:
        return 1.0
    shares = counts[counts > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


@dataclass
class Usage:
    """Counts codes over many files; one file alone has too few of them.

    The entropy of n draws is at most log2(n): 10 s at 50 frames a second cannot show more than 9
    of the 10 bits of a book of 1024, however well it is used.
    """

    books: tuple[int, ...]
    counts: list[NDArray[np.int64]] = field(init=False)
    frames: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Begin at zero."""
        self.counts = [np.zeros(size, np.int64) for size in self.books]

    def add(self, codes: NDArray[np.integer]) -> None:
        """Count codes (stages, frames); negative ones are absent."""
        assert len(codes) <= len(self.books), f"{len(codes)} stages for {len(self.books)} books"
        for row, counts in zip(codes, self.counts, strict=False):
            counts += np.bincount(row[row >= 0], minlength=len(counts))
        self.frames += codes.shape[1]

    def perplexities(self) -> tuple[float, ...]:
        """Of each stage."""
        return tuple(perplexity(counts) for counts in self.counts)

    def used(self) -> tuple[int, ...]:
        """Codes of each stage that were chosen at least once."""
        return tuple(int((counts > 0).sum()) for counts in self.counts)

    def effective_kbps(self, frames_per_second: float, stages: int | None = None) -> float:
        """`frames per second / 1000 * sum of log2 perplexity` over the first stages."""
        bits = np.log2(self.perplexities()[:stages])
        return float(frames_per_second / 1000 * bits.sum())

    def enough(self) -> bool:
        """Whether so many frames were counted that the entropy can reach that of any book.

        The bias of the plug-in entropy is (K - 1) / (2 n) nats (Miller 1955): below 0.1 bit from
        seven frames a code on.
        """
        return self.frames >= 7 * max(self.books)


def nominal_kbps(books: Sequence[int], frames_per_second: float) -> float:
    """Rate of codes that are all equally likely and independent."""
    return float(frames_per_second / 1000 * np.log2(np.asarray(books, np.float64)).sum())


def actual_kbps(size: int, seconds: float) -> float:
    """Rate of a file of `size` bytes, everything in it counted."""
    return size * 8 / 1000 / seconds
