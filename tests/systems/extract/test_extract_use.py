"""Use: shapes, levels, long recordings, presence, and enrolments that cannot serve."""

import csv

import numpy as np
import pytest
from little_extractor import little_network, little_recipe

from wellposed.cli import main
from wellposed.data import audio
from wellposed.engine.storage.modelfile import save_model
from wellposed.errors import CheckpointError, DataError
from wellposed.systems.extract import use
from wellposed.systems.extract.enrolment import clipped_share, prepared
from wellposed.systems.extract.use import Extractor

RNG = np.random.default_rng(0)
VOICE = (RNG.standard_normal(8000) * 0.1).astype(np.float32)
MIXTURE = (RNG.standard_normal(12345) * 0.1).astype(np.float32)


def ready(**changes) -> Extractor:
    return Extractor(little_network(**changes)).enrol([(VOICE, 8000)])


def test_the_output_has_the_shape_and_follows_the_level_of_the_input():
    extractor = ready()
    made = extractor(MIXTURE, 8000)
    assert made.shape == MIXTURE.shape
    assert made.dtype == np.float32
    assert extractor(np.stack((MIXTURE, MIXTURE)), 16000).shape == (2, 12345)
    np.testing.assert_allclose(extractor(4 * MIXTURE, 8000), 4 * made, rtol=1e-3, atol=1e-4)
    assert not extractor(0 * MIXTURE, 8000).any()


@pytest.mark.parametrize("causal", [False, True])
def test_a_long_recording_in_chunks_is_the_recording_at_once(causal, monkeypatch):
    extractor = ready(causal=causal)
    whole, presence = extractor(MIXTURE, 8000), extractor.presence[0]
    monkeypatch.setattr(use, "WHOLE_S", 0.1)
    monkeypatch.setattr(use, "CHUNK_S", 0.3)
    shares = []
    blocks = list(extractor.stream([MIXTURE[None]], 8000, len(MIXTURE), shares.append))
    np.testing.assert_allclose(np.concatenate(blocks, 1)[0], whole, rtol=1e-3, atol=1e-5)
    swept = extractor.presence[0]
    np.testing.assert_allclose(swept.probabilities, presence.probabilities, atol=1e-5)
    assert swept.logit == pytest.approx(presence.logit, abs=1e-4)
    assert shares[-1] == 1


def test_several_enrolments_are_one_memory_and_a_copy_of_one_changes_little():
    once = ready()(MIXTURE, 8000)
    twice = Extractor(little_network()).enrol([(VOICE, 8000), (VOICE, 8000)])(MIXTURE, 8000)
    np.testing.assert_allclose(twice, once, rtol=1e-3, atol=1e-5)
    other = Extractor(little_network()).enrol([(VOICE[::-1], 8000)])(MIXTURE, 8000)
    assert np.abs(other - once).max() > 1e-4


@pytest.mark.parametrize(
    ("waveform", "rate", "words"),
    [
        (np.zeros(8000), 8000, "silent"),
        (np.full(8000, 0.3), 8000, "silent"),
        (np.concatenate((VOICE[:800], np.zeros(8000))), 8000, "silent but for 0.10 s"),
        (VOICE[:3000], 8000, "0.38 s long"),
        (np.clip(VOICE, -0.1, 0.1), 8000, "clipped"),
        (VOICE[:5000], 4000, "recorded at 4000 Hz, the weights work at 8000 Hz"),
        (VOICE, 0, "rate of 0 Hz"),
        ((VOICE * 32767).astype(np.int16), 8000, "divide int16"),
        (np.full(8000, np.nan), 8000, "NaN"),
    ],
)
def test_an_enrolment_that_cannot_serve_is_an_error_that_says_why(waveform, rate, words):
    with pytest.raises(DataError, match=words):
        ready().enrol([(waveform, rate)])


def test_a_clean_recording_is_not_clipped():
    assert clipped_share(VOICE[None]) == 0
    assert len(prepared(np.stack((VOICE, VOICE)), 16000, 8000)) == 4000


def test_without_enrolment_nothing_is_extracted():
    with pytest.raises(DataError, match="nobody is enrolled"):
        Extractor(little_network())(MIXTURE, 8000)
    with pytest.raises(DataError, match="no enrolment"):
        Extractor(little_network()).enrol([])


@pytest.fixture
def weights(tmp_path):
    card = {"system": "extract", "recipe": little_recipe().model_dump(mode="json")}
    tensors = {f"model/{k}": v for k, v in little_network().state_dict().items()}
    save_model(tmp_path / "model.safetensors", tensors, card)
    return tmp_path / "model.safetensors"


def test_the_command_writes_the_voice_and_the_track_of_presence(weights, tmp_path, capsys):
    audio.write(tmp_path / "mix.wav", np.stack((MIXTURE, 0 * MIXTURE)), 8000)
    audio.write(tmp_path / "me.wav", VOICE[None], 8000)
    mix, me, out = (str(tmp_path / name) for name in ("mix.wav", "me.wav", "out.wav"))
    command = ["extract", mix, "--enrol", me, me, "--model", str(weights), "-o", out]
    assert main([*command, "--presence", str(tmp_path / "presence.csv")]) == 0
    made, rate = audio.read(tmp_path / "out.wav")
    assert rate == 8000
    assert made.shape == (2, 12345)
    assert made[0].any()
    assert not made[1].any()
    assert "speaker" in capsys.readouterr().out
    with (tmp_path / "presence.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["channel"] for row in rows} == {"0", "1"}
    assert 0 <= float(rows[0]["time_s"]) < 0.032
    assert all(0 <= float(row["probability"]) <= 1 for row in rows)
    assert main(command) == 1
    assert "exists" in capsys.readouterr().err


def test_weights_of_another_system_are_refused(tmp_path):
    save_model(tmp_path / "m.safetensors", {}, {"system": "enhance", "recipe": {}})
    with pytest.raises(CheckpointError, match="Wanted: weights of a run of extract"):
        Extractor.load(tmp_path / "m.safetensors")
