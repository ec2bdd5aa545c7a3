"""Where a number that is not finite was made: module, operation, source line."""

import linecache
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .finite import plain

OUTSIDE = "outside every module"
SKIPPED = tuple(str(Path(each).parent) + os.sep for each in (torch.__file__, __file__))
"""Code in these folders is never the line we want to show."""


@dataclass(frozen=True)
class Origin:
    """A call that turned finite numbers into something else."""

    module: str
    operation: str
    line: str
    values: str
    """`nan` or `inf`: what came out."""
    inputs: str
    """Smallest and largest number that went in."""
    deliberate: bool = False
    """Whether an infinity was written into the call, as masks do."""

    def __str__(self) -> str:
        where = f" ({self.line})" if self.line else ""
        return f"{self.operation} in {self.module}{where}"


def caller() -> str:
    """The innermost line of code outside torch and outside the guard."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(SKIPPED):
        frame = frame.f_back
    return "" if frame is None else line_of(frame.f_code.co_filename, frame.f_lineno)


def line_of(path: str, number: int, code: str = "") -> str:
    """`file.py:12: the code`, as far as the source is known."""
    code = code or linecache.getline(path, number).strip()
    return f"{Path(path).name}:{number}: {code}".rstrip(": ")


def span(tensors: Iterable[Tensor]) -> str:
    """Smallest and largest number in these tensors, as text; empty for none."""
    flat = [plain(t.detach()) for t in tensors if t.numel()]
    if not flat:
        return ""
    low, high = min(float(t.min()) for t in flat), max(float(t.max()) for t in flat)
    return f"{low:.4g} to {high:.4g}"


def has_nan(tensor: Tensor) -> bool:
    """Whether any entry is NaN (waits for the device)."""
    return bool(plain(tensor.detach()).isnan().any())
