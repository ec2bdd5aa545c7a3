"""Rows of numbers on disk, for what is larger than memory."""

import math
import shutil
import tempfile
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wellposed.errors import RunError


class Tape:
    """A temporary file of float32 rows of one shape, addressed by the number of the first row.

    It lies in the folder for temporary files (environment variable TMPDIR) and is gone with the
    process, however that ends. Raises RunError when the disk is full.
    """

    def __init__(self, row: tuple[int, ...]) -> None:
        """Open an empty tape for rows of the shape `row`."""
        self.row = row
        self.row_bytes = 4 * math.prod(row)
        # Closed by __exit__. Unbuffered: large blocks need no second copy in a buffer.
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115

    def __enter__(self) -> Self:
        """Return itself; the file is closed, and gone, at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, and lose it."""
        self.file.close()

    def write(self, first: int, rows: NDArray[np.float32]) -> None:
        """Write `rows`, the first of which is number `first`."""
        assert rows.shape[1:] == self.row, f"rows of {self.row} are wanted, found {rows.shape}"
        left = np.ascontiguousarray(rows, np.float32).data.cast("B")
        try:
            self.file.seek(first * self.row_bytes)
            while left:
                left = left[self.file.write(left) :]
        except OSError as error:
            raise RunError(f"{_place()}: a temporary file cannot be written ({error})") from error

    def read(self, first: int, count: int) -> NDArray[np.float32]:
        """Read `count` rows from number `first` on."""
        rows = np.empty((count, *self.row), np.float32)
        left = rows.data.cast("B")
        self.file.seek(first * self.row_bytes)
        while left:
            left = left[self.file.readinto(left) or _ended() :]
        return rows


def require_space(wanted: float) -> None:
    """Raise RunError if the folder for temporary files has less than `wanted` bytes left."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < wanted:
        raise RunError(
            f"{_place()} has {free / 1e9:.2f} GB left, {wanted / 1e9:.2f} GB are needed while a "
            "long recording is processed"
        )


def _place() -> str:
    return (
        f"{tempfile.gettempdir()} (the folder for temporary files; the environment variable "
        "TMPDIR names another)"
    )


def _ended() -> int:
    raise EOFError("a tape was read beyond what was written")
