"""Alarms on disk come back bit for bit, without pickle, and damaged ones are refused."""

import json
import math

import numpy as np
import pytest
import torch

from wellposed.guard import Finding, Severity, Suspect, load_batch, save_batch
from wellposed.guard.npy import read, write
from wellposed.guard.rows import Row

GENERATOR = torch.Generator().manual_seed(0)
TENSORS = {
    "float32": torch.randn(3, 4, generator=GENERATOR),
    "float64": torch.randn(2, dtype=torch.float64, generator=GENERATOR),
    "complex64": torch.randn(2, 2, dtype=torch.complex64, generator=GENERATOR),
    "conjugated": torch.randn(2, dtype=torch.complex64, generator=GENERATOR).conj(),
    "transposed": torch.arange(6).reshape(2, 3).T,
    "scalar": torch.tensor(math.nan),
    "empty": torch.zeros(0, 3),
    "bool": torch.tensor([True, False]),
    "float16": torch.tensor([1.5, -2.0], dtype=torch.float16),
}


@pytest.mark.parametrize("name", TENSORS)
def test_numpy_reads_what_we_wrote_and_so_do_we(tmp_path, name):
    tensor = TENSORS[name]
    write(tmp_path / "x.npy", tensor)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), tensor.resolve_conj().numpy())
    again = read(tmp_path / "x.npy", tensor.dtype)
    torch.testing.assert_close(again, tensor, rtol=0, atol=0, equal_nan=True)


def test_we_read_what_numpy_wrote(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6, dtype=np.float32).reshape(2, 3))
    assert torch.equal(read(tmp_path / "x.npy", torch.float32), torch.arange(6.0).reshape(2, 3))


def test_bfloat16_is_the_upper_half_of_float32_stored_as_uint16(tmp_path):
    tensor = torch.tensor([1.0, -2.5, math.inf]).bfloat16()
    write(tmp_path / "x.npy", tensor)
    stored = np.load(tmp_path / "x.npy")
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(
        (stored.astype(np.uint32) << 16).view(np.float32), tensor.float().numpy()
    )
    assert torch.equal(read(tmp_path / "x.npy", torch.bfloat16), tensor)


def test_a_shortened_tensor_file_is_refused(tmp_path):
    write(tmp_path / "x.npy", torch.ones(4))
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-1])
    with pytest.raises(ValueError, match="found 15 bytes"):
        read(tmp_path / "x.npy", torch.float32)


FINDING = Finding(
    "WP301", "a title", Severity.FAIL, 7, 6, {"loss": math.inf}, (Suspect("a", "b"),), "c"
)


def test_a_nested_batch_comes_back_as_it_was(tmp_path):
    batch = {
        "noisy": torch.randn(2, 5, generator=GENERATOR),
        "meta": {"$tensor": "a key of ours", "level_db": -math.inf, "pair": (1, [None, "x"])},
    }
    folder = save_batch(tmp_path, 7, batch, [Row(7, {"gradient_norm": math.inf})], FINDING)
    assert folder == tmp_path / "step-00000007"
    alarm = load_batch(folder)
    assert (alarm.step, alarm.finding) == (7, FINDING)
    assert alarm.rows == [Row(7, {"gradient_norm": math.inf})]
    assert alarm.batch["meta"] == batch["meta"]
    assert torch.equal(alarm.batch["noisy"], batch["noisy"])


def test_an_alarm_is_never_overwritten_and_leaves_no_half_written_folder(tmp_path):
    save_batch(tmp_path, 7, {"x": torch.ones(1)})
    save_batch(tmp_path, 7, {"x": torch.zeros(1)})
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["step-00000007", "step-00000007-2"]
    assert load_batch(tmp_path / names[0]).batch["x"] == 1


def test_what_cannot_be_saved_is_named_by_its_type(tmp_path):
    alarm = load_batch(save_batch(tmp_path, 1, {"thing": object()}))
    assert alarm.batch == {"thing": "not saved: object"}


@pytest.mark.parametrize("file", ["../../secret.npy", "/etc/passwd"])
def test_an_index_that_points_out_of_its_folder_is_refused(tmp_path, file):
    folder = save_batch(tmp_path, 1, {"x": torch.ones(1)})
    index = json.loads((folder / "batch.json").read_text())
    index["batch"]["x"]["$tensor"] = file
    (folder / "batch.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="no tensor of ours"):
        load_batch(folder)
