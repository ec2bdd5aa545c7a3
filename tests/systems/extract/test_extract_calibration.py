"""Calibration: outputs at the level of their targets, and a threshold between both kinds."""

from statistics import median

import pytest
import torch
from little_extractor import little_network, little_recipe

from wellposed.cli import main
from wellposed.engine.storage.modelfile import load_model, save_model
from wellposed.errors import DataError
from wellposed.systems.extract.calibration import calibrate
from wellposed.systems.extract.loading import load_network
from wellposed.systems.extract.scoring import score_scene
from wellposed.systems.extract.system import ExtractSystem, extracted

SCENES = 16


def levels(network, recipe) -> list[float]:
    system = ExtractSystem(recipe)
    found = []
    for number in range(SCENES):
        item = system.item("valid", number)
        wave = extracted({"model": network}, item).estimate[0].numpy()
        score = score_scene(item, wave, recipe.scenes.rate, ["level_error_db"])["level_error_db"]
        if score.value is not None:
            found.append(score.value)
    return found


def test_amplifying_scales_every_output_and_nothing_else():
    network, item = little_network(), ExtractSystem(little_recipe()).item("valid", 1)
    before = extracted({"model": network}, item)
    network.amplify(0.5)
    after = extracted({"model": network}, item)
    torch.testing.assert_close(after.estimate, 0.5 * before.estimate)
    torch.testing.assert_close(after.frames, before.frames, rtol=0, atol=0)


def test_the_median_level_is_right_afterwards_and_the_threshold_lies_where_it_says():
    network, recipe = little_network(), little_recipe()
    network.amplify(0.3)
    median_before = median(levels(network, recipe))
    done = calibrate(network, recipe, SCENES)
    assert done.gain_db == pytest.approx(-median_before, abs=1e-3)
    assert median(levels(network, recipe)) == pytest.approx(0, abs=1e-3)
    assert float(network.threshold) == pytest.approx(done.threshold)
    assert done.present + done.absent == SCENES


def test_scenes_of_one_kind_alone_are_refused():
    with pytest.raises(DataError, match="both are wanted"):
        calibrate(little_network(), little_recipe(), 1)


def test_export_writes_what_it_set_into_weights_and_card(tmp_path, capsys):
    network, recipe = little_network(), little_recipe()
    card = {"system": "extract", "recipe": recipe.model_dump(mode="json"), "step": 3}
    source, target = tmp_path / "raw.safetensors", tmp_path / "given.safetensors"
    tensors = {f"model/{name}": value for name, value in network.state_dict().items()}
    save_model(source, tensors, card)
    assert main(["export", str(source), "-o", str(target), "--calibrate", str(SCENES)]) == 0
    assert "threshold of presence" in capsys.readouterr().out
    made, _ = load_network(target, torch.device("cpu"))
    assert median(levels(made, recipe)) == pytest.approx(0, abs=1e-3)
    assert load_model(target)[1]["calibrated"]["threshold"] == pytest.approx(float(made.threshold))


def test_export_finds_what_is_shipped_and_wants_both_or_neither_of_its_options(tmp_path, capsys):
    target = tmp_path / "given.safetensors"
    assert main(["export", "speaker-1m", "-o", str(target), "--data", str(tmp_path)]) == 2
    assert "give both" in capsys.readouterr().err
    assert not target.exists()
    assert main(["export", "speaker-1m", "-o", str(target)]) == 0
    assert load_model(target)[1]["system"] == "extract"
