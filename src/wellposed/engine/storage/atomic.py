"""Files that appear whole or not at all.

A file is written beside its place under a temporary name, synced, and renamed: a kill at any
moment leaves the old file or the new one. What a killed writer left behind is removed by the
next write in that folder; a file somebody still writes is locked, and stays.
"""

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from wellposed.errors import RunError

TEMPORARY = ".wellposed-tmp"
"""How names of files still being written end."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file, readable and writable, that takes the place of `path` if the body succeeds.

    Raises OSError as the system does; then `path` is as before and nothing is left behind.
    """
    _sweep(path.parent)
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}"
    try:
        with temporary.open("xb+") as file:
            # The lock says "still being written"; the system drops it when the writer dies.
            # File systems without locks only lose the sweeping.
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
    except BaseException:
        # After the rename nothing of this name is left, and nothing needs removing.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, in a folder that exists. Raises RunError: it cannot be."""
    try:
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise RunError(f"{path}: not written: {explain(error, path.parent)}") from error


def made_folder(folder: Path) -> Path:
    """Make a folder for results before the work that they take. Raises RunError: it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(
            f"{folder}: results need a folder, found a file on the way there. Name another folder."
        ) from error
    except OSError as error:
        reason = explain(error, folder.parent)
        raise RunError(f"{folder}: the folder for results cannot be made: {reason}") from error
    if not os.access(folder, os.W_OK):
        raise RunError(f"{folder}: writing is not allowed here. Check its owner and mode.")
    return folder


def sync_folder(folder: Path) -> None:
    """Make renames and removals in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def explain(error: OSError, folder: Path) -> str:
    """Say what the system refused, and what to do about it."""
    if error.errno in _FULL:
        # Free space is told because a quota or a size limit can refuse with gigabytes free.
        with suppress(OSError):
            free = shutil.disk_usage(folder).free / 1e6
            return (
                f"no space left ({error.strerror}; {free:.0f} MB free on that disk). "
                "Free some space; what was saved before is whole."
            )
    if error.errno in _FORBIDDEN:
        return f"writing is not allowed ({error.strerror}). Check owner and mode of {folder}."
    if error.errno == errno.ENOENT:
        return f"the folder {folder} does not exist. Create it, or name another one."
    return f"{error.strerror or error}. Check the disk and the folder {folder}."


def _sweep(folder: Path) -> None:
    for leftover in folder.glob(f".*{TEMPORARY}"):
        # Locked, or already gone: somebody else's business.
        with suppress(OSError), leftover.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()
