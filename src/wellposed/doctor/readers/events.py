"""TensorBoard event files, through the reader of the `tensorboard` package.

All files of one folder are one run, in the order of their names (which begin with their time).
Scalars only; rows are made of what was written for one step.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from wellposed.doctor.cells import Cell
from wellposed.doctor.table import Problem, Table, from_records
from wellposed.errors import DataError

_FRAME = 16
"""Bytes of a record beside its content: a length of 8 and two checksums of 4."""

Scalar = tuple[int, float, str, float]


def read_events(paths: Sequence[Path]) -> list[Table]:
    """The table of the event files of one run. Raises DataError: no scalars, or no tensorboard."""
    problems: list[Problem] = []
    others: set[str] = set()
    scalars = [each for path in paths for each in _scalars(path, others, problems)]
    name = str(paths[0] if len(paths) == 1 else paths[0].parent)
    if not scalars:
        if problems:
            raise DataError(f"{problems[0].where}: {problems[0].what}")
        # A folder of its own for hyper-parameters or a graph holds no scalars.
        return []
    table = from_records(name, list(enumerate(_rows(scalars), start=1)), name)
    table.problems[:0] = problems
    if others:
        table.notes.append(f"no scalars, not used: {', '.join(sorted(others))}")
    return [table]


def _rows(scalars: Sequence[Scalar]) -> Iterator[dict[str, Cell]]:
    """One row a step; a tag that comes twice for one step begins the next row."""
    row: dict[str, Cell] = {}
    for step, time, tag, value in scalars:
        if row and (row["step"] != step or tag in row):
            yield row
            row = {}
        row |= {"step": float(step), "wall time": time, tag: value}
    yield row


def _scalars(path: Path, others: set[str], problems: list[Problem]) -> Iterator[Scalar]:
    loaders, as_array = _tensorboard(path)
    for event in loaders.EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            array = as_array(value.tensor) if value.HasField("tensor") else None
            if array is not None and array.size == 1 and array.dtype.kind == "f":
                yield event.step, event.wall_time, value.tag, float(array)
            elif value.metadata.plugin_data.plugin_name != "hparams":
                others.add(value.tag)
    # The reader ends without a word where a record is damaged.
    records = loaders.RawEventFileLoader(str(path)).Load()
    left = path.stat().st_size - sum(_FRAME + len(record) for record in records)
    if left:
        what = f"the last {left} bytes are torn or damaged; they are not used"
        problems.append(Problem(str(path), what))


def _tensorboard(path: Path) -> tuple[Any, Any]:
    """The readers and what turns a tensor of theirs into an array."""
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    try:
        # By name, since the package is an extra that need not be here.
        loaders = import_module("tensorboard.backend.event_processing.event_file_loader")
        tensors = import_module("tensorboard.util.tensor_util")
    except ModuleNotFoundError as error:
        raise DataError(
            f"{path}: found a TensorBoard event file, which needs the package tensorboard "
            f"(missing: {error.name}). pip install 'wellposed[tensorboard]', or export the "
            "scalars as CSV from TensorBoard."
        ) from error
    return loaders, tensors.make_ndarray
