"""`wellposed audit enhance --ranges` from the command line, with a network made on the spot."""

import json
from pathlib import Path

import pytest
import torch

from wellposed.cli import main
from wellposed.engine.storage.modelfile import save_model
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.ranges import TrainingScenes, units
from wellposed.systems.enhance.recipe import EnhanceRecipe, Model, Scenes
from wellposed.systems.enhance.system import Enhance

RECIPE = EnhanceRecipe(
    model=Model(features=8, hidden=8, depth=1, taps_hidden=8), scenes=Scenes(seconds=0.5)
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = Bsrnn(RECIPE.model, RECIPE.scenes.rate)
    tensors = {f"model/{name}": value for name, value in network.state_dict().items()}
    path = tmp_path / "small.safetensors"
    save_model(path, tensors, {"system": "enhance", "recipe": RECIPE.model_dump(mode="json")})
    return path


def test_the_table_and_what_a_clamp_would_change_are_printed(weights: Path, capsys):
    # Joined by "=": argparse takes a value that begins with "-" for an option.
    asked = ["audit", "enhance", "--ranges", "--model", str(weights), "--groups", "2"]
    assert main([*asked, "--clamp", "paths.layers.?=-0.1:0.1", "--point", "split", "output"]) == 0
    said = capsys.readouterr().out
    assert "20 training scenes of 0.5 s" in said
    lines = [line for line in said.splitlines() if line.startswith(("split", "output", "taps"))]
    assert [line.split()[0] for line in lines] == ["split", "output"]
    assert "clamp paths.layers.?=-0.1:0.1" in said
    assert "  loss: " in said


def test_json_has_every_point(weights: Path, capsys):
    asked = ["audit", "enhance", "--ranges", "--model", str(weights), "--groups", "1", "--json"]
    assert main(asked) == 0
    found = json.loads(capsys.readouterr().out)
    points = {each["point"]: each for each in found["points"]}
    assert {"input", "split:input", "paths.layers.0.lstm", "taps", "output"} <= points.keys()
    # 10 scenes of 0.5 s at 16 kHz, once as ten and once as one.
    assert points["input"]["short"]["values"] == points["input"]["long"]["values"] == 80_000
    assert points["input"]["growth"]["low"] == "nan"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--clamp", "tap=0:1"], "no point of this network is so named; near: taps"),
        (["--clamp", "taps"], "wanted PATTERN=LOW:HIGH"),
        (["--groups", "0"], "wanted at least one group"),
    ],
)
def test_what_cannot_be_asked_is_said_before_the_work(weights: Path, capsys, more, said):
    assert main(["audit", "enhance", "--ranges", "--model", str(weights), *more]) == 1
    assert said in capsys.readouterr().err


def test_joined_scenes_are_the_scenes_at_one_level():
    scenes = TrainingScenes(Enhance(RECIPE), 1)
    (group,) = scenes.groups()
    assert group.short.shape == (10, 8000)
    assert torch.equal(group.long[0, 8000:16000], group.short[1])
    torch.testing.assert_close(group.short.square().mean(-1).sqrt(), torch.full((10,), 0.05))


def test_memory_has_milliseconds_along_time_and_bands_across_bands():
    network = Bsrnn(RECIPE.model, RECIPE.scenes.rate)
    found = units(network, 16.0)
    assert found["paths.layers.0.lstm:memory"] == (16.0, "ms")
    assert found["paths.layers.1.lstm:memory"] == (1.0, "bands")
