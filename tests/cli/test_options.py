"""Options as people give them, right and wrong."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from wellposed.cli import main
from wellposed.cli.options import read_flags, read_options
from wellposed.data.targets import plan
from wellposed.errors import DataError, RecipeError
from wellposed.systems import SYSTEMS, recipe_type


@dataclass
class Asked:
    """Ask."""

    folder: Path | None = None
    """Where."""
    steps: int | None = None
    """How many."""
    json: bool = False
    """As JSON."""
    audit: bool = True
    """Ask first."""


def test_an_option_that_may_be_left_out_is_told_by_what_it_takes(capsys):
    with pytest.raises(SystemExit):
        read_options(Asked, "asked", ["--help"])
    told = capsys.readouterr().out
    assert "--folder PATH" in told
    assert "--steps INT" in told
    assert "--no-audit" in told
    assert "--no-json" not in told


def test_an_option_that_may_be_left_out_is_read_as_what_it_takes():
    asked = read_options(Asked, "asked", ["--folder", "runs/a", "--steps", "3", "--no-audit"])
    assert asked == Asked(Path("runs/a"), 3, audit=False)
    assert read_options(Asked, "asked", ["--steps", "None"]) == Asked()


def test_what_is_no_number_is_a_usage_error_that_names_the_option(capsys):
    with pytest.raises(SystemExit) as ended:
        read_options(Asked, "asked", ["--steps", "many"])
    assert ended.value.code == 2
    assert "--steps" in capsys.readouterr().err


@pytest.mark.parametrize("system", SYSTEMS)
def test_flags_of_a_recipe_change_what_they_name_and_nothing_else(system):
    recipe = recipe_type(system)()
    assert read_flags(recipe, "train", "", []) == recipe
    flags = ["--training.steps", "7", "--data.path", "corpus", "--optimizer.betas", "0.8", "0.9"]
    told = read_flags(recipe, "train", "", flags)
    assert (told.training.steps, told.data.path) == (7, Path("corpus"))
    assert told.optimizer.betas == (0.8, 0.9)
    assert told.model_copy(
        update={"training": recipe.training, "data": recipe.data, "optimizer": recipe.optimizer}
    ) == recipe  # fmt: skip


def test_a_value_that_a_recipe_does_not_allow_is_named_with_its_key():
    recipe = recipe_type("enhance")()
    with pytest.raises(RecipeError, match=r"training\.steps = -3: Input should be greater"):
        read_flags(recipe, "train", "", ["--training.steps", "-3"])


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["compare", "bsrnn-small"], 1, "wanted at least two models, found 1"),
        (["evaluate", "bsrnn-smal"], 1, "codec-1m, bsrnn-small, mbs-causal, speaker-1m, surface"),
        (["evaluate", "noisy", "--metrics", "pesk"], 1, "did you mean 'pesq_wb'"),
        (["data", "chek"], 1, "unknown action 'chek'"),
        (["enhance"], 2, "name audio files or folders"),
        (["codec", "info"], 1, "name .wpc files"),
        (["evaluate", "noisy", "--scenes", "0"], 1, "--scenes 0: wanted 1 or more"),
        (["locate", "x.npz", "--azimuth", "-90"], 2, "--azimuth"),
        (
            ["audit", "math:sqrt", "--invariances", "gainn"],
            2,
            "gainn: unknown; known: gain",
        ),
        (["tune", "enhance", "--space", "seed=1,2", "--until", "soon"], 1, "wanted 90s, 30m"),
        (["rule", "NONFINITE"], 1, "nearest: NONFINITE.FORWARD"),
        (["demo", "--pairs", "nowhere"], 1, "nowhere/clean: no such folder"),
        (["train", "."], 1, "is a folder; wanted a system"),
    ],
)
def test_a_mistake_at_the_command_line_is_told_with_what_was_wanted(
    arguments, status, told, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    assert ended(arguments) == status
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "FILE"], "found str, wanted `key: value` lines"),
        (["resume", "FILE"], "is not a run (it is a file)"),
        (["report", "FILE"], "is not a run (it is a file)"),
        (["serve", "FILE"], "is a file. Pass the folder of the runs"),
        (["evaluate", "bsrnn-small", "--out", "FILE"], "found a file on the way there"),
        (["compare", "bsrnn-small", "mbs-causal", "-o", "FILE"], "found a file on the way there"),
        (["faults", "--json", "FILE/all.json"], "found a file on the way there"),
        (["export", "bsrnn-small", "-o", "weights.pt"], "wanted a name that ends in .safetensors"),
        (["enhance", "FILE", "--model", "FILE"], "no .safetensors file"),
        (["locate", "FILE"], "is no .npz file"),
    ],
)
def test_a_file_where_another_thing_was_wanted_is_told_before_any_work(
    arguments, told, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("words")
    assert main([each.replace("FILE", "notes.txt") for each in arguments]) == 1
    assert told in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


def ended(arguments: list[str]) -> int | str | None:
    """The exit status of a command, whichever way it ends."""
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


def test_help_needs_no_optional_package(monkeypatch, capsys):
    monkeypatch.setattr("wellposed.engine.tuning.optional.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        main(["tune", "--help"])
    assert ended.value.code == 0
    assert "--space" in capsys.readouterr().out


def test_data_says_what_it_can_do(capsys):
    assert main(["data", "--help"]) == 0
    assert "rooms" in capsys.readouterr().out


def test_a_suffix_that_no_format_has_does_not_become_a_folder(tmp_path):
    source = tmp_path / "a.wav"
    source.touch()
    with pytest.raises(DataError, match="no format is known by this suffix"):
        plan([source], tmp_path / "b.txt", overwrite=False)
    (tmp_path / "v1.0").mkdir()
    ((_, target),) = plan([source], tmp_path / "v1.0", overwrite=False).jobs
    assert target == tmp_path / "v1.0" / "a.wav"
