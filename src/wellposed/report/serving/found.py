"""Which runs a folder holds, and which of them may be shown.

A request never names a file. It names a run by a key of the table made here, and what is read of
a run is known beforehand. A run with a link that leads out of the folder is listed, not read.
"""

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wellposed.engine.storage.runfolder import RunFolder

DEEPEST = 3
"""Folders between the one served and a run: sets of runs, such as a search, are one or two deep."""
READ = (
    *("recipe.yaml", "history.jsonl", "findings.jsonl", "audit.json", "environment.json"),
    *(".lock-0", "explain", "explain/*.json", "examples", "examples/**/*"),
    *("evaluation", "evaluation/**/*", "*/scores.csv"),
)
"""What pages read of a run. Weights, checkpoints and what trackers write may lie elsewhere."""


@dataclass(frozen=True)
class Found:
    """A run below the folder."""

    key: str
    """Its path below the folder, with slashes; "." is the folder itself."""
    path: Path
    refused: str = ""
    """Why it is not shown."""


def find_runs(root: Path) -> dict[str, Found]:
    """All runs in `root` and its folders, by key in alphabetical order; links are not followed."""
    found: dict[str, Found] = {}
    for path in _folders(root, DEEPEST):
        folder = RunFolder(path)
        if folder.recipe.is_file() and folder.history.is_file():
            key = path.relative_to(root).as_posix()
            found[key] = Found(key, path, _leads_out(path, root.resolve()))
    return dict(sorted(found.items()))


def _folders(root: Path, depth: int) -> Iterator[Path]:
    """`root` and the folders below it; nothing below a run, which has no runs inside."""
    yield root
    if depth == 0 or (root / "recipe.yaml").is_file():
        return
    try:
        inside = sorted(entry.path for entry in os.scandir(root) if entry.is_dir())
    except OSError:  # removed or forbidden meanwhile
        return
    for path in map(Path, inside):
        if not path.name.startswith(".") and not path.is_symlink():
            yield from _folders(path, depth - 1)


def _leads_out(run: Path, root: Path) -> str:
    """The first thing that a page would read and that lies outside of `root`."""
    for pattern in READ:
        for path in run.glob(pattern):
            if not path.resolve().is_relative_to(root):
                return f"{path.relative_to(run)} is a link that leads out of the folder"
    return ""


def writer_of(run: Path) -> str:
    """Who trains in a run now: "process 12", "process 12 on HOST", "" if it has ended or nobody.

    A process that was killed leaves its name; on this machine it is seen that it is gone.
    """
    try:
        about = json.loads((run / ".lock-0").read_text())
        pid, host = int(about["pid"]), str(about["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    if host != socket.gethostname():
        return f"process {pid} on {host}"
    return f"process {pid}" if _lives(pid) else ""


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)  # asks only
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
