"""Weights: found where they may be, refused when they are not the ones of an enhancer."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wellposed.engine.storage.modelfile import load_model, save_model
from wellposed.engine.use import open_device
from wellposed.errors import CheckpointError, RecipeError
from wellposed.systems.enhance import use
from wellposed.systems.enhance.loading import WEIGHTS, load_network
from wellposed.systems.enhance.use import Enhancer

CPU = torch.device("cpu")


def test_a_run_folder_its_file_and_a_shipped_name_are_the_same_network(
    run_folder, noise, monkeypatch, tmp_path
):
    weights = run_folder / "best" / "model.safetensors"
    (tmp_path / f"{WEIGHTS.default}.safetensors").write_bytes(weights.read_bytes())
    monkeypatch.setattr(use, "WEIGHTS", replace(WEIGHTS, folder=tmp_path))
    waveform = noise(1, 8_000)
    expected = Enhancer.load(run_folder)(waveform, 16_000)
    for model in (str(run_folder), weights, WEIGHTS.default, None):
        np.testing.assert_array_equal(Enhancer.load(model)(waveform, 16_000), expected)


def test_loading_leaves_the_generator_of_the_caller_alone(run_folder):
    before = torch.random.get_rng_state()
    Enhancer.load(run_folder)
    assert torch.equal(before, torch.random.get_rng_state())


def test_without_weights_the_message_says_how_to_get_some(tmp_path):
    weights = replace(WEIGHTS, folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"shipped: nothing.*train.*--model"):
        weights.find(None)
    (tmp_path / "other.safetensors").touch()
    with pytest.raises(CheckpointError, match="shipped: other"):
        weights.find(None)
    with pytest.raises(CheckpointError, match="no such weights"):
        weights.find(tmp_path / "missing.safetensors")
    with pytest.raises(CheckpointError, match=r"no best/model\.safetensors"):
        weights.find(tmp_path)


def test_weights_of_something_else_are_refused(run_folder, tmp_path):
    tensors, card = load_model(run_folder / "best" / "model.safetensors")
    name, first = next(iter(tensors.items()))
    path = tmp_path / "x.safetensors"
    newer = {**card["recipe"], "invented": 1}
    for weights, other, problem in [
        (tensors, {**card, "system": "codec"}, "system 'codec'"),
        (tensors, {"system": "enhance"}, "no recipe"),
        (tensors, {**card, "recipe": newer}, "unknown key invented"),
        ({k: v for k, v in tensors.items() if k != name}, card, "do not fit"),
        ({**tensors, name: first * torch.nan}, card, "NaN or infinite weights"),
    ]:
        save_model(path, weights, other)
        with pytest.raises(CheckpointError, match=problem):
            load_network(path, CPU)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"x\.safetensors"):
        load_network(path, CPU)


def test_a_device_that_is_not_there_is_refused():
    assert open_device("cpu") == CPU
    with pytest.raises(RecipeError, match="want auto, cpu, cuda"):
        open_device("toaster")
    with pytest.raises(RecipeError, match="CUDA"):
        open_device("cuda:99")
