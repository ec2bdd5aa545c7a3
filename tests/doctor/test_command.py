"""`wellposed doctor` as a person meets it: the guess, the question, the text, JSON, exit status."""

import io
import json
import sys

import pytest

from wellposed.cli import main

DRIFT = "step,quality,rms_ratio\n1,2.0,1.0\n2,2.1,0.9\n3,2.2,0.8\n4,2.3,0.72\n5,2.4,0.64\n"
HEALTHY = "step,loss,val_pesq\n1,0.5,1.5\n2,0.4,1.6\n3,0.3,1.7\n"


class Terminal(io.StringIO):
    """Standard input with somebody in front of it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text(DRIFT)
    return path


@pytest.fixture
def healthy(tmp_path):
    path = tmp_path / "healthy.csv"
    path.write_text(HEALTHY)
    return path


@pytest.fixture
def typed(monkeypatch):
    """A function that answers the questions to come."""

    def answer(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", Terminal(text))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    return answer


def test_the_guess_is_shown_with_its_reasons_and_that_nobody_was_asked(log, capsys):
    assert main(["doctor", str(log)]) == 1
    said = capsys.readouterr().out
    assert "rms_ratio  output level over reference, 1 is right  a ratio of levels" in said
    assert "not used: quality (its name says nothing known)" in said
    assert "Nobody was asked whether this guess is right" in said
    assert "WARN WP319" in said
    assert said.rstrip().endswith("1 log: 1 WARN")


def test_yes_accepts_the_guess_without_a_word(log, capsys):
    assert main(["doctor", str(log), "--yes"]) == 1
    assert "Nobody was asked" not in capsys.readouterr().out


def test_a_healthy_log_is_status_0_and_says_what_was_not_judged(healthy, capsys):
    assert main(["doctor", str(healthy), "--yes"]) == 0
    said = capsys.readouterr().out
    assert "Nothing found in what could be judged." in said
    assert "does the output's level drift or collapse? needs a column" in said


def test_a_person_is_asked_and_may_correct(log, capsys, typed):
    typed("quality=hihger\nnothing=higher\nquality=higher\n\n")
    assert main(["doctor", str(log)]) == 1
    said = capsys.readouterr().out
    assert said.count("Is this right?") == 4
    assert "unknown meaning 'hihger', did you mean higher?" in said
    assert "no log has a column 'nothing'" in said
    assert "quality    validation metric, higher is better      you said so" in said
    assert "WP402" in said


def test_the_end_of_the_input_is_a_yes(log, capsys, typed):
    typed("")
    assert main(["doctor", str(log)]) == 1
    assert capsys.readouterr().out.count("Is this right?") == 1


def test_json_holds_columns_findings_problems_and_what_was_not_judged(log, capsys):
    log.write_text(DRIFT + "6,oops\n")
    assert main(["doctor", str(log), "--json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)["logs"]
    assert told["findings"][0]["code"] == "WP319"
    assert told["findings"][0]["page"] == "WP319.md"
    assert told["problems"][0]["where"] == f"{log}:7"
    meanings = {each["name"]: each["meaning"] for each in told["columns"]}
    assert meanings == {"step": "step", "quality": "unused", "rms_ratio": "level-ratio"}
    assert any("criteria" in each["question"] for each in told["not_judged"])


def test_bad_lines_are_named_before_the_findings(log, capsys):
    log.write_text(DRIFT + "6,oops\n")
    main(["doctor", str(log), "--yes"])
    said = capsys.readouterr().out
    assert f"not read: {log}:7: 2 fields where the header has 3" in said
    assert said.index("not read") < said.index("WARN WP319")


def test_what_cannot_be_read_is_status_2_and_the_rest_is_judged(log, tmp_path, capsys):
    assert main(["doctor", str(tmp_path / "none.csv"), str(log), "--yes"]) == 2
    told = capsys.readouterr()
    assert "none.csv: cannot be read: No such file" in told.err
    assert "WARN WP319" in told.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no log given"),
        (["--criterion", "rms_ratio is good"], "wanted 'NAME in LOW..HIGH'"),
        (["--map", "quality"], "wanted COLUMN=MEANING"),
        (["--select", "rms_ratio"], "which end of it is better"),
        (["--map", "qualty=higher"], "did you mean 'quality'?"),
    ],
)
def test_a_wrong_option_is_status_2_and_says_what_is_wanted(log, capsys, arguments, said):
    files = [str(log)] if arguments else []
    assert main(["doctor", *files, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_criteria_and_maps_may_be_given_several_times(log, capsys):
    options = ["--criterion", "rms_ratio in 0.9..1.1", "--criterion", "quality >= 3"]
    options += ["--map", "quality=higher", "--select", "quality", "--yes"]
    assert main(["doctor", str(log), *options]) == 1
    said = capsys.readouterr().out
    assert "rms_ratio in 0.9..1.1 is met last at step 2; at the end it is 0.64" in said
    assert "quality >= 3 is met never" in said
    assert said.index("FAIL") < said.index("WARN")


def test_parts_of_one_run_are_judged_together(tmp_path, capsys):
    train, validation = tmp_path / "train.csv", tmp_path / "val.csv"
    train.write_text("step,loss\n" + "".join(f"{i},{5 - i / 10}\n" for i in range(1, 33)))
    validation.write_text(
        "step,pesq\n" + "".join(f"{4 * i},{3 - 0.1 * i:.2f}\n" for i in range(1, 9))
    )
    assert main(["doctor", str(train), str(validation), "--yes"]) == 0
    assert main(["doctor", str(train), str(validation), "--yes", "--together"]) == 1
    assert "WP407" in capsys.readouterr().out


def test_tables_of_a_report_that_count_nothing_are_named_and_left_out(tmp_path, capsys):
    path = tmp_path / "report.md"
    path.write_text(
        "|Metric|Best|\n|---|---|\n|PESQ|2.8|\n\n|Step|Loss|\n|---|---|\n|1|2|\n|2|1|\n"
    )
    assert main(["doctor", str(path), "--yes"]) == 0
    told = capsys.readouterr()
    assert "table 1: counts no steps or epochs; not a log, not judged" in told.err
    assert "table 2: 2 rows, step 1 to 2" in told.out


def test_a_table_of_which_nothing_is_known_is_not_called_healthy(tmp_path, capsys):
    path = tmp_path / "odd.csv"
    path.write_text("a,b\n1,2\n2,3\n")
    assert main(["doctor", str(path), "--yes"]) == 2
    assert "no column is known for what it is" in capsys.readouterr().err
    assert main(["doctor", str(path), "--yes", "--map", "b=loss"]) == 0
