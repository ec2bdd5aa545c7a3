"""The recipe of the enhance system: presets, ranges, and what a phase may change."""

import pytest
import yaml

from wellposed.engine.recipe import changed, dump, parse
from wellposed.errors import RecipeError
from wellposed.systems.enhance.recipe import SIZES, EnhanceRecipe, Loss, Model


def test_the_recipe_without_a_word_is_the_small_size():
    assert EnhanceRecipe().model == SIZES["small"] == Model()


@pytest.mark.parametrize("size", list(SIZES))
def test_every_size_is_a_recipe_that_survives_yaml(size: str):
    recipe = EnhanceRecipe(model=SIZES[size])
    assert parse(EnhanceRecipe, yaml.safe_load(dump(recipe)), "dump") == recipe


def test_another_systems_recipe_is_refused():
    with pytest.raises(RecipeError, match=r"somewhere: system = 'codec'"):
        parse(EnhanceRecipe, {"system": "codec"}, "somewhere")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.window_ms", 0),
        ("model.input_exponent", 1.5),
        ("model.features", 0),
        ("scenes.rate", 7999),
        ("scenes.rate", 96000),
        ("scenes.absent", 1.1),
        ("scenes.noises", [1.0, -1.0]),
        ("loss.complex", -0.1),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_name(key: str, value: object):
    with pytest.raises(RecipeError, match=key.replace(".", r"\.")):
        changed(EnhanceRecipe(), {key: value}, "here")


def test_the_windows_of_the_loss_divide_into_whole_quarters():
    assert all(window > 0 for window in Loss().windows_ms)
    assert len(set(Loss().windows_ms)) == 3


def test_every_field_says_what_it_is():
    for section in (Model, Loss, type(EnhanceRecipe().scenes)):
        silent = [name for name, field in section.model_fields.items() if not field.description]
        assert not silent, section
