"""Evaluation: every scene has its row, scenarios their table, enrolments are exchanged."""

import json
from typing import Any

import pytest
import torch
from little_extractor import little_network, little_recipe

from wellposed.cli import main
from wellposed.engine.storage.modelfile import save_model
from wellposed.errors import DataError
from wellposed.systems.extract.evaluation import evaluate
from wellposed.systems.extract.kinds import SCENARIOS
from wellposed.systems.extract.system import ExtractSystem


class Oracle(torch.nn.Module):
    """Lets the mixture pass for the enrolments it was told, and is silent for all others."""

    threshold = torch.zeros(())

    def __init__(self, known):
        super().__init__()
        self.known = known
        self.gain = torch.nn.Parameter(torch.ones(()))

    def forward(self, mixture, enrolment):
        here = any(torch.equal(enrolment[0], each) for each in self.known)
        logit = torch.full((1,), 1.0 if here else -1.0)
        return mixture * here, logit[:, None], logit


def test_a_network_that_knows_the_right_enrolments_shows_it_in_the_swap():
    recipe = little_recipe()
    system = ExtractSystem(recipe)
    items = [system.item("test", number) for number in range(8)]
    network: Any = Oracle([item["enrolment"] for item in items if item["target"].any()])
    names = ["si_sdr_db", "si_sdr_improvement_db", "level_error_db", "absent_attenuation_db"]
    result = evaluate(network, recipe, 8, names=names)
    assert set(result.scenarios) == {scenario.name for scenario in SCENARIOS}
    assert result.tables["all"]["si_sdr_improvement_db"]["mean"] == pytest.approx(0)
    assert result.tables["all"]["false_alarm"]["mean"] == 0
    assert result.tables["absent multi"]["absent_attenuation_db"]["mean"] == pytest.approx(100)
    assert result.equal_error == (0.0, 0.0)
    assert result.median_attenuation_db == pytest.approx(100)
    right, zero = result.swap["right"], result.swap["zero"]
    assert right["si_sdr_db"]["n"] == 5
    assert zero["si_sdr_db"]["n"] == 0
    assert right["presence_logit"]["mean"] == 1
    assert zero["presence_logit"]["mean"] == -1


def test_one_scene_has_nobody_to_exchange_enrolments_with():
    with pytest.raises(DataError, match="one lends the other's enrolment"):
        evaluate(little_network(), little_recipe(), 1)


def test_the_command_writes_tables_by_scenario(tmp_path, capsys):
    card = {"system": "extract", "recipe": little_recipe().model_dump(mode="json")}
    tensors = {f"model/{k}": v for k, v in little_network().state_dict().items()}
    save_model(tmp_path / "m.safetensors", tensors, card)
    command = ["evaluate", str(tmp_path / "m.safetensors"), "--out", str(tmp_path / "out")]
    metrics = ["--metrics", "si_sdr_improvement_db", "level_error_db", "absent_attenuation_db"]
    assert main([*command, "--scenes", "8", *metrics]) == 0
    said = capsys.readouterr().out
    assert "present multi, same gender: 1 scenes" in said
    assert "whose enrolment" in said
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["scenes"] == 8
    assert set(summary["swap"]) == {"right", "wrong", "zero"}
    lines = (tmp_path / "out" / "scores.csv").read_text().splitlines()
    assert len(lines) == 9
    assert "wrong/si_sdr_db" in lines[0]
