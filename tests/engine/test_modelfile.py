"""Weights come back with their card, or not at all."""

import math
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from safetensors.torch import load_file

from wellposed.engine.storage.checkpoint import load, save
from wellposed.engine.storage.modelfile import load_model, save_model
from wellposed.errors import CheckpointError

WEIGHTS = {"model/a.weight": torch.arange(6.0).reshape(2, 3).T, "b": torch.ones(2).bfloat16()}
CARD = {"system": "enhance", "step": 1200, "value": 8.1, "recipe": {"loss": {"mel": math.inf}}}


def test_weights_and_card_come_back_and_other_tools_see_the_same_names(tmp_path: Path):
    save_model(tmp_path / "model.safetensors", WEIGHTS, CARD)
    weights, card = load_model(tmp_path / "model.safetensors")
    assert card == CARD
    plain = load_file(tmp_path / "model.safetensors")
    assert weights.keys() == plain.keys() == WEIGHTS.keys()
    for name, tensor in WEIGHTS.items():
        assert torch.equal(weights[name], tensor)
        assert torch.equal(plain[name], tensor)


def test_a_damaged_file_is_refused(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    save_model(path, WEIGHTS, CARD)
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged \(digest differs\)"):
        load_model(path)


def test_a_write_that_fails_keeps_the_model_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "model.safetensors"
    save_model(path, WEIGHTS, CARD)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(CheckpointError, match="not written: no space left"):
        save_model(path, WEIGHTS, {"step": 2})
    assert load_model(path)[1] == CARD
    assert [each.name for each in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_checkpoint_is_no_model_and_a_model_no_checkpoint(tmp_path: Path):
    save_model(tmp_path / "model.safetensors", WEIGHTS, CARD)
    step = save(tmp_path, 1, {"step": 1})
    with pytest.raises(CheckpointError, match="format 'wellposed-checkpoint/1', wanted"):
        load_model(step)
    with pytest.raises(CheckpointError, match="format 'wellposed-model/1', wanted"):
        load(tmp_path / "model.safetensors")


def test_what_a_model_file_cannot_hold_is_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"phase is of type torch.complex64"):
        save_model(tmp_path / "m", {"phase": torch.zeros(1, dtype=torch.complex64)}, {})
    with pytest.raises(CheckpointError, match=r"card holds a tensor \(scores\)"):
        save_model(tmp_path / "m", {}, {"scores": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"not written: the folder .* does not exist"):
        save_model(tmp_path / "nowhere" / "m", WEIGHTS, CARD)


def test_a_file_of_torch_save_is_told_as_one_and_not_read(tmp_path: Path):
    with ZipFile(tmp_path / "model.pt", "w") as file:
        file.writestr("model/data.pkl", b"code")
    with pytest.raises(CheckpointError, match=r"model\.pt: found a zip, as torch\.save writes"):
        load_model(tmp_path / "model.pt")
    (tmp_path / "notes.txt").write_text("These are no weights, but words.")
    with pytest.raises(CheckpointError, match=r"no \.safetensors file, or cut short at 32 bytes"):
        load_model(tmp_path / "notes.txt")
