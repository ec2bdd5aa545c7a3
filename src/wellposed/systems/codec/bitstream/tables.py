"""Integer frequency tables for the range coder: trained on codes, kept beside the weights.

A code is coded given the class of the code before it in the same stage. Tables are integers from
the training to the coder, and no floating-point number decides about a bit: the probabilities that
`constriction` gets are whole numbers for which its own scaling is exactly 1, so its tables are
these (tests/systems/codec/test_entropy.py decodes them with whole numbers alone).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wellposed.engine.storage.modelfile import load_model, save_model
from wellposed.errors import CheckpointError, RunError
from wellposed.systems.codec.bitstream.layers import ABSENT, Codes, Depth

PRECISION = 24
"""Bits of a frequency: they add up to 2**24, the precision of constriction's default coder."""
_WORD = 4


@dataclass(frozen=True)
class Tables:
    """Frequencies of the codes of every stage."""

    frequencies: tuple[NDArray[np.int64], ...]
    """Of each stage (classes, codes); every row is positive and adds up to 2**PRECISION."""
    classes: tuple[NDArray[np.int64], ...]
    """Of each stage (codes,): to which class a code counts when it is the one before. The first
    code of a stage in a chunk is coded as after class 0."""

    def __post_init__(self) -> None:
        """Check what the coder relies on; CheckpointError says what does not hold."""
        if len(self.frequencies) != len(self.classes):
            raise CheckpointError("frequency tables: frequencies and classes of unequal stages")
        for stage, (rows, classes) in enumerate(zip(self.frequencies, self.classes, strict=True)):
            sound = rows.ndim == 2 and rows.min() > 0 and classes.shape == rows.shape[1:]
            sound = sound and (rows.sum(axis=1) == 1 << PRECISION).all()
            if not sound or classes.min() < 0 or classes.max() >= len(rows):
                raise CheckpointError(
                    f"frequency tables: those of stage {stage} are no frequencies that add up to "
                    f"2**{PRECISION}; train them again"
                )

    @property
    def books(self) -> tuple[int, ...]:
        """Number of codes of each stage."""
        return tuple(rows.shape[1] for rows in self.frequencies)

    @cached_property
    def digest(self) -> bytes:
        """First 4 bytes of the SHA-256 of all integers, little-endian, 32 bits each."""
        digest = hashlib.sha256()
        for rows, classes in zip(self.frequencies, self.classes, strict=True):
            digest.update(rows.astype("<i4").tobytes())
            digest.update(classes.astype("<i4").tobytes())
        return digest.digest()[:4]

    @cached_property
    def lengths(self) -> tuple[NDArray[np.float64], ...]:
        """Bits that each code takes, as `frequencies`; for plans of size, never for coding."""
        return tuple(PRECISION - np.log2(rows) for rows in self.frequencies)

    @cached_property
    def _models(self) -> tuple[tuple[Any, ...], ...]:
        categorical = _constriction().stream.model.Categorical
        return tuple(
            tuple(categorical((row - 1).astype(np.float64), perfect=False) for row in rows)
            for rows in self.frequencies
        )

    def costs(self, codes: Codes, depth: Depth) -> NDArray[np.float64]:
        """Return the bits of every code (stages, frames) were all that `depth` has coded."""
        costs = np.zeros(codes.shape)
        for stage in range(depth.layers):
            chosen = depth.frames_of(stage)
            row = codes[stage, chosen]
            costs[stage, chosen] = self.lengths[stage][self._classes_before(stage, row), row]
        return costs

    def encode(self, codes: Codes, depth: Depth) -> bytes:
        """Range-code the codes of a chunk, stage after stage."""
        encoder = _constriction().stream.queue.RangeEncoder()
        for stage in range(depth.layers):
            row = codes[stage, depth.frames_of(stage)].astype(np.int32)
            before = self._classes_before(stage, row)
            for code, model in zip(row, before, strict=True):
                encoder.encode(int(code), self._models[stage][model])
        words = encoder.get_compressed().astype("<u4").tobytes()
        return words.rstrip(b"\0")

    def decode(self, payload: bytes, depth: Depth, stages: int) -> Codes | None:
        """Return the codes (stages, frames); None if the bytes are no such codes."""
        padded = payload + bytes(-len(payload) % _WORD)
        words = np.frombuffer(padded, "<u4").astype(np.uint32)
        decoder = _constriction().stream.queue.RangeDecoder(words)
        codes = np.full((stages, depth.frames), ABSENT, np.int32)
        try:
            for stage in range(depth.layers):
                model = 0
                for frame in depth.frames_of(stage):
                    code = decoder.decode(self._models[stage][model])
                    codes[stage, frame] = code
                    model = self.classes[stage][code]
        except AssertionError:  # what constriction raises for bytes that no encoder writes
            return None
        return codes

    def _classes_before(self, stage: int, row: NDArray[Any]) -> NDArray[np.int64]:
        return np.concatenate([[0], self.classes[stage][row[:-1]]])[: len(row)]


def train_tables(
    codes: Iterable[Codes], books: Sequence[int], *, classes: int = 1, prior: float = 0.5
) -> Tables:
    """Count codes (stages, frames) into tables.

    `classes` of previous codes are told apart in each stage: the most frequent codes are spread
    over them by what follows them. `prior` is added to every count (0.5: the estimator of
    Krichevsky and Trofimov); rows of a class begin from the counts of all classes, weighted as
    one such observation per code.
    """
    rows = [np.asarray(part) for part in codes]
    frequencies, chosen = [], []
    for stage, size in enumerate(books):
        parts = [part[stage] for part in rows]
        pairs = np.zeros((size, size), np.int32)
        for part in parts:
            np.add.at(pairs, (part[:-1], part[1:]), 1)
        first = np.bincount(np.concatenate([part[:1] for part in parts]), minlength=size)
        groups = _grouped(pairs, classes)
        total = pairs.sum(axis=0) + first + prior
        counts = np.stack([pairs[groups == group].sum(axis=0) for group in range(classes)])
        counts[0] += first
        # Rare classes lean on all codes together, with the weight of a prior of `size * prior`.
        smooth = counts + total / total.sum() * size * prior if classes > 1 else total[None]
        frequencies.append(np.stack([_integers(row) for row in smooth]))
        chosen.append(groups)
    return Tables(tuple(frequencies), tuple(chosen))


def save_tables(path: Path, tables: Tables) -> None:
    """Write tables as integers to a safetensors file, whole or not at all."""
    tensors = {}
    for stage, rows in enumerate(tables.frequencies):
        tensors[f"frequencies/{stage:02d}"] = torch.from_numpy(rows.astype(np.int32))
        tensors[f"classes/{stage:02d}"] = torch.from_numpy(tables.classes[stage].astype(np.int32))
    save_model(path, tensors, {"system": "codec", "holds": "frequency tables"})


def load_tables(path: Path) -> Tables:
    """Read tables. Raises CheckpointError: missing, damaged, or other than tables."""
    tensors, _ = load_model(path)
    names = sorted(name for name in tensors if name.startswith("frequencies/"))
    wanted = set(names) | {name.replace("frequencies", "classes") for name in names}
    if not names or set(tensors) != wanted:
        raise CheckpointError(f"{path}: holds no frequency tables; give those of the weights")
    return Tables(
        tuple(tensors[name].numpy().astype(np.int64) for name in names),
        tuple(
            tensors[name.replace("frequencies", "classes")].numpy().astype(np.int64)
            for name in names
        ),
    )


def _grouped(pairs: NDArray[np.int32], classes: int) -> NDArray[np.int64]:
    """Sort codes into classes of equal weight by the mean rank of what follows them."""
    size = len(pairs)
    groups = np.zeros(size, np.int64)
    if classes == 1:
        return groups
    seen = pairs.sum(axis=1)
    # The second singular vector of the table, taken in shares, orders codes by their successors.
    left, _, _ = np.linalg.svd(
        (pairs + 1e-9) / np.sqrt(np.outer(seen + 1.0, pairs.sum(axis=0) + 1.0)), full_matrices=False
    )
    order = np.argsort(left[:, 1] / np.sqrt(seen + 1.0), kind="stable")
    share = (np.cumsum(seen[order]) - seen[order] / 2) / max(1, seen.sum())
    groups[order] = np.minimum((share * classes).astype(np.int64), classes - 1)
    return groups


def _integers(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round weights to positive integers that add up to 2**PRECISION."""
    room = (1 << PRECISION) - len(weights)
    whole = np.floor(weights / weights.sum() * room).astype(np.int64) + 1
    whole[np.argmax(whole)] += (1 << PRECISION) - whole.sum()
    return whole


def _constriction() -> Any:
    """Import constriction; RunError says how to get it."""
    if find_spec("constriction") is None:
        raise RunError(
            "entropy-coded files need the package 'constriction', which is not installed. Run "
            '`pip install "wellposed[codec]"`, or encode without --entropy.'
        )
    return import_module("constriction")
