"""Training that starts from given weights."""

import pytest
import torch

from wellposed.engine.storage.modelfile import save_model
from wellposed.engine.use import start_from
from wellposed.errors import CheckpointError


def network() -> torch.nn.Linear:
    return torch.nn.Linear(3, 2)


def test_the_networks_hold_the_weights_of_the_file_afterwards(tmp_path):
    given, made = network(), network()
    tensors = {f"model/{name}": value.detach() for name, value in given.named_parameters()}
    save_model(tmp_path / "w.safetensors", tensors, {})
    start_from({"model": made}, tmp_path / "w.safetensors")
    for name, value in made.named_parameters():
        assert torch.equal(value, dict(given.named_parameters())[name])


def test_weights_of_another_size_are_refused_by_the_name_of_the_first_that_differs(tmp_path):
    tensors = {"model/weight": torch.zeros(4, 3), "model/bias": torch.zeros(4)}
    save_model(tmp_path / "w.safetensors", tensors, {})
    with pytest.raises(CheckpointError, match="do not fit the network of its recipe"):
        start_from({"model": network()}, tmp_path / "w.safetensors")


def test_a_network_that_joins_later_keeps_its_own_weights_but_the_first_must_be_there(tmp_path):
    given, made, critic = network(), network(), network()
    fresh = {name: value.detach().clone() for name, value in critic.named_parameters()}
    tensors = {f"model/{name}": value.detach() for name, value in given.named_parameters()}
    save_model(tmp_path / "w.safetensors", tensors, {})
    start_from({"model": made, "critic": critic}, tmp_path / "w.safetensors")
    assert torch.equal(made.weight, given.weight)
    assert all(torch.equal(value, fresh[name]) for name, value in critic.named_parameters())
    with pytest.raises(CheckpointError, match="do not fit"):
        start_from({"other": made}, tmp_path / "w.safetensors")


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(CheckpointError, match="nothing\\.safetensors"):
        start_from({"model": network()}, tmp_path / "nothing.safetensors")
