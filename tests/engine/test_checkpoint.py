"""A damaged generation never hides a good one, and never passes for one."""

import fcntl
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from wellposed.engine.storage.checkpoint import latest, load, save, steps_of
from wellposed.errors import CheckpointError


def state_at(step: int) -> dict[str, Any]:
    return {"step": step, "weight": torch.full((50,), float(step)), "moments": {0: [step, None]}}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good generations, of steps 100 and 200."""
    for step in (100, 200):
        save(tmp_path / "checkpoints", step, state_at(step))
    return tmp_path / "checkpoints"


def test_a_saved_state_is_loaded_as_it_was(folder: Path):
    path, state, damaged = latest(folder)
    assert path.name == "step-00000200.safetensors"
    assert state["moments"] == {0: [200, None]}
    assert torch.equal(state["weight"], torch.full((50,), 200.0))
    assert damaged == []


def test_every_kind_of_tensor_comes_back_through_a_file(tmp_path: Path):
    base = torch.arange(12.0).reshape(3, 4)
    kinds = {
        "bfloat16": torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
        "bool": torch.tensor([True, False, True]),
        "zero_dim": torch.tensor(7),
        "empty": torch.empty(0, 3),
        "transposed": base.T,
        "strided": base[:, ::2],
        "shared": base[1],
        "expanded": torch.ones(1).expand(3),
        "complex": torch.tensor([1 + 2j]).conj(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    back = load(save(tmp_path, 1, kinds))
    for name, tensor in kinds.items():
        torch.testing.assert_close(back[name], tensor.data, rtol=0, atol=0, equal_nan=True)
        assert back[name].is_contiguous()


def test_other_tools_can_read_the_tensors(folder: Path):
    tensors = load_file(folder / "step-00000200.safetensors")
    assert torch.equal(tensors["weight"], torch.full((50,), 200.0))


def test_only_the_newest_generations_are_kept(folder: Path):
    save(folder, 300, state_at(300))
    assert names(folder) == ["step-00000200.safetensors", "step-00000300.safetensors"]
    save(folder, 400, state_at(400), keep=1)
    assert names(folder) == ["step-00000400.safetensors"]


def test_a_future_that_was_left_is_removed_by_the_next_save(folder: Path):
    save(folder, 150, state_at(150))
    assert sorted(steps_of(folder)) == [100, 150]


def test_any_flipped_byte_is_seen_and_the_generation_before_is_used(folder: Path):
    path = folder / "step-00000200.safetensors"
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        flipped = whole[position] ^ (1 << position % 8)
        path.write_bytes(whole[:position] + bytes([flipped]) + whole[position + 1 :])
        with pytest.raises(CheckpointError, match=r"step-00000200.safetensors is damaged \(.+\)"):
            load(path)
    used, state, damaged = latest(folder)
    assert used.name == "step-00000100.safetensors"
    assert state["step"] == 100
    assert [damage.path for damage in damaged] == [path]
    assert "is damaged (digest differs)" in damaged[0].reason


def test_a_file_cut_anywhere_or_grown_is_seen(folder: Path):
    path = folder / "step-00000200.safetensors"
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="cut short"):
            load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(CheckpointError, match="digest differs"):
        load(path)
    assert latest(folder)[1]["step"] == 100


def test_a_file_of_another_kind_is_named(tmp_path: Path):
    path = tmp_path / "step-00000001.safetensors"
    with pytest.raises(CheckpointError, match=r"step-00000001.safetensors: there is no such file"):
        load(path)
    path.mkdir()
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory"):
        load(path)


def test_when_all_are_damaged_each_reason_is_told(folder: Path):
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"(?s)all 2 .*00200.*cut short.*00100.*cut short"):
        latest(folder)


def test_a_folder_without_checkpoints_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(CheckpointError, match="nothing: no checkpoint"):
        latest(tmp_path / "nothing")


KILLS = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from wellposed.engine.storage import atomic, checkpoint

folder = Path(sys.argv[1])
progress, report = os.pipe()

def save_for_ever(step, fatal):
    if fatal:
        setattr(*fatal, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    while True:
        step += 1
        weight = torch.full((20_000,), float(step))
        checkpoint.save(folder, step, {"step": step, "weight": weight})
        os.write(report, step.to_bytes(8, "big"))

def kill_a_saver_after(step, delay, fatal):
    child = os.fork()  # a fresh process each, without importing torch again
    if child == 0:
        save_for_ever(step, fatal)
    if not fatal:
        step = int.from_bytes(os.read(progress, 8), "big")
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    os.write(report, bytes(8))
    while number := int.from_bytes(os.read(progress, 8), "big"):
        step = number
    _, state, damaged = checkpoint.latest(folder)
    assert not damaged
    assert torch.equal(state["weight"], torch.full((20_000,), float(state["step"])))
    return step, state["step"]

step, draw = 0, random.Random(0)
for _ in range(20):
    finished, step = kill_a_saver_after(step, draw.uniform(0, 0.03), None)
    assert step in (finished, finished + 1), (step, finished)
places = ((os, "fsync"), 0), ((os, "replace"), 0), ((atomic, "sync_folder"), 1)
for fatal, survivor in places:
    _, found = kill_a_saver_after(step, 0, fatal)
    assert found == step + survivor, (fatal, found, step)
    print(len(list(folder.glob(".*"))))
"""


def test_a_kill_at_any_moment_leaves_a_complete_state(tmp_path: Path):
    # 20 kills at random moments, then one before the sync and one before the rename (each leaves
    # a temporary file, which the next save sweeps), and one just after the rename.
    command = [sys.executable, "-c", KILLS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "1", "0"]
    save(tmp_path, 10_000, state_at(10_000))
    assert len(names(tmp_path)) == 2
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_is_told_and_nothing_is_lost(folder: Path):
    # A limit on the size of a file is what a process can impose on itself; the system refuses
    # the write in the middle, as it does on a full disk.
    before = names(folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(CheckpointError, match=r"step-00000300.*not written: no space left \("):
            save(folder, 300, {"weight": torch.zeros(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(folder) == before
    assert latest(folder)[1]["step"] == 200


def test_a_disk_that_fills_up_while_syncing_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"no space left \(No space left on device; \d+ MB"):
        save(folder, 300, state_at(300))
    assert sorted(steps_of(folder)) == [100, 200]
    assert len(names(folder)) == 2


def test_a_disk_that_gives_back_other_bytes_keeps_the_old_generations(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("wellposed.engine.storage.tensorfile._DIGITS", 63)
    with pytest.raises(CheckpointError, match="damaged"):
        save(folder, 300, state_at(300))
    assert sorted(steps_of(folder)) == [100, 200]
    assert len(names(folder)) == 2


def test_a_folder_that_is_not_writable_is_told():
    # Not tmp_path: its parents are closed to others, and so would be the first thing in the way.
    with tempfile.TemporaryDirectory() as name:
        folder, root = Path(name), os.geteuid() == 0
        save(folder, 100, state_at(100))
        folder.chmod(0o555)
        if root:
            os.seteuid(65534)
        try:
            with pytest.raises(CheckpointError, match="writing is not allowed"):
                save(folder, 200, state_at(200))
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)
        assert latest(folder)[1]["step"] == 100


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path):
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(CheckpointError, match="checkpoints: cannot be made: File exists"):
        save(tmp_path / "checkpoints", 1, state_at(1))


def test_the_temporary_file_of_a_living_writer_is_left_alone(folder: Path):
    theirs = folder / ".step-00000900.safetensors.0badcafe.wellposed-tmp"
    with theirs.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        save(folder, 300, state_at(300))
        assert theirs.exists()
    save(folder, 400, state_at(400))
    assert not theirs.exists()
