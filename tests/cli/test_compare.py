"""`wellposed compare` from the command line: equal runs, a changed layer, other networks."""

import csv
import json
from pathlib import Path

import pytest
import torch

from wellposed.cli import main
from wellposed.engine.storage.modelfile import load_model, save_model
from wellposed.systems.enhance.loading import WEIGHTS
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.recipe import EnhanceRecipe, Model, Scenes

QUICK = ("--metrics", "si_sdr_db", "level_error_db")
FEW = ("--scenes", "3", "--walk", "2", *QUICK)


def made(path: Path, *, depth: int = 1, rate: int = 16000, features: int = 8) -> str:
    recipe = EnhanceRecipe(
        model=Model(features=features, hidden=8, depth=depth, taps_hidden=8),
        scenes=Scenes(rate=rate, validation_seconds=1.0),
    )
    torch.manual_seed(0)
    network = Bsrnn(recipe.model, rate)
    tensors = {f"model/{name}": value for name, value in network.state_dict().items()}
    save_model(path, tensors, {"system": "enhance", "recipe": recipe.model_dump(mode="json")})
    return str(path)


def test_the_shipped_weights_with_one_layer_changed_part_at_that_layer(tmp_path: Path, capsys):
    tensors, card = load_model(WEIGHTS.folder / f"{WEIGHTS.default}.safetensors")
    name = "model/paths.layers.2.out.weight"
    tensors[name] = tensors[name] * 1.01
    changed = tmp_path / "changed.safetensors"
    save_model(changed, tensors, card)
    asked = [
        "compare",
        WEIGHTS.default,
        WEIGHTS.default,
        str(changed),
        *FEW,
        "-o",
        str(tmp_path / "out"),
    ]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "equal bit for bit: every weight, every layer, every output" in said
    assert "79 of 80 tensors are equal bit for bit; the first that differs is paths" in said
    assert "first apart beyond rounding: paths.layers.2.out" in said
    assert "0/0/3" in said  # no wins and no losses against oneself
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    same, other = found["against_the_first"]
    assert same["equal_bit_for_bit"]
    assert other["first_parted"] == "paths.layers.2.out"
    with (tmp_path / "out" / "items.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2
    assert all(row[WEIGHTS.default] for row in rows)


def test_networks_of_another_depth_are_matched_by_what_parts_are_for(tmp_path: Path, capsys):
    first, other = made(tmp_path / "a.safetensors"), made(tmp_path / "b.safetensors", depth=2)
    assert main(["compare", first, other, *FEW, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["against_the_first"][0]
    assert found["layers_by"] == "role"
    assert found["recipe"] == {"model.depth": [1, 2]}
    layers = {layer["layer"]: layer for layer in found["layers"]}
    assert list(layers) == [
        "features", "split", "time path 1", "band path 1", "taps (mask)",
        "time path 2", "band path 2", "output",
    ]  # fmt: skip
    # One seed: the first random numbers, those of the split, are the same.
    assert layers["split"]["equal"] == 2
    assert layers["time path 2"]["shapes"][0] is None


def test_pairs_of_files_can_be_compared(tmp_path: Path, shared_data, capsys):
    first, other = made(tmp_path / "a.safetensors"), made(tmp_path / "b.safetensors", features=12)
    pairs = tmp_path / "pairs"
    for side in ("clean", "noisy"):
        (pairs / side).mkdir(parents=True)
        for file in sorted((shared_data / "paired" / side).iterdir())[:2]:
            (pairs / side / file.name).write_bytes(file.read_bytes())
    assert main(["compare", first, other, "--pairs", str(pairs), *QUICK]) == 0
    said = capsys.readouterr().out
    assert f"fed with 2 pairs of {pairs}" in said
    assert "| 1x" in said  # shapes of features that cannot be subtracted


def test_what_cannot_be_compared_is_said(tmp_path: Path, capsys):
    first, fast = made(tmp_path / "a.safetensors"), made(tmp_path / "b.safetensors", rate=24000)
    assert main(["compare", first, fast]) == 1
    assert "is for 24000 Hz" in capsys.readouterr().err
    assert main(["compare", first]) == 1
    assert "wanted at least two models, found 1" in capsys.readouterr().err
    assert main(["compare", first, first, "--scenes", "0"]) == 1
    assert "wanted --scenes and --walk of 1 or more" in capsys.readouterr().err
    assert main(["compare", first, first, "--pairs", ".", "--data", "."]) == 1
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["si_sd", "pesk"])
def test_an_unknown_metric_is_named(tmp_path: Path, capsys, name):
    first = made(tmp_path / "a.safetensors")
    assert main(["compare", first, first, "--metrics", name]) == 1
    assert "unknown metric" in capsys.readouterr().err
