"""What the tests of the training loop share: the toy systems, and processes that run commands."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from commands import Commands
from toy import register

from wellposed.systems import SYSTEMS

# Without the extra `tune` there is nothing to test.
collect_ignore_glob = [] if find_spec("optuna") else ["test_tuning_*.py"]


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry with the toy systems in it, for one test."""
    monkeypatch.setattr("wellposed.systems.SYSTEMS", dict(SYSTEMS))
    register()


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """Processes that run `wellposed` commands; see `commands.Commands`."""
    made = Commands()
    yield made
    made.close()
