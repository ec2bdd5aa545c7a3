"""How a codebook is used: which codes, how evenly, and what rate that is worth."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from ..evidence import Record
from ..plan import Plan
from ..windows import looks_of
from . import Watched


@dataclass
class Book:
    """Draws from one codebook: the half of a window that is open, and the one before."""

    size: int
    counts: Tensor
    """int64 (size + 2) on the device: masked, code 0, code 1, ..., outside."""
    opened: int
    latest: int
    draws: int = 0
    before: Tensor | None = None
    """int64 (size) on the host."""
    since: int = field(default=-1)
    """Step of the first draw in `before`."""


class Codes:
    """Records of the kind "codes": codebook -> quantity -> value, over a window of two halves.

    A half ends after `watched.every` steps and half of the draws in which every code that
    deserves an even share turns up; the next window begins with the second half. The first record
    is that of a half alone. What is held are two counts a code, nothing of the signal.
    """

    kind = "codes"

    def __init__(self, watched: Watched) -> None:
        self._every = watched.every
        self._plan = watched.plan
        self._books: dict[str, Book] = {}

    @torch.no_grad()
    def take(
        self, step: int, indices: Tensor, size: int, name: str
    ) -> Iterable[tuple[str, Record]]:
        """Count codes, integers of any shape; negative ones are masked and count nowhere."""
        if size < 1 or indices.is_floating_point() or indices.is_complex():
            raise ValueError(
                f"Guard.codes: {name!r} has size {size} and indices of {indices.dtype}; "
                "wanted a size of 1 or more and integers below it."
            )
        book = self._books.get(name)
        if book is None or book.size != size:
            counts = torch.zeros(size + 2, dtype=torch.int64)
            book = self._books[name] = Book(size, counts, step, step)
        # No index is looked at by the host, so none may be able to stop the device.
        places = indices.detach().reshape(-1).long().clamp(-1, size) + 1
        book.counts = book.counts.to(places.device).index_add_(0, places, torch.ones_like(places))
        book.draws += places.numel()
        book.latest = step
        return self._ended(name, book)

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """Nothing: a window ends with a draw."""
        return []

    def read(self) -> Iterable[tuple[str, Record]]:
        """Nothing: a window that is not complete says nothing."""
        return []

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            name: {
                "size": book.size,
                "counts": book.counts.tolist(),
                "opened": book.opened,
                "latest": book.latest,
                "draws": book.draws,
                "before": None if book.before is None else book.before.tolist(),
                "since": book.since,
            }
            for name, book in self._books.items()
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._books = {}
        for name, each in state.items():
            before = None if each["before"] is None else torch.tensor(each["before"])
            kept: dict[str, Any] = {**each, "before": before}
            kept["counts"] = torch.tensor(each["counts"])
            self._books[name] = Book(**kept)

    def _ended(self, name: str, book: Book) -> list[tuple[str, Record]]:
        """The record of a window that this draw has completed (waits for the device then)."""
        enough = 2 * book.draws >= draws_needed(book.size, self._plan, self._every)
        if not enough or book.latest - book.opened < self._every:
            return []
        return [(self.kind, Record(book.latest, {name: _close(book, name)}))]


def instrument(watched: Watched) -> Codes:
    """Make the instrument."""
    return Codes(watched)


def draws_needed(size: int, plan: Plan, every: int) -> float:
    """Draws after which no code that deserves an even share is unseen but by chance.

    One that has the share 1 / size is unseen in n draws with probability below exp(-n / size), one
    of them all with size exp(-n / size); this is the level of a look at n = size ln(size / level).
    """
    level = plan.level(looks_of(plan, every))
    return size * math.log(size / level)


def code_use(counts: Tensor) -> dict[str, float]:
    """Draws, codes used, entropy [bit] and perplexity of counts `(size,)`."""
    draws = float(counts.sum())
    share = counts[counts > 0].double() / max(draws, 1.0)
    bits = float(-(share * share.log2()).sum()) if draws else 0.0
    return {
        "size": float(len(counts)),
        "draws": draws,
        "used": float((counts > 0).sum()),
        "largest": float(share.max()) if draws else 0.0,
        "bits": bits,
        "perplexity": 2.0**bits,
        "nominal_bits": math.log2(len(counts)),
    }


def _close(book: Book, name: str) -> dict[str, float]:
    """End a half; the use over it and the one before, if there is one."""
    counts = book.counts.cpu()
    if counts[-1]:
        raise ValueError(
            f"Guard.codes: {int(counts[-1])} indices of {name!r} are {book.size} or more; "
            "wanted less: give the number of codes as `size`."
        )
    half = counts[1:-1].clone()
    before = half if book.before is None else book.before
    whole = code_use(half if book.before is None else half + before)
    table = {
        **whole,
        "halves": 1.0 if book.before is None else 2.0,
        "new": float(((half > 0) & (before == 0)).sum()),
        "gained_bits": whole["bits"] - fmean(code_use(each)["bits"] for each in (before, half)),
        "since": float(book.opened if book.before is None else book.since),
    }
    book.before, book.since = half, book.opened
    book.counts.zero_()
    book.opened, book.draws = book.latest + 1, 0
    return table
