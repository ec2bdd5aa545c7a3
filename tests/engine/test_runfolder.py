"""No run is written over, by accident or by two at once."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wellposed.engine.storage.runfolder import RunFolder
from wellposed.errors import RunError

HOLDER = """
import sys, time
from pathlib import Path
from wellposed.engine.storage.runfolder import RunFolder

with RunFolder(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run that was started."""
    folder = RunFolder.create(tmp_path / "mine", "enhance")
    folder.recipe.write_text("system: enhance\n")
    return folder


@contextmanager
def holder(folder: RunFolder) -> Iterator[subprocess.Popen[str]]:
    """Another process that trains in `folder`."""
    command = [sys.executable, "-c", HOLDER, str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def without_rights() -> Iterator[None]:
    """Stop being root for a while; for others nothing changes."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_run_without_a_path_is_named_after_system_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    paths = [RunFolder.create(None, "enhance").path for _ in range(3)]
    assert len(set(paths)) == 3
    for path in paths:
        assert re.fullmatch(r"runs/enhance-\d{8}-\d{6}(-\d)?", str(path))
        assert path.is_dir()


def test_an_empty_folder_and_a_start_that_died_before_the_recipe_can_be_used(tmp_path: Path):
    (tmp_path / ".lock-0").write_text("")
    (tmp_path / ".recipe.yaml.0badcafe.wellposed-tmp").write_text("")
    assert RunFolder.create(tmp_path, "enhance").path == tmp_path


def test_a_run_is_never_written_over(run: RunFolder):
    with pytest.raises(RunError, match=f"already holds a run.*`wellposed resume {run.path}`"):
        RunFolder.create(run.path, "enhance")


def test_a_folder_with_other_files_is_refused_and_one_of_them_named(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(RunError, match=r"is not empty \(thesis.tex\) and holds no run"):
        RunFolder.create(tmp_path, "enhance")


@pytest.mark.parametrize("below", ["file", "file/run"])
def test_a_file_in_the_way_is_told(tmp_path: Path, below: str):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="needs a folder, found a file on the way"):
        RunFolder.create(tmp_path / below, "enhance")


@pytest.mark.parametrize("below", ["", "run"])
def test_a_folder_that_is_not_writable_is_told(below: str):
    # Not tmp_path: its parents are closed to others, and so would be the first thing in the way.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        path = Path(name) / below
        with without_rights(), pytest.raises(RunError, match="writing is not allowed"):
            RunFolder.create(path, "enhance")


def test_opening_what_is_no_run_is_told(tmp_path: Path, run: RunFolder):
    assert RunFolder.open(run.path) == run
    with pytest.raises(RunError, match=r"is not a run \(no recipe.yaml in it\)"):
        RunFolder.open(tmp_path)
    with pytest.raises(RunError, match=r"is not a run \(it is a file\)"):
        RunFolder.open(Path(__file__))
    with pytest.raises(RunError, match=r"is not a run \(there is no such folder\)"):
        RunFolder.open(tmp_path / "nothing")


def test_two_processes_cannot_train_in_one_folder(run: RunFolder):
    with (
        holder(run) as other,
        pytest.raises(RunError, match=f"process {other.pid} on .* trains in this folder"),
        run.locked(),
    ):
        pass


def test_the_lock_of_a_killed_process_hinders_nobody(run: RunFolder):
    with holder(run) as other:
        other.kill()
        other.wait()
    assert str(other.pid) in (run.path / ".lock-0").read_text()
    with run.locked():
        assert str(os.getpid()) in (run.path / ".lock-0").read_text()


def test_ranks_of_one_run_do_not_lock_each_other_out(run: RunFolder):
    with run.locked(0), run.locked(1):
        pass
    with run.locked(0):
        pass


def test_every_file_has_its_place(run: RunFolder):
    names = "recipe environment log history findings checkpoints best alarms examples report"
    places = [getattr(run, name) for name in names.split()]
    assert len(set(places)) == len(places)
    assert all(place.parent == run.path for place in places)
    assert run.best_model == run.path / "best" / "model.safetensors"
