"""What each system names itself to be changed in a replay: it fits the recipe, and it is tried."""

from typing import Any

import pytest

from wellposed.engine.explain.job import Case, Job, importable
from wellposed.engine.explain.replaying import replay
from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.recipe import changed, dump
from wellposed.faults.stories.codec_level import SMALL
from wellposed.systems import SYSTEMS, system_type
from wellposed.systems.codec.system import CodecSystem

ALL = {
    "codec": {"bypass-quantizer"},
    "enhance": {"plain-spectra", "uncompressed-spectra", "without-rooms"},
    "extract": {"without-rooms", "without-noise"},
    "locate": {"one-source", "sources-alike"},
}
"""By the default recipes."""
OTHERS: dict[str, dict[str, Any]] = {
    "codec": {"critic.from_step": 2000},
    "enhance": {"loss.hearing": False, "loss.complex": 0.0, "scenes.room": 0.0},
    "locate": {"scenes.channel_error_db": (-30.0, -10.0)},
}


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name in ALL])
def test_own_interventions_are_recipes_that_the_system_takes(name):
    kind = system_type(name)
    recipe = kind.recipe_type()
    own = kind(recipe).interventions()
    assert {each.name for each in own} == ALL[name]
    for each in own:
        made = changed(recipe, each.changes(recipe), each.name)
        assert made != recipe
        # Once it is done there is nothing left to change.
        again = {one.name: one for one in kind(made).interventions()}
        assert name == "codec" or each.name not in again


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("codec", {"bypass-quantizer", "bypass-critic"}), ("enhance", set()),
     ("locate", {"one-source", "sources-alike", "exact-channel"})],
)  # fmt: skip
def test_what_a_recipe_has_not_is_not_changed(name, wanted):
    kind = system_type(name)
    recipe = changed(kind.recipe_type(), OTHERS[name], "test")
    own = kind(recipe).interventions()
    assert {each.name for each in own} == wanted
    for each in own:
        changed(recipe, each.changes(recipe), each.name)


def test_a_codec_replayed_round_its_quantizer_has_no_commitment():
    recipe = changed(CodecSystem.recipe_type(), {**SMALL, "scenes.seconds": 0.25}, "test")
    symptom = Symptom(steps=2, figure="loss/commitment", above=0.0)
    case = Case(importable(CodecSystem), dump(recipe), symptom)
    with_it, without = (replay(Job(case, names, "x")) for names in ((), ("bypass-quantizer",)))
    assert with_it.figure is not None
    assert with_it.figure > 0
    assert without.figure == 0
    assert not without.refused
