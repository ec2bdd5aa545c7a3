"""The report of an extractor that went silent: its four stages show, are caught, and are cured."""

import math
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from wellposed.engine.distributed import World
from wellposed.engine.recipe import changed
from wellposed.engine.run import Run
from wellposed.engine.stopping import StopRequest
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.faults.stories.silence_pays import (
    ABSENT,
    ANCHOR,
    FALLEN,
    SUPPRESSED_DB,
    Hinge,
    MissingAnchor,
    RawEnergy,
    ReportedExtract,
    UnlistedValidation,
    neg_si_sdr_db,
    squared_log_rms,
)
from wellposed.faults.stories.story import Story
from wellposed.faults.trial import _Listening

HALF_DB = 6.0
"""Beyond it an output is nearer to silence than to its reference."""


class Curves(_Listening):
    """Remembers the means of validations, and which were the best."""

    def __init__(self, folder: RunFolder, recipe: Any) -> None:
        super().__init__(folder, recipe)
        self.rows: list[dict[str, float]] = []
        self.best: list[bool] = []

    def validation(self, moving, table, best):
        means = {name: float(entry["mean"]) for name, entry in table.items()}
        self.rows.append({"step": moving.step, **means})
        self.best.append(best)

    @property
    def codes(self) -> set[str]:
        return {each.code for each in self.found}


@cache
def told(story: type[Story], seed: int = 0, **attributes: Any) -> Curves:
    """Train a story, with other attributes of its system."""
    torch.set_num_threads(1)
    kind = type("Altered", (story.system,), attributes)
    with tempfile.TemporaryDirectory() as path:
        folder = RunFolder(Path(path))
        curves = Curves(folder, story.recipe(seed))
        run = Run(
            kind(story.recipe(seed)), folder, World(0, 1, torch.device("cpu")), curves, alarms=False
        )
        run.train(StopRequest())
    return curves


def level(curves: Curves) -> float:
    return curves.rows[-1]["level_error_db"]


@pytest.mark.slow
def test_raw_decibels_pull_the_level_down_and_the_quietest_checkpoint_is_the_best():
    curves = told(RawEnergy)
    levels = [row["level_error_db"] for row in curves.rows]
    assert FALLEN.shown_by(levels[-1])
    chosen = max(n for n, best in enumerate(curves.best) if best)
    assert levels[chosen] == min(levels)
    assert levels[: chosen + 1] == sorted(levels[: chosen + 1], reverse=True)
    assert "WP319" in curves.codes
    # A choice among those at the right level would have kept none of the later ones.
    kept = [row["step"] for row in curves.rows if abs(row["level_error_db"]) <= HALF_DB]
    assert kept == [row["step"] for row in curves.rows[: len(kept)]]
    assert len(kept) < len(curves.rows) - 1


@pytest.mark.slow
@pytest.mark.parametrize("story", [RawEnergy, Hinge, MissingAnchor])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_first_three_stages_are_one_and_a_term_that_sees_the_level_ends_all(story, seed):
    assert FALLEN.shown_by(level(told(story, seed)))
    for cure in ({"anchored": True}, {"blind": False}):
        assert not FALLEN.shown_by(level(told(story, seed, **cure)))
    for blamed in ("hinge", "soft"):
        assert FALLEN.shown_by(level(told(story, seed, energy=blamed)))


@pytest.mark.slow
def test_the_anchor_of_the_report_settles_where_its_weights_say():
    # ln r = -8.686 w / (2 l) for the ratio of levels, in which what is left of the others counts as
    # level: at S dB of target to others the target's own gain is 10 log10(1 + 10^(-S / 10)) lower.
    low, high = RawEnergy.recipe().model_dump()["scenes"]["sir_db"]
    ratios = torch.linspace(low, high, 1000)
    rest = (10 * torch.log10(1 + 10 ** (-ratios / 10))).mean().item()
    predicted = 20 / math.log(10) * -8.686 * ABSENT / (2 * ANCHOR) - rest
    found = level(told(RawEnergy, anchored=True))
    assert found == pytest.approx(predicted, abs=1.0)
    assert found > SUPPRESSED_DB


@pytest.mark.slow
def test_validations_without_a_list_are_caught_at_the_first_and_a_list_is_the_cure():
    curves = told(UnlistedValidation)
    assert UnlistedValidation.symptom.codes[0] in curves.codes
    assert not {"WP403"} & told(UnlistedValidation, listed=True).codes


def test_what_the_report_computed_sees_no_gain_and_mixes_the_residual_into_the_level():
    rng = torch.Generator().manual_seed(0)
    target, rest = torch.randn(2, 1, 8000, generator=rng)
    rest = rest - (rest @ target.T) / (target @ target.T) * target
    rest *= (target.square().sum() / rest.square().sum()).sqrt() * 10 ** (0.98 / 20)
    gain = 0.587
    estimate = gain * (target + rest)
    assert neg_si_sdr_db(estimate, target).item() == pytest.approx(0.98, abs=0.01)
    assert neg_si_sdr_db(0.1 * estimate, target).item() == pytest.approx(0.98, abs=0.01)
    ratio = math.exp(-math.sqrt(squared_log_rms(estimate, target).item()))
    assert ratio == pytest.approx(0.881, abs=0.002)
    assert gain == pytest.approx(ratio / math.sqrt(1 + 10 ** (0.98 / 10)), abs=0.002)


def test_every_stage_is_a_story_with_causes_and_innocents():
    for story in (RawEnergy, Hinge, MissingAnchor, UnlistedValidation):
        known = {each.name for each in story.system(story.recipe()).interventions()}
        assert issubclass(story.system, ReportedExtract)
        named = {n for n in (*story.causes, *story.innocent) if ":" not in n}
        assert named <= known | {"reset-moments"}
        assert changed(story.recipe(), {"seed": 3}, "test").seed == 3
