"""The extractor that travels with the package: it keeps the asked voice, and silence without it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wellposed.engine.recipe import changed
from wellposed.systems.extract.evaluation import Evaluation, evaluate
from wellposed.systems.extract.loading import WEIGHTS, load_network
from wellposed.systems.extract.use import Extractor

CARD = {"si_sdr_improvement_db": 5.568, "level_error_db": -0.931}
"""Means of the first 24 test scenes, as measured when the weights were released."""
ATTENUATION_DB = 25.0
"""What the card promises of scenes without the target, as a median."""


@pytest.fixture(scope="module")
def evaluation(shared_data: Path) -> Evaluation:
    network, recipe = load_network(WEIGHTS.find(None), torch.device("cpu"))
    names = (*CARD, "si_sdr_db", "absent_attenuation_db")
    recipe = changed(recipe, {"data.path": str(shared_data)}, "test")
    return evaluate(network, recipe, 24, names=names)


def test_silence_stays_silence_and_the_level_follows_the_mixture():
    draws = np.random.default_rng(0)
    enrolment = draws.normal(0, 0.05, 16000).astype(np.float32)
    mixture = draws.normal(0, 0.05, (1, 16000)).astype(np.float32)
    extractor = Extractor.load().enrol([(enrolment, 16000)])
    assert not extractor(np.zeros((1, 8000), np.float32), 16000).any()
    quiet = extractor(mixture * np.float32(0.1), 16000)
    np.testing.assert_allclose(quiet, 0.1 * extractor(mixture, 16000), atol=1e-6)


@pytest.mark.parametrize("name", CARD)
def test_test_scenes_score_what_the_card_says(evaluation: Evaluation, name: str):
    assert evaluation.tables["all"][name]["mean"] == pytest.approx(CARD[name], abs=0.05)


def test_without_the_speaker_hardly_anything_is_left(evaluation: Evaluation):
    assert evaluation.median_attenuation_db is not None
    assert evaluation.median_attenuation_db > ATTENUATION_DB


def test_a_wrong_enrolment_does_worse_than_the_right_one(evaluation: Evaluation):
    means = {kind: table["si_sdr_db"]["mean"] for kind, table in evaluation.swap.items()}
    assert means["right"] > means["wrong"] + 3
