"""The weights that travel with the package: they load, they are small, they help on speech."""

import json
from pathlib import Path

import numpy as np
import pytest

from wellposed.engine.storage.modelfile import load_model
from wellposed.metrics.speech import si_sdr_db
from wellposed.systems.enhance.loading import WEIGHTS
from wellposed.systems.enhance.pairs import FolderPairs
from wellposed.systems.enhance.use import Enhancer


def test_the_default_weights_are_shipped_with_a_model_card():
    assert WEIGHTS.default in WEIGHTS.names()
    for name in WEIGHTS.names():
        card = (WEIGHTS.folder / f"{name}.md").read_text()
        for heading in ("## Scores", "## How it was trained", "## Data, licences", "## Limits"):
            assert heading in card


def test_all_weights_together_stay_under_25_megabytes():
    root = Path(__file__).resolve().parents[2] / "src" / "wellposed"
    assert sum(path.stat().st_size for path in root.rglob("*.safetensors")) < 25e6


def test_the_weights_name_no_share_alike_data_in_their_recipe():
    _, card = load_model(WEIGHTS.folder / f"{WEIGHTS.default}.safetensors")
    assert "-SA" in card["recipe"]["data"]["exclude_licences"]


def test_the_card_holds_no_path_of_the_machine_it_was_trained_on():
    _, card = load_model(WEIGHTS.folder / f"{WEIGHTS.default}.safetensors")
    recipe = card["recipe"]
    assert recipe["data"]["path"] is None
    assert "/" not in json.dumps(recipe["training"])


def test_silence_stays_silence_and_level_follows_the_input():
    enhancer = Enhancer.load()
    assert not enhancer(np.zeros((1, 8000), np.float32), 16000).any()
    noisy = np.random.default_rng(0).normal(0, 0.05, (1, 16000)).astype(np.float32)
    np.testing.assert_allclose(
        enhancer(noisy * np.float32(0.1), 16000), 0.1 * enhancer(noisy, 16000), atol=1e-6
    )


def test_real_noisy_speech_gains_as_much_as_the_model_card_says(shared_data):
    pesq = pytest.importorskip("pesq")
    enhancer = Enhancer.load()
    ratios, scores = [], []
    for pair in FolderPairs(shared_data / "paired"):
        estimate = enhancer(pair.noisy, pair.rate)[0]
        ratio = si_sdr_db(estimate, pair.clean[0]).value
        assert ratio is not None
        ratios.append(ratio)
        scores.append(pesq.pesq(pair.rate, pair.clean[0], estimate, "wb"))
    # The noisy files have 6.75 dB and 1.764; the card says 15.05 dB and 2.246.
    assert abs(np.mean(ratios) - 15.05) < 0.05
    assert abs(np.mean(scores) - 2.246) < 0.01
