"""What a search may vary, and by what it may be judged."""

from datetime import datetime

import pytest
from toy import Toy, recipe

from wellposed.cli.tune_search import seconds_until
from wellposed.engine.recipe import changed
from wellposed.engine.tuning.objective import require_measurement
from wellposed.engine.tuning.space import Axis, axes_of, read_space, require_comparable
from wellposed.errors import RecipeError


def axis(text: str, key: str = "optimizer.learning_rate") -> Axis:
    return axes_of({key: text}, recipe())[0]


def test_a_range_is_logarithmic_stepped_or_whole_as_it_says_and_as_the_recipe_is():
    rate = axis("1e-4..3e-3 log")
    assert (rate.low, rate.high, rate.log, rate.step, rate.whole) == (1e-4, 3e-3, True, None, False)
    hidden = axis("2..8 step 3", "model.hidden")
    assert (hidden.low, hidden.high, hidden.step, hidden.whole) == (2, 8, 3, True)
    assert not axis("0..1", "model.dropout").whole


def test_choices_are_yaml_and_a_number_stays_a_number():
    assert axis("1e-4,2e-4").probes() == [1e-4, 2e-4]
    betas = axis("[0.9, 0.99],[0.9, 0.999]", "optimizer.betas")
    assert betas.probes() == [[0.9, 0.99], [0.9, 0.999]]
    made = changed(recipe(), {"optimizer.betas": betas.value(betas.choices[1])}, "here")
    assert made.optimizer.betas == (0.9, 0.999)


def test_words_that_a_shell_has_split_belong_to_the_key_before():
    words = ["optimizer.learning_rate=1e-4..3e-3", "log", "model.hidden=2..8", "step", "2"]
    assert read_space(words) == {
        "optimizer.learning_rate": "1e-4..3e-3 log",
        "model.hidden": "2..8 step 2",
    }


def test_a_file_says_the_same_as_the_words(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text("optimizer.learning_rate: 1e-4..3e-3 log\nmodel.hidden: [2, 5]\n")
    words = ["optimizer.learning_rate=1e-4..3e-3 log", "model.hidden=2,5"]
    made = recipe()
    from_file = axes_of(read_space([str(file)]), made)
    assert [(a.low, a.high, a.log, a.choices) for a in from_file] == [
        (a.low, a.high, a.log, a.choices) for a in axes_of(read_space(words), made)
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to vary"),
        (["model.hidden"], "wanted KEY=LOW"),
        (["model.hidden=5"], "no range and no choice"),
        (["model.hidden=8..2"], "LOW < HIGH"),
        (["model.dropout=0..1 log"], "above 0 for log"),
        (["model.hidden=2..8 step 1.5"], "whole step"),
        (["model.hidden=a..b"], "found no numbers"),
        (["model.hiden=2,5"], "did you mean model.hidden"),
        (["model.hidden=2,many"], "valid integer"),
        (["optimizer.learning_rate=0..1"], "greater than 0"),
        (["model.hidden=2,5", "model.hidden=5,8"], "given twice"),
        (["training.steps=2,4"], "same for all trials"),
        (["scenes.noise=0.1,0.2"], "scores of different scenes"),
        (["seed=1,2"], "scores of different scenes"),
        (["validation.select=error,closeness"], "scores of different scenes"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_what_to_write_instead(words, message):
    with pytest.raises(RecipeError, match=message):
        require_comparable(axes_of(read_space(words), recipe()), Toy(recipe()))


@pytest.mark.parametrize("name", ["square", "loss", "loss/size"])
def test_the_loss_that_is_trained_judges_no_trial(name):
    with pytest.raises(RecipeError, match=r"is what is trained on.*error, closeness"):
        require_measurement(Toy(recipe(validation={"select": name})))


def test_a_measurement_judges_and_one_without_a_better_end_does_not():
    assert require_measurement(Toy(recipe())) == "lower"
    with pytest.raises(RecipeError, match="cannot choose"):
        require_measurement(Toy(recipe(validation={"select": "offset"})))


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2h30m", 9000), ("20:25", 1500), ("19:59", 86340)]
)
def test_an_end_is_a_span_or_the_next_such_time_of_day(text, seconds):
    assert seconds_until(text, datetime(2026, 1, 1, 20, 0)) == seconds


@pytest.mark.parametrize("text", ["", "soon", "25:00", "12:60"])
def test_an_end_that_is_no_time_is_refused(text):
    with pytest.raises(RecipeError, match="--until"):
        seconds_until(text)
