"""How a process of the command line takes memory: asked, refused, and what it does."""

import json
import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from wellposed.cli import evaluate, locate, main, process

GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
CHILD = """
import json, resource, sys
from wellposed.cli.process import keep_freed

def touched():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    whole = b"x" * 100_000_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

kept = keep_freed() if sys.argv[1] == "keep" else None
print(json.dumps([kept, [touched() for _ in range(5)]]))
"""


def child(what: str, **environment: str) -> tuple[bool | None, list[int]]:
    """Whether memory is kept, and the page faults of five blocks, each freed before the next."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MALLOC_") and name != "GLIBC_TUNABLES"
    }
    command = [sys.executable, "-c", CHILD, what]
    done = subprocess.run(command, env=clean | environment, check=True, capture_output=True)
    kept, faults = json.loads(done.stdout)
    if not faults[0]:
        pytest.skip("this system counts no page faults")
    return kept, faults


@GLIBC
def test_a_block_that_was_freed_is_taken_again_without_page_faults():
    kept, faults = child("keep")
    assert kept is True
    assert sum(faults[1:]) < faults[0]


@GLIBC
def test_without_that_every_block_faults_in_anew():
    _, faults = child("leave")
    assert sum(faults[1:]) > faults[0]


@GLIBC
@pytest.mark.parametrize(
    "own", [{"MALLOC_TRIM_THRESHOLD_": "131072"}, {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=9"}]
)
def test_what_the_user_has_set_wins(own):
    kept, faults = child("keep", **own)
    assert kept is False
    assert sum(faults[1:]) > faults[0]


def test_other_tunables_of_the_library_are_no_setting_of_memory(monkeypatch):
    asked = []
    library = SimpleNamespace(mallopt=lambda name, value: asked.append((name, value)) or 1)
    monkeypatch.setattr(process.ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(process.sys, "platform", "linux")
    assert process.keep_freed({"GLIBC_TUNABLES": "glibc.rtld.nns=2"})
    assert asked == [(process.M_MMAP_MAX, 0), (process.M_TRIM_THRESHOLD, -1)]


def test_a_library_without_such_a_setting_is_left_alone(monkeypatch):
    monkeypatch.setattr(process.ctypes, "CDLL", lambda name: SimpleNamespace())
    monkeypatch.setattr(process.sys, "platform", "linux")
    assert not process.keep_freed({})


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_not_even_asked(monkeypatch, system):
    def never(name):
        raise AssertionError("a library was opened")

    monkeypatch.setattr(process.ctypes, "CDLL", never)
    monkeypatch.setattr(process.sys, "platform", system)
    assert not process.keep_freed({})


def test_a_setting_of_the_environment_is_not_overwritten():
    given = {"OMP_NUM_THREADS": "7"}
    process.set_up(given)
    assert given["OMP_NUM_THREADS"] == "7"
    assert given["THP_MEM_ALLOC_ENABLE"] == "1"


def test_locating_keeps_memory_and_so_does_scoring_a_locator(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(locate, "keep_freed", lambda: asked.append("locate"))
    monkeypatch.setattr(evaluate, "keep_freed", lambda: asked.append("evaluate"))
    file = str(tmp_path / "scene.npz")
    assert main(["locate", "example", "-o", file]) == 0
    assert main(["locate", file, "--start", "pursuit"]) == 0
    assert main(["evaluate", "surface-small", "--scenes", "2"]) == 0
    assert asked == ["locate", "evaluate"]
