"""What docs/extend.md shows works as it stands there."""

import re
import sys
from pathlib import Path

import pytest

from wellposed.cli import main
from wellposed.engine.explain.suspects import suspected
from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.interventions.registry import named
from wellposed.engine.storage.history import read_history
from wellposed.systems import SYSTEMS

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"
SYSTEM, _, CHANGES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The system and its interventions as a module of somebody else."""
    (tmp_path / "shown_in_docs.py").write_text(SYSTEM + "\n\n" + CHANGES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "shown_in_docs", raising=False)
    monkeypatch.setitem(SYSTEMS, "gain", "shown_in_docs:GainSystem")
    return "shown_in_docs"


def test_the_system_is_audited_trained_and_learns(written, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["train", "gain", "--run", str(run), "--no-audit"]) == 0
    rows = [row for row in read_history(run / "history.jsonl") if row["kind"] == "validation"]
    first, last = (row["metrics"]["error"]["mean"] for row in rows)
    assert last < 0.9 * first
    assert (run / "report.html").exists()
    capsys.readouterr()
    assert main(["show", "gain"]) == 0
    assert "square: 1.0" in capsys.readouterr().out


def test_its_interventions_are_suspects(written):
    kind = __import__(written).Mine
    system = kind(kind.recipe_type())
    names = [each.name for each in suspected(system, Symptom(9, ("WP319",)), 5, 0)]
    assert names[:3] == ["absolute", "half-weight", "few-scenes"]
    assert dict(named("half-weight", system).proposal(system.recipe)) == {"loss.square": 0.5}
    assert not named("few-scenes", system).proposal(system.recipe)
