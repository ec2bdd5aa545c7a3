"""A small recipe and network of the extract system, for tests."""

import torch

from wellposed.engine.recipe import changed
from wellposed.nn.cues import Cue
from wellposed.systems.extract.model import Extract
from wellposed.systems.extract.recipe import SIZES, ExtractRecipe

TINY = SIZES["tiny"].model_copy(update={"features": 8, "hidden": 8, "taps_hidden": 8})


def little_recipe(**changes) -> ExtractRecipe:
    """Half a second at 8 kHz, four scenes a batch."""
    kept = {
        "model": TINY.model_dump(mode="json"),
        "scenes.rate": 8000, "scenes.seconds": 0.5, "scenes.validation_seconds": 0.5,
        "scenes.present": 2, "scenes.partial": 1, "scenes.absent": 1,
        "scenes.enrol_seconds": [0.5, 1.0],
        "training.batch_size": 4, "validation.scenes": 8, "validation.criteria": {},
        "training.device": "cpu",
    }  # fmt: skip
    return changed(ExtractRecipe(curriculum=()), kept | changes, "test")


def little_network(**changes) -> Extract:
    """Random weights whose cues are not at their start of doing nothing."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = Extract(TINY.model_copy(update=changes), 8000)
        for cue in network.cues:
            assert isinstance(cue, Cue)
            cue.film.weight.normal_(0, 0.3)
    return network.eval().requires_grad_(False)
