"""The exported step run by onnxruntime against PyTorch, and what its file says of itself."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wellposed import __version__
from wellposed.cli import main
from wellposed.engine.storage.modelfile import load_model
from wellposed.errors import CheckpointError, RunError
from wellposed.nn.dualpath import BLOCKS
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.onnxfile import METADATA, require, run_onnx, write_onnx
from wellposed.systems.enhance.recipe import Model
from wellposed.systems.enhance.use import Enhancer
from wellposed.systems.enhance.walk import Walk

DOCS = Path(__file__).resolve().parents[3] / "docs" / "enhance.md"
CARD = {"system": "enhance", "step": 7, "licence": "CC0-1.0"}


@pytest.fixture(scope="module", params=BLOCKS)
def exported(request, tmp_path_factory) -> tuple[Bsrnn, Path]:
    """A small causal network and its file."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra onnx)")
    torch.manual_seed(0)
    recipe = Model(block=request.param, features=8, hidden=8, depth=1, taps_hidden=8, causal=True)
    network = Bsrnn(recipe, 16_000).eval()
    with torch.no_grad():
        network.taps.outer.mul_(2.0)
    path = tmp_path_factory.mktemp("onnx") / "step.onnx"
    write_onnx(network, path, CARD)
    return network, path


@pytest.mark.slow
def test_thirty_seconds_of_the_exported_step_are_those_of_torch(exported, noise):
    network, path = exported
    noisy = noise(1, 30 * 16_000)
    walk = Walk(network)
    found = run_onnx(path, noisy)[:, walk.delay :]
    wanted = Enhancer(network)(noisy, 16_000)[:, : found.shape[1]]
    assert np.abs(wanted - noisy[:, : found.shape[1]]).max() > 0.02
    # A bin that is almost empty by chance magnifies the rounding of the transform, here once.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)
    assert np.std(found - wanted) < 1e-6


@pytest.mark.slow
def test_the_file_says_what_is_needed_to_run_it_and_nothing_of_this_machine(exported):
    onnx = pytest.importorskip("onnx")
    network, path = exported
    model = onnx.load(path)
    onnx.checker.check_model(model)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told.keys() == METADATA.keys()
    assert (told["rate"], told["window"], told["hop"]) == ("16000", "512", "256")
    assert (told["delay_samples"], told["latency_ms"]) == ("256", "31.9375")
    assert told["licence"] == "CC0-1.0"
    assert json.loads(told["card"]) == CARD
    assert told["producer"] == f"wellposed {__version__}"
    states = {name: list(value.shape) for name, value in Walk(network).rest(1).items()}
    assert json.loads(told["states"]) == states
    inputs = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in model.graph.input
    }
    assert inputs == {"samples": [1, 256], **states}
    outputs = [value.name for value in model.graph.output]
    assert outputs == ["enhanced", *(f"{name}.next" for name in states)]
    assert os.fsencode(Path(__file__).parents[3]) not in path.read_bytes()
    assert os.fsencode(sys.prefix) not in path.read_bytes()


@pytest.mark.slow
def test_the_example_of_the_docs_makes_what_the_enhancer_makes(exported, noise, monkeypatch):
    network, path = exported
    text = DOCS.read_text(encoding="utf-8")
    example = re.search(r"```python\n(import json\n.*?)```", text, re.DOTALL)
    assert example is not None
    monkeypatch.chdir(path.parent)
    names = {"speech": noise(1, 10_001)[0]}
    exec(example.group(1), names)
    wanted = Enhancer(network)(names["speech"], 16_000)
    np.testing.assert_allclose(names["clean"], wanted, rtol=0, atol=1e-5)


def test_exporting_a_network_that_looks_ahead_is_refused(tmp_path, capsys):
    with pytest.raises(CheckpointError, match=r"model\.causal True"):
        write_onnx(Bsrnn(Model(), 16_000), tmp_path / "a.onnx", {})
    assert main(["export", "bsrnn-small", "--onnx", str(tmp_path / "a.onnx")]) == 1
    assert "model.causal True" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_its_extra(monkeypatch, weights, tmp_path, capsys):
    with pytest.raises(RunError, match=r"needs no_such_a and no_such_b.*wellposed\[onnx\]"):
        require("no_such_a", "no_such_b")
    monkeypatch.setattr("wellposed.systems.enhance.onnxfile.find_spec", lambda name: None)
    assert main(["export", str(weights), "--onnx", str(tmp_path / "a.onnx")]) == 1
    assert "onnx and onnxscript, which are not installed" in capsys.readouterr().err


def test_an_export_without_a_file_is_a_usage_error(weights, capsys):
    assert main(["export", str(weights)]) == 2
    assert "-o FILE or --onnx FILE" in capsys.readouterr().err


def test_an_exported_weights_file_keeps_its_licence(weights, tmp_path):
    path = tmp_path / "a.safetensors"
    assert main(["export", str(weights), "-o", str(path), "--licence", "CC-BY-4.0"]) == 0
    assert load_model(path)[1]["licence"] == "CC-BY-4.0"
    assert main(["export", str(weights), "-o", str(path)]) == 1
