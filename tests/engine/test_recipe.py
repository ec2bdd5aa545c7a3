"""Recipes: mistakes are named, YAML survives a round trip, phases change what they say."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from wellposed.engine.curriculum import between
from wellposed.engine.recipe import (
    Phase,
    Recipe,
    Section,
    changed,
    differences,
    dump,
    load,
    parse,
    read_yaml,
)
from wellposed.engine.sections import Optimizer
from wellposed.errors import RecipeError


class Scenes(Section):
    snr_db: tuple[float, float] = (-5.0, 20.0)
    rooms: bool = False


class Loss(Section):
    complex: float = 0.3


class Toy(Recipe):
    scenes: Scenes = Scenes()
    loss: Loss = Loss()


def written(folder: Path, text: str) -> Path:
    path = folder / "my.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "optimizer: {learning_rat: 1}",
            "optimizer.learning_rat, did you mean optimizer.learning_rate?",
        ),
        ("scenes: {snr: [0, 1]}", "scenes.snr, did you mean scenes.snr_db?"),
        ("trainning: {steps: 3}", "trainning, did you mean training?"),
        ("los: {complex: 1}", "los, did you mean loss?"),
    ],
)
def test_an_unknown_key_names_the_nearest_one_and_the_file(tmp_path: Path, text: str, wanted: str):
    path = written(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        load(Toy, path)
    assert str(caught.value) == f"{path}: unknown key {wanted}"


def test_a_key_like_no_other_lists_the_known_ones_beside_it(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"unknown key xyzzy\. Known keys: seed, data, training"):
        load(Toy, written(tmp_path, "xyzzy: 1"))
    with pytest.raises(RecipeError, match=r"Known keys below average: average\.decay\.$"):
        load(Toy, written(tmp_path, "average: {qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq: 1}"))


def test_every_mistake_is_named_at_once(tmp_path: Path):
    text = "seed: -1\nloss: {complx: 1}\ntraining: {steps: many}\n"
    with pytest.raises(RecipeError) as caught:
        load(Toy, written(tmp_path, text))
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    for name in ("seed = -1", "loss.complx, did you mean loss.complex?", "training.steps = 'many'"):
        assert sum(name in line for line in lines) == 1


def test_a_value_of_the_wrong_type_says_where_and_what(tmp_path: Path):
    path = written(tmp_path, "optimizer: {learning_rate: fast}")
    with pytest.raises(RecipeError) as caught:
        load(Toy, path)
    assert str(caught.value).startswith(f"{path}: optimizer.learning_rate = 'fast': ")
    assert "number" in str(caught.value)


@pytest.mark.parametrize("text", ["- 1\n- 2", "steps", "3"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str):
    with pytest.raises(RecipeError, match=r"my\.yaml: found (list|str|int), wanted `key: value`"):
        load(Toy, written(tmp_path, text))


def test_an_empty_file_is_the_defaults(tmp_path: Path):
    assert load(Toy, written(tmp_path, "# nothing\n")) == Toy()


def test_a_missing_or_broken_file_is_named(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"none\.yaml: no such recipe file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match=r"my\.yaml: is no YAML: line 1, column \d: .*expected"):
        load(Toy, written(tmp_path, "a: [1"))
    with pytest.raises(RecipeError, match=r"cannot be read"):
        read_yaml(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match=r"binary\.yaml: cannot be read"):
        read_yaml(tmp_path / "binary.yaml")


@pytest.mark.parametrize("number", ["3e-4", "3E-4", "0.0003", "3.0e-4"])
def test_a_number_without_a_point_is_a_number(tmp_path: Path, number: str):
    # YAML 1.1, as PyYAML reads it, takes 3e-4 for text.
    recipe = load(Toy, written(tmp_path, f"optimizer: {{learning_rate: {number}}}"))
    assert recipe.optimizer.learning_rate == 3e-4


def test_yaml_survives_a_round_trip_bit_for_bit(tmp_path: Path):
    recipe = changed(
        Toy(),
        {
            "seed": 2**62 + 1,
            "optimizer.learning_rate": 1 / 3,
            "scenes.snr_db": [-1e-300, 0.1 + 0.2],
            "data.path": str(tmp_path / "a folder"),
            "curriculum": [{"from_step": 10, "changes": {"loss.complex": 0.5}}],
        },
        "here",
    )
    again = load(Toy, written(tmp_path, dump(recipe)))
    assert again == recipe
    assert dump(again) == dump(recipe)
    assert again.scenes.snr_db[1] == 0.1 + 0.2


def test_the_dump_states_every_value():
    text = dump(Toy())
    for name in ("seed", "learning_rate", "snr_db", "complex", "decay", "curriculum"):
        assert f"{name}:" in text


def test_changed_sets_dotted_keys_and_leaves_the_original():
    recipe = Toy()
    other = changed(recipe, {"loss.complex": 0.5, "scenes.rooms": True, "seed": 7}, "here")
    assert (other.loss.complex, other.scenes.rooms, other.seed) == (0.5, True, 7)
    assert recipe == Toy()
    assert changed(recipe, {}, "here") == recipe


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("loss.complx", "did you mean loss.complex?"),
        ("los.complex", "did you mean loss.complex?"),
        ("seed.deeper", "did you mean"),
    ],
)
def test_changed_refuses_a_key_that_is_not_there(key: str, wanted: str):
    with pytest.raises(RecipeError) as caught:
        changed(Toy(), {key: 1}, "command line")
    assert str(caught.value).startswith(f"command line: unknown key {key}, ")
    assert wanted in str(caught.value)


def test_changed_checks_the_new_value():
    with pytest.raises(RecipeError, match=r"here: training\.steps = 0"):
        changed(Toy(), {"training.steps": 0}, "here")


def test_a_recipe_cannot_be_changed_in_place():
    with pytest.raises(ValidationError, match="frozen"):
        Toy().seed = 3  # pyrefly: ignore
    with pytest.raises(ValidationError, match="frozen"):
        Toy().loss.complex = 3.0  # pyrefly: ignore


PHASED = Toy(
    curriculum=(
        Phase(from_step=10, changes={"loss.complex": 0.5, "scenes.rooms": True}),
        Phase(from_step=20, changes={"loss.complex": 0.7}),
    )
)


@pytest.mark.parametrize(
    ("step", "number", "weight", "rooms"),
    [(0, 0, 0.3, False), (9, 0, 0.3, False), (10, 1, 0.5, True), (19, 1, 0.5, True),
     (20, 2, 0.7, True), (10**6, 2, 0.7, True)],
)  # fmt: skip
def test_phases_add_up_from_their_first_step(step: int, number: int, weight: float, rooms: bool):
    found, recipe = PHASED.at_step(step)
    assert found == number
    assert (recipe.loss.complex, recipe.scenes.rooms) == (weight, rooms)


RAMPED = Toy(
    curriculum=(
        Phase(from_step=10, changes={"loss.complex": 0.7, "scenes.rooms": True}, ramp_steps=4),
        Phase(from_step=20, changes={"loss.complex": 0.1}, ramp_steps=2),
    )
)


@pytest.mark.parametrize(
    ("step", "number", "weight", "rooms"),
    [(9, 0, 0.3, False), (10, 1, 0.3, True), (11, 1, 0.4, True), (13, 1, 0.6, True),
     (14, 1, 0.7, True), (20, 2, 0.7, True), (21, 2, 0.4, True), (22, 2, 0.1, True)],
)  # fmt: skip
def test_a_ramp_goes_to_its_values_in_a_straight_line_and_switches_at_once(
    step: int, number: int, weight: float, rooms: bool
):
    found, recipe = RAMPED.at_step(step)
    assert found == number
    assert recipe.loss.complex == pytest.approx(weight, abs=1e-12)
    assert recipe.scenes.rooms == rooms


def test_pairs_of_numbers_are_ramped_number_by_number_and_counts_are_not():
    assert between([0.0, 10.0], [5.0, 30.0], 0.5) == [2.5, 20.0]
    assert between(8, 4, 0.5) == 4
    assert between(None, "rooms.npz", 0.5) == "rooms.npz"


def test_a_ramp_that_outlives_its_phase_is_refused():
    phases = [
        {"from_step": 10, "changes": {"loss.complex": 1}, "ramp_steps": 11},
        {"from_step": 20, "changes": {"loss.complex": 2}},
    ]
    with pytest.raises(RecipeError, match="reached at step 21, after the next one begins"):
        parse(Toy, {"curriculum": phases}, "here")


def test_a_recipe_without_phases_is_the_same_at_every_step():
    assert Toy().at_step(123) == (0, Toy())


@pytest.mark.parametrize(
    ("steps", "changes", "wanted"),
    [
        ([20, 10], {"loss.complex": 1}, r"from_step must rise, found \[20, 10\]"),
        ([10, 10], {"loss.complex": 1}, r"from_step must rise"),
        ([10], {"optimizer.learning_rate": 1}, r"'optimizer\.learning_rate' is not below scenes"),
        ([0], {"loss.complex": 1}, r"curriculum\.0\.from_step"),
    ],
)
def test_phases_that_do_not_fit_are_refused(steps: list[int], changes: dict, wanted: str):
    phases = [{"from_step": step, "changes": changes} for step in steps]
    with pytest.raises(RecipeError, match=wanted):
        parse(Toy, {"curriculum": phases}, "here")


def test_differences_name_dotted_keys_with_both_values():
    other = changed(Toy(), {"loss.complex": 0.5, "data.languages": ["en"]}, "here")
    assert differences(Toy(), other) == {"data.languages": ([], ["en"]), "loss.complex": (0.3, 0.5)}
    assert differences(other, other) == {}


def test_differences_name_keys_that_only_one_recipe_has():
    assert differences(Recipe(), Toy())["loss.complex"] == (None, 0.3)
    assert differences(Toy(), Recipe())["loss.complex"] == (0.3, None)


@pytest.mark.parametrize("section", [Recipe, *Recipe().__dict__.values()])
def test_every_field_says_what_it_is(section: object):
    kind = section if isinstance(section, type) else type(section)
    if not issubclass(kind, Section):
        return
    nested = {name for name, field in kind.model_fields.items()
              if isinstance(field.default, Section)}  # fmt: skip
    described = {name for name, field in kind.model_fields.items() if field.description}
    assert set(kind.model_fields) == nested | described


def test_a_section_of_which_one_key_is_stated_keeps_the_recipes_own_defaults():
    class Own(Recipe):
        """One whose optimizer is not the one of the class."""

        optimizer: Optimizer = Optimizer(learning_rate=0.5, betas=(0.1, 0.2))

    made = parse(Own, {"optimizer": {"eps": 1e-7}}, "here")
    assert made.optimizer == Optimizer(learning_rate=0.5, betas=(0.1, 0.2), eps=1e-7)
