"""`wellposed audit locate`: measurements against unknowns, and H c in place of H refused."""

import pytest

from wellposed.cli import main
from wellposed.cli.audit_locate import audit_measurements
from wellposed.engine.problem import problem_of
from wellposed.engine.recipe import changed
from wellposed.guard.audit.problem import audit_problem
from wellposed.guard.findings import Severity
from wellposed.systems.locate.recipe import LocateRecipe, Model, Scenes
from wellposed.systems.locate.system import LocateSystem

TINY = LocateRecipe(model=Model(directions=(12, 8), curvatures=4, width=16, blocks=1))


def test_with_h_all_places_are_determined():
    made = audit_measurements(changed(TINY, {"scenes.sources": (1, 2)}, "test"))
    assert made.worst is None
    assert made.numbers["measurements_2"] == 512
    assert made.numbers["unknowns_2"] == 10
    assert "Fisher rank 6 of 6 in 8 of 8 scenes" in made.answers[1].text


def test_too_few_measurements_are_refused():
    # 32 real numbers of 16 chains for 35 unknowns.
    few = {"model.slots": 7, "scenes.sources": (7, 7), "scenes.measurements": (1, 1)}
    (finding,) = audit_measurements(changed(TINY, few, "test")).findings
    assert finding.code == "WP122"
    assert finding.severity == Severity.FAIL


@pytest.mark.slow
def test_h_c_in_place_of_h_is_refused_with_what_is_missing(tmp_path, capsys):
    path = tmp_path / "recipe.yaml"
    path.write_text("system: locate\nscenes: {give: effective, sources: [1, 1]}\n")
    assert main(["audit", str(path)]) == 1
    told = capsys.readouterr().out
    assert "the network sees H w of every code, not H" in told
    assert "wanted 0 of 3" in told


def test_a_run_asks_the_same_before_it_begins():
    made = audit_problem(
        problem_of(LocateSystem(changed(TINY, {"scenes.sources": (1, 1)}, "t"))), True
    )
    said = [each.text for each in made.answers]
    assert any("512 measurements determine 5 unknowns" in each for each in said)
    assert any("change no bit of any estimate" in each for each in said)
    assert "WP112" not in made.codes()
    assert not any("terms lead to truth: not asked" in each for each in said)
    assert not any("overfit: not asked" in each for each in said)
    assert not any("trivial ranked: not asked" in each for each in said)


def test_a_line_says_how_many_snapshots_determine_how_many_unknowns():
    few = {"scenes.sources": (1, 2), "scenes.line.sensors": 8, "scenes.line.snapshots": (5, 9)}
    made = audit_measurements(changed(LocateRecipe(scenes=Scenes(kind="line")), few, "test"))
    assert made.worst is None
    assert made.numbers["measurements_2"] == 2 * 8 * 5
    assert made.numbers["unknowns_2"] == 2 * (1 + 2 * 5)
    assert "Fisher rank 2 of 2 in 8 of 8 scenes; median bound" in made.answers[1].text


def test_coherent_sources_in_one_snapshot_are_too_many_for_few_sensors():
    # Eight real numbers for nine unknowns.
    many = {
        "scenes.sources": (3, 3), "scenes.line.sensors": 4, "scenes.line.snapshots": (1, 1)
    }  # fmt: skip
    recipe = changed(LocateRecipe(scenes=Scenes(kind="line")), many, "test")
    (finding,) = audit_measurements(recipe).findings
    assert finding.code == "WP122"
    assert "raise scenes.line.sensors" in str(finding)
