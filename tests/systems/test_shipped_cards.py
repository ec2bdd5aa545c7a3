"""What holds for all weights that travel with the package."""

import json
from pathlib import Path

import pytest

from wellposed.engine.shelf import Shelf
from wellposed.engine.storage.modelfile import load_model
from wellposed.systems.codec.loading import WEIGHTS as CODECS
from wellposed.systems.enhance.loading import WEIGHTS as ENHANCERS
from wellposed.systems.extract.loading import WEIGHTS as EXTRACTORS
from wellposed.systems.locate.loading import WEIGHTS as LOCATORS

SHELVES: tuple[Shelf, ...] = (CODECS, ENHANCERS, EXTRACTORS, LOCATORS)
SHIPPED = [(shelf, name) for shelf in SHELVES for name in shelf.names()]
HEADINGS = ("## Scores", "## How it was trained", "## Data, licences", "## Limits")

every = pytest.mark.parametrize(
    ("shelf", "name"), SHIPPED, ids=[f"{shelf.system}/{name}" for shelf, name in SHIPPED]
)


@pytest.mark.parametrize("shelf", SHELVES, ids=lambda shelf: shelf.system)
def test_a_system_has_the_weights_that_it_takes_by_default(shelf: Shelf):
    assert shelf.default in shelf.names()


@every
def test_weights_have_a_card_that_says_how_good_whence_and_where_they_end(shelf: Shelf, name: str):
    card = (shelf.folder / f"{name}.md").read_text()
    assert all(heading in card for heading in HEADINGS)


@every
def test_a_file_names_no_path_of_the_machine_it_was_trained_on(shelf: Shelf, name: str):
    _, card = load_model(shelf.find(name))
    assert card["recipe"]["data"]["path"] is None
    assert "/" not in json.dumps(card["recipe"]["training"])


@every
def test_no_share_alike_recording_was_trained_on(shelf: Shelf, name: str):
    _, card = load_model(shelf.find(name))
    # The scenes of `locate` are drawn, not recorded.
    if shelf is not LOCATORS:
        assert "-SA" in card["recipe"]["data"]["exclude_licences"]


def test_all_weights_together_stay_under_25_megabytes():
    root = Path(__file__).resolve().parents[2] / "src" / "wellposed"
    assert sum(path.stat().st_size for path in root.rglob("*.safetensors")) < 25e6
