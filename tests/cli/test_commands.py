"""The command line as a person meets it: help, wrong names, and what the README promises."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from wellposed.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]


def test_every_command_names_a_function_that_exists():
    from importlib import import_module

    for target, text in COMMANDS.values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))
        assert text


def test_help_lists_every_command_and_loads_no_torch():
    code = (
        "import sys; from wellposed.cli import main; main(['--help']); "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE)


def test_an_unknown_command_is_a_usage_error_that_names_the_nearest(capsys):
    assert main(["trian"]) == 2
    assert "did you mean train?" in capsys.readouterr().err


def test_an_unknown_system_is_named_with_its_nearest(capsys):
    assert main(["train", "enhence"]) == 1
    assert "unknown system 'enhence', did you mean enhance?" in capsys.readouterr().err


def test_an_unknown_key_of_a_recipe_file_is_named_with_its_nearest(tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    file.write_text("system: enhance\nmodel:\n  windw_ms: 20\n")
    assert main(["train", str(file), "--run", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert f"{file}: unknown key model.windw_ms, did you mean model.window_ms?" in error
    assert not (tmp_path / "run").exists()


def test_a_value_out_of_range_says_which_and_why(tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    file.write_text("system: enhance\nscenes: {rate: 4000}\n")
    assert main(["train", str(file)]) == 1
    assert "scenes.rate = 4000: Input should be greater than or equal to 8000" in (
        capsys.readouterr().err
    )


def test_a_missing_run_is_an_error_in_words(tmp_path, capsys):
    assert main(["resume", str(tmp_path / "nothing")]) == 1
    assert "is not a run (there is no such folder)" in capsys.readouterr().err


def test_show_prints_a_recipe_that_train_reads_back(tmp_path, capsys):
    from wellposed.engine.recipe import load
    from wellposed.systems.enhance.recipe import EnhanceRecipe

    assert main(["show", "enhance"]) == 0
    file = tmp_path / "all.yaml"
    file.write_text(capsys.readouterr().out)
    assert load(EnhanceRecipe, file) == EnhanceRecipe()


def test_rule_prints_the_page_of_a_code(capsys):
    assert main(["rule", "WP301"]) == 0
    assert "## What proves it" in capsys.readouterr().out


def test_evaluate_of_nothing_reproduces_the_reference_scores(shared_data, capsys):
    pytest.importorskip("pesq")
    status = main(["evaluate", "noisy", "--data", str(shared_data / "paired")])
    assert status == 0
    # Mean of the column pesq_wb over the 18 noisy files of reference_scores.csv.
    assert "1.764" in capsys.readouterr().out


def test_the_readme_names_only_commands_files_and_flags_that_exist():
    text = (ROOT / "README.md").read_text()
    for name in re.findall(r"^wellposed (\w+)", text, re.MULTILINE):
        assert name in COMMANDS
    for link in re.findall(r"\]\(((?!http)[^)]+)\)", text):
        assert (ROOT / link).exists(), link
    targets = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", targets, re.MULTILINE)
