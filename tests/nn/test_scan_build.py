"""Building the compiled scan: absent without harm, whole or not at all."""
# ruff: noqa: N806 - A, B, C are the names of the literature.

import ctypes
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from wellposed.nn.scan import build, compiled, selective_scan

has_compiler = pytest.mark.skipif(compiled.unavailable() is not None, reason="no compiled scan")

SCAN = """
from wellposed.nn.scan import compiled
print(compiled.unavailable())
"""


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of builds of a process that has not loaded one yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for cached in (compiled.unavailable, compiled._load):
        cached.cache_clear()
    yield tmp_path / "cache" / "wellposed"
    for cached in (compiled.unavailable, compiled._load):
        cached.cache_clear()


def why_plain() -> str:
    """What is said about the compiled scan, after a scan that came out right without it."""
    dt, B = torch.ones(1, 3, 2), torch.ones(1, 3, 4)
    _, h = selective_scan(dt, dt, -torch.ones(2, 4), B, B)
    assert_close(h, torch.full((1, 2, 4), 1 - math.exp(-3)))
    return compiled.unavailable() or ""


@has_compiler
def test_a_build_is_loaded_again_and_leaves_nothing_else(tmp_path: Path):
    folder = tmp_path / "new" / "cache"
    build.library(folder)
    (made,) = folder.iterdir()
    before = made.stat().st_mtime_ns
    assert isinstance(build.library(folder), ctypes.CDLL)
    assert made.stat().st_mtime_ns == before


@has_compiler
def test_a_first_use_without_gradients_leaves_a_scan_that_has_them(fresh: Path):
    with torch.inference_mode():
        assert why_plain() == ""
    dt, B = torch.ones(1, 3, 2, requires_grad=True), torch.ones(1, 3, 4)
    _, h = selective_scan(dt, dt, -torch.ones(2, 4), B, B, backend="compiled")
    (slope,) = torch.autograd.grad(h.sum(), dt)
    assert slope.isfinite().all()
    assert len(list(fresh.glob("*.so"))) == 1


def test_without_a_compiler_the_scan_runs_in_plain_torch_and_says_why(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(fresh))
    assert why_plain().startswith("no C++ compiler on the PATH (c++, g++, clang++)")
    dt, B = torch.ones(1, 3, 2), torch.ones(1, 3, 4)
    with pytest.raises(build.NoKernel, match="no C"):
        selective_scan(dt, dt, -torch.ones(2, 4), B, B, backend="compiled")


@has_compiler
def test_a_cache_that_cannot_be_made_is_named(fresh: Path):
    fresh.parent.write_text("no folder", encoding="utf-8")
    said = why_plain()
    assert str(fresh) in said
    assert "set XDG_CACHE_HOME to a writable folder" in said


@has_compiler
def test_a_damaged_library_is_named_and_not_used(fresh: Path):
    # Built elsewhere for its name: what a process has loaded it never loads again from that place.
    build.library(fresh.parent)
    (whole,) = fresh.parent.iterdir()
    made = fresh / whole.name
    made.parent.mkdir()
    made.write_bytes(b"not a library")
    said = why_plain()
    assert str(made) in said
    assert "Remove that file" in said


@has_compiler
def test_what_does_not_compile_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken = tmp_path / "kernel.cpp"
    broken.write_text("this is not C++", encoding="utf-8")
    monkeypatch.setattr(build, "SOURCE", broken)
    with pytest.raises(build.NoKernel, match="could not build"):
        build.library(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@has_compiler
def test_a_kernel_that_computes_something_else_is_refused(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
):
    text = build.SOURCE.read_text(encoding="utf-8")
    wrong = fresh.parents[1] / "kernel.cpp"
    wrong.write_text(text.replace("G[n] = decayed;", "G[n] = whole;"), encoding="utf-8")
    monkeypatch.setattr(build, "SOURCE", wrong)
    assert "disagrees with the reference" in why_plain()


@has_compiler
@pytest.mark.slow
def test_two_processes_that_build_at_once_both_succeed(tmp_path: Path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    both = [
        subprocess.Popen([sys.executable, "-c", SCAN], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in both] == [b"None", b"None"]
    assert len(list((tmp_path / "wellposed").iterdir())) == 1
