"""The tables of an evaluation: every error beside its bound, starts in pairs, told and true."""

import shutil

import pytest
import torch
from little_locator import network_of, system

from wellposed.cli import main
from wellposed.errors import DataError
from wellposed.systems.locate.calibration import within
from wellposed.systems.locate.evaluation import evaluate
from wellposed.systems.locate.loading import WEIGHTS


@pytest.fixture(scope="module")
def made():
    built = system()
    changes = {"scenes.sources": (1, 2), "scenes.snr_db": (10.0, 20.0)}
    return evaluate(network_of(built), built.recipe, 10, changes=changes)


def test_every_error_has_its_bound_and_their_ratio_beside_it(made):
    rows = [line for line in made.text().splitlines() if line.startswith("  azimuth")]
    assert rows
    assert all("bound" in row and "ratio" in row for row in rows)


def test_the_better_of_two_starts_is_no_worse_than_either_by_its_criterion(made):
    assert list(made.starts) == ["both", "network", "pursuit"]
    assert "in pairs against pursuit" in made.text()


def test_what_is_written_is_what_was_measured(made, tmp_path):
    made.write(tmp_path)
    assert (tmp_path / "summary.txt").read_text() == made.text() + "\n"
    assert (tmp_path / "scores.json").stat().st_size > 100


def test_shares_within_an_ellipsoid_are_those_of_chi_square():
    generator = torch.Generator().manual_seed(0)
    distances = torch.randn(20000, 3, generator=generator).square().sum(-1)
    assert float(within(distances, 0.68).split()[0]) == pytest.approx(0.68, abs=0.01)
    assert float(within(distances, 0.95).split()[0]) == pytest.approx(0.95, abs=0.005)


def test_one_scene_is_too_few():
    built = system()
    with pytest.raises(DataError, match="at least two"):
        evaluate(network_of(built), built.recipe, 1)


def test_a_run_that_is_evaluated_keeps_the_scores_and_weights_alone_keep_none(tmp_path, capsys):
    weights = tmp_path / "run" / "best" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    shutil.copy(WEIGHTS.find("surface-small"), weights)
    assert main(["evaluate", str(weights), "--scenes", "2"]) == 0
    assert "written" not in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "run"), "--scenes", "2"]) == 0
    assert f"written: {tmp_path}/run/evaluation/scores.json" in capsys.readouterr().out
    assert (tmp_path / "run" / "evaluation" / "summary.txt").is_file()
