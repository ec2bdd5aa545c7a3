"""The enhancer and its critic: true scores, masks, turns, phases, and exact resumption."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wellposed.engine.launch import resume, start
from wellposed.engine.recipe import changed
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import Batch, Moment
from wellposed.metrics.speech import pesq_wb
from wellposed.systems.enhance import critic as critics
from wellposed.systems.enhance.critic import BEST, RANGE, MetricTargets, critic_terms
from wellposed.systems.enhance.recipe import EnhanceRecipe
from wellposed.systems.enhance.system import Enhance

pytest.importorskip("pesq")

RATE = 16000
CHANGES: dict[str, Any] = {
    "model.features": 8, "model.hidden": 8, "model.depth": 1, "model.taps_hidden": 8,
    "scenes.seconds": 0.5, "scenes.validation_seconds": 1.0, "scenes.absent": 0.0,
    "training.steps": 6, "training.batch_size": 2, "training.threads": 1,
    "training.device": "cpu", "training.log_every": 2, "training.checkpoint_every": 2,
    "schedule.warmup_steps": 1,
    "validation.every": 3, "validation.scenes": 2, "validation.select": "si_sdr_db",
}  # fmt: skip


def made(**changes: Any) -> EnhanceRecipe:
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return changed(EnhanceRecipe(), CHANGES | dotted, "test")


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    """Score in this process: starting others takes seconds."""
    taken = MetricTargets.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MetricTargets, "__init__", lambda self, rate, workers: taken(self, rate, 0))
        yield


@pytest.fixture
def system(alone: None) -> Enhance:
    return Enhance(made(loss__metric=0.1))


def scene_batch(system: Enhance, count: int = 3) -> Batch:
    return system.collate([system.item("train", number) for number in range(count)])


def moment(step: int = 0) -> Moment:
    return Moment(step, torch.Generator())


def test_there_is_a_critic_only_where_some_phase_listens_to_it(alone: None):
    phase = {"from_step": 3, "changes": {"loss.metric": 0.1}}
    recipes = made(), made(loss__metric=0.1), made(curriculum=[phase])
    kinds = [Enhance(recipe) for recipe in recipes]
    assert [len(kind.players) for kind in kinds] == [1, 2, 2]
    assert [list(kind.build()) for kind in kinds] == [["model"], *[["model", "critic"]] * 2]
    early, late = (kinds[2].with_recipe(recipes[2].at_step(step)[1]) for step in (0, 3))
    assert "metric" not in early.weights("model")
    assert late.weights("model")["metric"] == 0.1
    assert early.targets is late.targets is kinds[2].targets
    assert [len(kind.players) for kind in (early, late)] == [2, 2]


def test_a_critic_changes_no_weight_of_the_enhancer_at_the_start(system: Enhance):
    torch.manual_seed(0)
    alone = Enhance(made()).build()["model"].state_dict()
    torch.manual_seed(0)
    beside = system.build()["model"].state_dict()
    assert all(torch.equal(alone[name], beside[name]) for name in alone)


def test_the_targets_are_pesq_of_the_estimate_that_the_enhancer_made(system: Enhance):
    batch, networks = scene_batch(system), system.build()
    at = moment()
    system.terms("model", networks, batch, at)
    shown = at.shown["estimate"].detach()
    assert system.targets is not None
    estimate, pesq = system.targets.answer(moment(), batch, lambda: pytest.fail("was asked for"))
    assert torch.equal(estimate, shown)
    for row, clean, value in zip(shown, batch["clean"], pesq, strict=True):
        wanted = pesq_wb(row.numpy(), clean.numpy(), RATE).value
        assert value.item() == pytest.approx(wanted, rel=1e-6)


def test_scenes_whose_pesq_does_not_exist_are_masked_alone(system: Enhance):
    batch, networks = scene_batch(system), system.build()
    batch["clean"][1] = 0.0
    at = moment()
    listened = system.terms("model", networks, batch, moment())["metric"]
    terms = system.terms("critic", networks, batch, at)
    assert (listened == 0).tolist() == [False, True, False]
    for term in terms.values():
        assert term.isfinite().all()
        assert (term == 0).tolist() == [False, True, False]
    assert at.figures["undefined"] == 1
    assert at.figures["calibration/pairs"] == 2
    real, fake, active, name = at.critics["critic"]
    assert real is not None
    assert fake is not None
    assert (len(real), len(fake), active, name) == (2, 2, True, "metric")


def test_the_critics_terms_are_squared_distances_from_one_and_from_the_scaled_score(
    system: Enhance,
):
    batch, networks = scene_batch(system), system.build()
    networks["critic"].eval()  # the same weights at every call
    system.terms("model", networks, batch, moment())
    at = moment()
    terms = system.terms("critic", networks, batch, at)
    assert system.targets is not None
    estimate, pesq = system.targets.answer(moment(), batch, lambda: pytest.fail("was asked for"))
    level = (batch["noisy"].square().mean(-1, keepdim=True) + 1e-10).sqrt()
    clean = batch["clean"] / level
    said = networks["critic"](clean, estimate / level)
    assert_close(terms["estimate"], (said - (pesq - 1) / 3.5).square())
    assert_close(terms["perfect"], (networks["critic"](clean, clean) - 1).square())
    assert (BEST, RANGE) == (1, 3.5)


def test_the_critics_turn_trains_the_critic_alone_and_the_enhancers_term_the_enhancer(
    system: Enhance,
):
    batch, networks = scene_batch(system), system.build()
    terms = system.terms("critic", networks, batch, moment())
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is None for p in networks["model"].parameters())
    assert all(p.grad is not None for p in networks["critic"].parameters())
    system.terms("model", networks, batch, moment())["metric"].sum().backward()
    assert any(bool(p.grad.any()) for p in networks["model"].parameters() if p.grad is not None)


def test_a_critic_that_nobody_listens_to_is_told_to_the_guard(alone: None):
    phase = {"from_step": 3, "changes": {"loss.metric": 0.1}}
    whole = Enhance(made(curriculum=[phase]))
    early = whole.with_recipe(whole.recipe.at_step(0)[1])
    batch, networks, at = scene_batch(whole), whole.build(), moment()
    assert "metric" not in early.terms("model", networks, batch, moment())
    early.terms("critic", networks, batch, at)
    assert not at.critics["critic"].active


class Late:
    """Workers of another kind: scores exist only when they are asked for, in another order."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def submit(self, jobs: list[Any]) -> Any:
        from wellposed.metrics.parallel import score_job

        return lambda: [score_job(job) for job in reversed(jobs)][::-1]


def left_by(path: Path) -> dict[str, Any]:
    """Weights, optimizers and history, without times."""
    from wellposed.engine.storage import checkpoint

    _, state, _ = checkpoint.latest(RunFolder(path).checkpoints)
    rows = [
        {k: v for k, v in row["values"].items() if k != "items_per_s"}
        for row in read_history(RunFolder(path).history)
        if row["kind"] == "train"
    ]
    kept = {name: state[name] for name in ("networks", "optimizers", "average")}
    return {"state": dict(flat(kept)), "rows": rows}


def flat(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Tensor):
        yield name, tree.tolist()
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from flat(value, f"{name}/{key}")
    elif isinstance(tree, list):
        for key, value in enumerate(tree):
            yield from flat(value, f"{name}/{key}")
    else:
        yield name, tree


PHASE = {"from_step": 3, "changes": {"loss.metric": 0.1}}


@pytest.fixture(scope="module")
def whole(alone: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run leaves that was never stopped, with a critic that waits until step 3."""
    path = tmp_path_factory.mktemp("run") / "whole"
    return left_by(start(Enhance, made(curriculum=[PHASE]), path, None))


def test_stopped_after_every_step_both_networks_optimizers_and_the_phase_come_back(
    whole: dict[str, Any], tmp_path: Path
):
    run = start(Enhance, made(curriculum=[PHASE]), tmp_path / "pieces", 1)
    for step in (2, 3, 4, 5, None):
        resume(Enhance, run, {}, step)
    found = left_by(run)
    assert found["state"] == whole["state"]
    assert found["rows"] == whole["rows"]
    assert any("/networks/critic/" in name for name in found["state"])
    assert any("/optimizers/critic/" in name for name in found["state"])


def test_when_and_in_which_order_the_scores_come_changes_no_bit(
    whole: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(critics, "Scorers", Late)
    found = left_by(start(Enhance, made(curriculum=[PHASE]), tmp_path / "late", None))
    assert found == whole


def test_the_history_has_the_calibration_in_numbers(whole: dict[str, Any]):
    last = whole["rows"][-1]
    for name in ("correlation", "slope", "mean_error", "pairs"):
        assert math.isfinite(last[f"critic/calibration/{name}"])
    assert last["critic/calibration/pairs"] == 11.0  # the mean of 10 and 12 in steps 5 and 6
    assert last["critic/undefined"] == 0.0
    assert {"model/loss", "critic/loss", "loss/model/metric", "loss/critic/perfect"} <= last.keys()
    assert "loss/model/metric" not in whole["rows"][0]
    assert json.dumps(last)


def test_the_term_of_a_piece_of_a_step_gets_the_targets_of_that_piece(system: Enhance):
    batch, networks = scene_batch(system, 4), system.build()
    pieces = [{key: value[k : k + 2] for key, value in batch.items()} for k in (0, 2)]
    for number, piece in enumerate(pieces):
        system.terms("model", networks, piece, Moment(0, torch.Generator(), piece=number))
    assert system.targets is not None
    for number, piece in enumerate(pieces):
        at = Moment(0, torch.Generator(), piece=number)
        estimate, _ = system.targets.answer(at, piece, lambda: pytest.fail("was asked for"))
        with torch.no_grad():
            assert_close(estimate, networks["model"](piece["noisy"]))
    terms = critic_terms(networks, batch, moment(7), system.targets, active=True)
    assert terms["estimate"].shape == (4,)  # a turn that is looked at alone makes its own
