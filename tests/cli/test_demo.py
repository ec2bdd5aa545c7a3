"""The demo: it plans what fits, says so when nothing does, and ends with something to hear."""

import pytest

from wellposed.cli import demo, main
from wellposed.engine.recipe import changed
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.systems.enhance.recipe import EnhanceRecipe


def test_what_a_short_run_is_told_fits_the_recipe():
    assert changed(EnhanceRecipe(), demo.SHORT, "demo").model.lowest_hz == 45


def test_too_few_minutes_are_refused_before_anything_is_written(tmp_path, capsys):
    assert main(["demo", "--minutes", "0.01", "--run", str(tmp_path / "run")]) == 1
    assert "too few to learn anything. Give more --minutes." in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_demo_trains_scores_and_leaves_sounds_and_a_report(tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    # 60 steps, however busy the machine is.
    monkeypatch.setattr(demo, "_step_seconds", lambda system: 0.2)
    assert main(["demo", "--minutes", "0.2", "--run", str(run)]) == 0
    said = capsys.readouterr().out
    assert "SI-SDR improvement [dB]" in said
    assert f"report: {run / 'report.html'}" in said
    sounds = {path.name for path in (run / "listen").iterdir()}
    assert {"noisy.wav", "enhanced-by-this-run.wav", "clean.wav"} <= sounds
    assert RunFolder.open(run).recipe.is_file()
