"""The codec as a system: scenes, terms, books that start, players that join, resumed runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from wellposed.engine.launch import resume, start
from wellposed.engine.problem import problem_of
from wellposed.engine.recipe import changed
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import Moment
from wellposed.errors import RecipeError
from wellposed.systems import system_type
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.recipe import CodecRecipe
from wellposed.systems.codec.system import CodecSystem

SMALL: dict[str, Any] = {
    "model.encoder_channels": (4, 6, 8, 8, 12),
    "model.decoder_channels": (4, 6, 8, 8, 12),
    "model.dilations": (1, 3),
    "model.latent": 12,
    "model.bands": 4,
    "model.quantizer": "factorised",
    "model.stages": 3,
    "model.size": 16,
    "model.code_dims": 4,
    "model.levels": (5, 3),
    "scenes.rate": 8000,
    "scenes.seconds": 0.5,
    "scenes.validation_seconds": 1.5,
    "loss.quantize_from": 2,
    "training.batch_size": 4,
    "training.log_every": 2,
    "training.steps": 5,
    "training.checkpoint_every": 2,
    "training.threads": 1,
    "training.device": "cpu",
    "validation.every": 5,
    "validation.scenes": 2,
}
CRITIC: dict[str, Any] = {
    "critic.from_step": 3,
    "critic.periods": (2,),
    "critic.period_channels": (4, 8),
    "critic.windows_ms": (32.0,),
    "critic.band_channels": 4,
}


def recipe(**changes: Any) -> CodecRecipe:
    return changed(CodecRecipe(), {**SMALL, **changes}, "test")


def system(**changes: Any) -> CodecSystem:
    return CodecSystem(recipe(**changes))


def moment(step: int) -> Moment:
    return Moment(step, torch.Generator().manual_seed(step))


def networks(made: CodecSystem) -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    return {name: network.train() for name, network in made.build().items()}


def batch(made: CodecSystem) -> dict[str, Tensor]:
    return made.collate([made.item("train", index) for index in range(4)])


def test_the_system_is_registered():
    assert system_type("codec") is CodecSystem


def test_a_scene_is_a_function_of_its_number_with_the_level_that_was_drawn():
    made = system()
    scene = made.scenes.scene("train", 3)
    assert np.array_equal(scene.wave, system().scenes.scene("train", 3).wave)
    assert not np.array_equal(scene.wave, made.scenes.scene("train", 4).wave)
    assert len(scene.wave) == 4000
    assert len(made.scenes.scene("valid", 0).wave) == 12000
    low, high = made.recipe.scenes.level_dbfs
    assert low <= float(str(scene.facts["level_dbfs"])) <= high
    levels = [10 * np.log10(np.mean(made.scenes.scene("train", n).wave ** 2)) for n in range(20)]
    # Pieces of speech lie around the level of its active parts.
    assert low - 25 < min(levels) <= max(levels) < high + 10


def test_any_speech_of_a_corpus_can_be_chosen(shared_data: Path):
    made = system(
        **{
            "data.path": str(shared_data),
            "data.speech_kinds": ("speech", "telugu"),
            "data.languages": ("te",),
        }
    )
    speakers = {str(made.scenes.scene("train", n).facts["speaker"])[:4] for n in range(5)}
    assert speakers == {"cvte"}  # Common Voice Telugu


def test_before_quantization_the_terms_are_those_of_reconstruction_alone():
    made = system()
    built = networks(made)
    told = made.terms("model", built, batch(made), moment(0))
    assert list(told) == ["mel", "waveform", "commitment", "codebook"]
    assert all(each.shape == (4,) for each in told.values())
    assert not told["commitment"].any()
    assert not told["codebook"].any()
    codec = built["model"]
    assert isinstance(codec, Codec)
    assert not codec.quantizer.started


def test_terms_that_the_recipe_weighs_are_there_and_no_others():
    weighed = {"loss.level": 1.0, "loss.complex": 2.0, "loss.magnitude": 3.0}
    made = system(**weighed)
    told = made.terms("model", networks(made), batch(made), moment(2))
    assert set(told) == {"mel", "waveform", "commitment", "codebook", *(k[5:] for k in weighed)}
    assert all(each.shape == (4,) and (each > 0).all() for each in told.values())
    assert made.weights("model")["magnitude"] == 3.0


def test_a_balanced_step_pulls_at_the_estimate_as_the_weights_say():
    made = system(**{"loss.balanced": True, "loss.mel": 1.0, "loss.waveform": 3.0})
    built = networks(made)
    told, weights = made.terms("model", built, batch(made), now := moment(2)), made.weights("model")
    estimate = now.shown["estimate"]
    norms = {
        name: torch.autograd.grad(weights[name] * told[name].mean(), estimate, retain_graph=True)[0]
        for name in ("mel", "waveform")
    }
    # In the first step the running norm is the norm itself: shares of 1 to 3, together 1.
    assert float(norms["mel"].norm()) == pytest.approx(0.25, rel=1e-4)
    assert float(norms["waveform"].norm()) == pytest.approx(0.75, rel=1e-4)


@pytest.mark.parametrize("kind", ["factorised", "ema", "scalar"])
def test_books_are_fitted_when_quantization_begins_and_the_history_is_told(kind: str):
    made = system(**{"model.quantizer": kind})
    built, now = networks(made), moment(2)
    told = made.terms("model", built, batch(made), now)
    codec = built["model"]
    assert isinstance(codec, Codec)
    assert codec.quantizer.started
    assert set(told) == set(made.weights("model"))
    names = {"latent_level", "amplitude_ratio", "effective_kbit_s", "stage/3/perplexity"}
    assert names <= set(now.figures)
    assert 0 < float(now.figures["effective_kbit_s"]) <= 3 * 4 * 50 / 1000 + 1e-6
    assert {f"stage {number}" for number in (1, 2, 3)} == set(now.chosen)
    shares = [float(v) for name, v in now.figures.items() if name.startswith("share/")]
    assert sum(shares) == pytest.approx(1.0, abs=1e-5)
    assert "share/mel" in now.figures
    torch.stack([each.mean() for each in told.values()]).sum().backward()
    silent = [name for name, p in codec.named_parameters() if p.grad is None]
    assert silent == []


def test_the_audit_looks_where_the_books_and_the_critic_are_there():
    assert system().audited_step == 2
    made = system(**CRITIC)
    assert made.audited_step == 3
    problem = problem_of(system())
    assert problem.build is not None
    built = problem.build()
    assert problem.batch is not None
    told = problem.terms(built, problem.batch(0))
    assert told["codebook"].all()
    codec = built["model"]
    assert isinstance(codec, Codec)
    assert codec.quantizer.started


def test_in_evaluation_mode_no_stage_is_left_out():
    made = system(**{"loss.dropout": 1.0})
    built = networks(made)
    built["model"].eval()
    made.terms("model", built, batch(made), now := moment(2))
    assert all((codes >= 0).all() for codes, _ in now.chosen.values())


@pytest.mark.parametrize("kind", ["factorised", "ema", "scalar"])
def test_a_decoder_that_learns_alone_leaves_encoder_and_books_as_they_are(
    kind: str, tmp_path: Path
):
    told = recipe(**{"model.quantizer": kind, "loss.decoder_alone_from": 3})
    start(CodecSystem, told, tmp_path / "run", 3)
    before, _ = left(tmp_path / "run")
    resume(CodecSystem, tmp_path / "run", {}, None)
    after, _ = left(tmp_path / "run")
    old, new = (each["networks"]["model"] for each in (before, after))
    moved = {name for name, value in new.items() if not torch.equal(value, old[name])}
    assert moved
    assert all(name.startswith("decoder.") for name in moved)


def test_the_same_step_is_the_same_step_again():
    made = system()
    first, second = networks(made), networks(made)
    one = made.terms("model", first, batch(made), moment(2))
    other = made.terms("model", second, batch(made), moment(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    for key, value in first["model"].state_dict().items():
        assert torch.equal(value, second["model"].state_dict()[key]), key


def test_a_critic_joins_at_its_step_and_both_players_judge_the_same_sound():
    made = system(**CRITIC)
    built = networks(made)
    assert [player.name for player in made.players] == ["model", "critic"]
    assert [made.plays("critic", step) for step in (0, 2, 3, 4)] == [False, False, True, True]
    assert all(made.plays("model", step) for step in (0, 3))
    before = made.terms("model", built, batch(made), moment(2))
    assert not before["fooling"].any()
    now = moment(3)
    told = made.terms("model", built, batch(made), now)
    assert told["fooling"].all()
    assert told["matching"].all()
    judged, again = moment(3), networks(made)
    again["model"].load_state_dict(built["model"].state_dict())
    verdict = made.terms("critic", again, batch(made), judged)
    assert set(verdict) == set(made.weights("critic")) == {"real", "fake"}
    said = judged.critics["critic"]
    assert said.real is not None
    assert said.fake is not None
    assert said.active


def test_a_critic_before_quantization_is_refused():
    with pytest.raises(RecipeError, match=r"before loss\.quantize_from"):
        recipe(**{**CRITIC, "critic.from_step": 1})
    with pytest.raises(RecipeError, match="cannot change"):
        recipe(curriculum=[{"from_step": 5, "changes": {"scenes.rate": 16000}}])


@torch.no_grad()
def test_what_is_measured_is_the_path_of_use():
    made = system()
    built = networks(made)
    built["model"].eval()
    item = made.item("valid", 0)
    scores = made.measure(built, item)
    assert set(made.metrics) <= set(scores)
    assert {"half/si_sdr_db", "half/mel_distance_db"} <= set(scores)
    perfect = made.trivial(item)["reference"]
    assert perfect["stoi"] == pytest.approx(1.0, abs=1e-6)
    declared = made.declared()
    assert declared["lookahead"] == 159
    used = declared["use"](built, {"wave": item["wave"][None]})
    assert used.shape == (1, 12000)


def left(run: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """State of the newest checkpoint, and the history without times and interruptions."""
    folder = RunFolder(run)
    _, state, _ = checkpoint.latest(folder.checkpoints)
    rows = [
        {**row, "time_s": 0, "values": {k: v for k, v in row.get("values", {}).items()
                                        if k != "items_per_s"}}
        for row in read_history(folder.history)
        if row.get("event") not in ("stopped", "resumed")
    ]  # fmt: skip
    return state, rows


@pytest.mark.parametrize(
    ("kind", "balanced"), [("factorised", False), ("ema", False), ("ema", True)]
)
def test_a_run_that_is_stopped_around_every_change_has_the_bits_of_one_that_is_not(
    kind: str, balanced: bool, tmp_path: Path
):
    told = recipe(**{**CRITIC, "model.quantizer": kind, "loss.balanced": balanced})
    start(CodecSystem, told, tmp_path / "whole", None)
    start(CodecSystem, told, tmp_path / "parts", 1)
    for until in (2, 3, 4, None):
        resume(CodecSystem, tmp_path / "parts", {}, until)
    (state, rows), (wanted, expected) = left(tmp_path / "parts"), left(tmp_path / "whole")
    assert rows == expected
    for part in ("networks", "average"):
        for found, other in zip(_tensors(state[part]), _tensors(wanted[part]), strict=True):
            assert torch.equal(found, other)


def test_the_average_forgets_the_books_that_were_not_fitted(tmp_path: Path):
    start(CodecSystem, recipe(), tmp_path / "run", 3)  # fitted in the third step
    state, _ = left(tmp_path / "run")
    network, average = state["networks"]["model"], state["average"]["weights"]
    for name in ("book", "inward.direction", "outward.gain"):
        key = f"quantizer.rows.stages.1.{name}"
        assert torch.equal(network[key], average[f"model/{key}"])


def _tensors(tree: Any) -> list[Tensor]:
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, dict):
        return [each for value in tree.values() for each in _tensors(value)]
    return []
