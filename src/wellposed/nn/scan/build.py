"""Build the C++ kernels where there is a compiler, once per machine.

Libraries lie in the user's cache folder, `$XDG_CACHE_HOME/wellposed` or `~/.cache/wellposed`,
named after source, compiler and processor; they appear whole or not at all. Nothing is downloaded,
and the package's own folder is not written to.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("kernel.cpp")
"""The scan and its gradients."""
WAY = Path(__file__).with_name("way.cpp")
"""What a block does between its matrix products."""
_LANES = Path(__file__).with_name("lanes.h")
COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-O3", "-std=c++17", "-fPIC", "-shared", "-pthread")
_NO_TRAPS = ("-fno-math-errno", "-fno-trapping-math")
_MACHINE = ("-march=native", "-mcpu=native", "-O3")
"""How compilers are told to use all that this processor can; the first that works is taken."""

_log = logging.getLogger(__name__)


class NoKernel(RuntimeError):  # noqa: N818 - a state of the machine rather than a mistake
    """There is no compiled kernel on this machine; the message says why, and what would help."""


def cache_folder() -> Path:
    """Folder of builds."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "wellposed"


def library(folder: Path, source: Path | None = None) -> ctypes.CDLL:
    """Load the library of `source` (None: the scan) from `folder`, or build it there.

    Raises NoKernel without a compiler, if it fails, or if `folder` cannot be written.
    """
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise NoKernel(f"no C++ compiler on the PATH ({', '.join(COMPILERS)}): install one.")
    source = source or SOURCE
    path = folder / f"{source.stem}-{_fingerprint(compiler, source)}.so"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _build(compiler, source, path)
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise NoKernel(
            f"{path}: {error}. Remove that file, or set XDG_CACHE_HOME to a writable folder."
        ) from error


def _fingerprint(compiler: str, source: Path) -> str:
    """Everything that the library depends on, so that a shared home serves different machines."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    version = _run([compiler, "--version"]).stdout
    known = (version, platform.platform(), platform.machine(), features)
    texts = (file.read_text(encoding="utf-8") for file in (source, _LANES))
    named = "\n".join((*texts, *_FLAGS, *_NO_TRAPS, *known))
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def _build(compiler: str, source: Path, path: Path) -> None:
    _log.info("building a compiled kernel into %s, once for this machine", path)
    # Made in a folder of its own beside its place, and renamed: whoever else builds, or a kill at
    # any moment, leaves a whole library or none. A part of one would crash whoever loads it.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".building-") as room:
        made, said = Path(room) / path.name, ""
        for machine in _MACHINE:
            flags = (*_FLAGS, *_NO_TRAPS, machine, "-I", str(_LANES.parent))
            done = _run([compiler, *flags, str(source), "-o", str(made)])
            if done.returncode == 0:
                with made.open("rb") as file:
                    os.fsync(file.fileno())
                made.replace(path)
                return
            said = done.stdout + done.stderr
    raise NoKernel(f"{compiler} could not build {source}: {said.strip()[:500]}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
