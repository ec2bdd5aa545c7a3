"""Logs in every format that is read: what becomes of their rows, and of lines that are no rows."""

import json
import math
import sys
from pathlib import Path

import pytest

from wellposed.doctor.readers import read_log
from wellposed.doctor.table import Table
from wellposed.errors import DataError


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def only(path: Path) -> Table:
    (table,) = read_log(path)
    return table


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_any_delimiter_is_found(tmp_path, delimiter):
    lines = [["step", "loss", "val_pesq"], ["1", "0.5", "1.25"], ["2", "0.4", "1.5"]]
    path = written(tmp_path, "a.log", "\n".join(delimiter.join(line) for line in lines))
    table = only(path)
    assert table.columns == {"step": [1.0, 2.0], "loss": [0.5, 0.4], "val_pesq": [1.25, 1.5]}
    assert table.lines == [2, 3]
    assert not table.problems


def test_thousands_and_decimals_of_a_semicolon_table_are_told_apart(tmp_path):
    table = only(written(tmp_path, "a.csv", "step;loss\n1,000;0,512\n2,000;1,234\n"))
    assert table.columns == {"step": [1000.0, 2000.0], "loss": [0.512, 1.234]}
    assert table.notes == ["loss: the comma stands before decimals"]


def test_quoted_thousands_in_a_comma_table_are_thousands(tmp_path):
    table = only(written(tmp_path, "a.csv", 'step,loss\n"1,000",0.5\n"12,500",0.25\n'))
    assert table.columns["step"] == [1000.0, 12500.0]


def test_nan_inf_and_nothing_are_three_things(tmp_path):
    table = only(written(tmp_path, "a.csv", "step,loss\n1,0.5\n2,nan\n3,\n4,-inf\n5,0.1\n"))
    loss = table.columns["loss"]
    assert loss[2] is None
    assert loss[3] == -math.inf
    assert isinstance(loss[1], float)
    assert math.isnan(loss[1])


def test_a_line_of_another_length_is_named_and_not_used(tmp_path):
    path = written(tmp_path, "a.csv", "step,loss,pesq\n1,0.5,1\n2,0.4\n3,0.3,1\n4,0.2,1,9,9\n")
    table = only(path)
    assert table.columns["step"] == [1.0, 3.0]
    assert [each.where for each in table.problems] == [f"{path}:3", f"{path}:5"]
    assert "2 fields where the header has 3" in table.problems[0].what


def test_a_cell_that_is_no_number_is_named_with_its_line(tmp_path):
    path = written(tmp_path, "a.csv", "step,loss\n1,0.5\n2,oops\n3,0.3\n")
    table = only(path)
    assert table.columns["loss"] == [0.5, None, 0.3]
    assert table.problems[0].where == f"{path}:3"
    assert "'oops' is no number" in table.problems[0].what


def test_comments_blank_lines_and_a_repeated_header_are_no_rows(tmp_path):
    text = "# made by hand\nstep,loss\n\n1,0.5\nstep,loss\n2,0.4\n"
    table = only(written(tmp_path, "a.csv", text))
    assert table.columns["step"] == [1.0, 2.0]
    assert table.notes == ["line 5: the header once more; the file was continued there"]


def test_a_table_without_a_header_gets_numbered_columns(tmp_path):
    table = only(written(tmp_path, "a.csv", "1,0.5\n2,0.4\n"))
    assert table.columns == {"column 1": [1.0, 2.0], "column 2": [0.5, 0.4]}


def test_columns_of_one_name_are_told_apart(tmp_path):
    table = only(written(tmp_path, "a.csv", "step,loss,loss,loss\n1,2,3,4\n"))
    assert list(table.columns) == ["step", "loss", "loss (2)", "loss (3)"]


def test_every_markdown_table_is_read_under_its_heading(tmp_path):
    text = (
        "# Report\n\nwords | with a bar\n\n## First try\n\n| Step | SI-SDR |\n|---|:---:|\n"
        "| 200K | -4.32 dB |\n| 220K (best) | -2.83 dB |\n\n## Second\n\n"
        "Epoch | Loss\n--- | ---\n1 | **0.5**\n2 | 0.4 | x\n"
    )
    path = written(tmp_path, "report.md", text)
    first, second = read_log(path)
    assert first.name == f"{path}, table 1 (First try)"
    assert first.columns == {"Step": [200e3, 220e3], "SI-SDR": [-4.32, -2.83]}
    assert (first.lines, first.remarks) == ([9, 10], {1: "best"})
    assert second.columns["Loss"] == [0.5]
    assert second.problems[0].where == f"{path}:17"


def test_json_lines_are_read_and_bad_ones_named(tmp_path):
    lines = ('{"step": 1, "train": {"loss": 0.5}}', '{"step": 2,', "[3]")
    text = "\n".join([*lines, '{"step": 3, "train": {"loss": NaN}}'])
    path = written(tmp_path, "a.jsonl", text)
    table = only(path)
    assert table.columns["step"] == [1.0, 3.0]
    first, second = table.columns["train/loss"]
    assert first == 0.5
    assert isinstance(second, float)
    assert math.isnan(second)
    assert [each.where for each in table.problems] == [f"{path}:2", f"{path}:3"]


def test_a_history_of_our_own_has_train_and_validation_columns(tmp_path):
    rows = [
        {"kind": "event", "step": 0, "event": "started", "message": "..."},
        {"kind": "train", "step": 20, "values": {"loss": 0.5, "loss/level": "nan"}},
        {
            "kind": "validation",
            "step": 20,
            "metrics": {"pesq_wb": {"mean": 2.0, "low": 1.8, "high": 2.2, "n": 30, "failed": 2}},
            "best": True,
        },
    ]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = only(tmp_path)
    assert table.columns["train/loss"] == [None, 0.5, None]
    assert table.columns["validation/pesq_wb"] == [None, None, 2.0]
    assert table.columns["validation/pesq_wb/low"] == [None, None, 1.8]
    assert table.columns["best"] == [None, None, 1.0]
    level = table.columns["train/loss/level"][1]
    assert isinstance(level, float)
    assert math.isnan(level)


@pytest.mark.parametrize(
    "document",
    [
        [{"_step": 0, "loss": 0.5}, {"_step": 1, "loss": 0.4, "hist": {"_type": "histogram"}}],
        {"best": None, "log_history": [{"_step": 0, "loss": 0.5}, {"_step": 1, "loss": 0.4}]},
        {"_step": [0, 1], "loss": [0.5, 0.4]},
    ],
)
def test_a_json_document_of_rows_or_columns_is_a_table(tmp_path, document):
    table = only(written(tmp_path, "history.json", json.dumps(document)))
    assert table.columns == {"_step": [0.0, 1.0], "loss": [0.5, 0.4]}


def test_a_wandb_chart_export_is_one_table_a_run(tmp_path):
    text = (
        '"Step","slow-fox-1 - val/loss","slow-fox-1 - val/loss__MIN","tall-elm-2 - val/loss"\n'
        '"10","0.5","0.4","0.7"\n"20","0.3","0.2",""\n'
    )
    path = written(tmp_path, "wandb_export.csv", text)
    fox, elm = read_log(path)
    assert fox.name == f"{path} [slow-fox-1]"
    assert fox.columns["val/loss"] == [0.5, 0.3]
    assert elm.columns == {"Step": [10.0, 20.0], "val/loss": [0.7, None]}


def test_a_tensorboard_csv_export_gets_the_name_of_its_file(tmp_path):
    path = written(tmp_path, "run-a-tag-val_loss.csv", "Wall time,Step,Value\n1.7e9,10,0.5\n")
    assert list(only(path).columns) == ["Wall time", "Step", "val_loss"]


def test_other_encodings_are_read(tmp_path):
    text = "step,Verlust größe\n1,0.5\n2,0.4\n"
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        path = written(tmp_path, f"{encoding}.csv", text.encode(encoding))
        assert list(only(path).columns) == ["step", "Verlust größe"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "no line in it"),
        ("a.csv", "step,loss\n", "no row of numbers"),
        ("a.txt", "words\n\nof\n", "no delimiter"),
        ("a.csv", "name,colour\nfox,red\nelm,green\n", "no row of numbers"),
        ("a.json", "[1, 2, 3]", "wanted a list of objects"),
        ("a.bin", b"\x7fELF\0\0\0", "a binary file"),
        ("run-1.wandb", b"\0", "the wandb package offers no reader"),
    ],
)
def test_what_is_no_log_is_an_error_with_its_file(tmp_path, name, content, said):
    path = written(tmp_path, name, content)
    with pytest.raises(DataError, match=said) as error:
        read_log(path)
    assert str(path) in str(error.value)


def test_a_missing_file_and_an_empty_folder_are_errors(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_log(tmp_path / "none.csv")
    with pytest.raises(DataError, match="a folder without"):
        read_log(tmp_path)


def test_event_files_without_tensorboard_say_what_to_install(tmp_path, monkeypatch):
    path = written(tmp_path, "events.out.tfevents.1.host", b"")
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(DataError, match=r"pip install 'wellposed\[tensorboard\]'"):
        read_log(path)


def test_event_files_are_read_and_a_damaged_end_is_named(tmp_path):
    writer = pytest.importorskip("tensorboard.summary.writer.event_file_writer")
    event = pytest.importorskip("tensorboard.compat.proto.event_pb2").Event
    summary = pytest.importorskip("tensorboard.compat.proto.summary_pb2").Summary
    events = writer.EventFileWriter(str(tmp_path))
    for step, ratio in ((200, 1.25), (210, math.nan), (220, 0.75)):
        values = [summary.Value(tag="val/rms_ratio", simple_value=ratio)]
        values += [summary.Value(tag="val/si_sdr", simple_value=-step / 100)]
        events.add_event(event(step=step, wall_time=1e9 + step, summary=summary(value=values)))
    events.close()
    table = only(tmp_path)
    assert table.columns["step"] == [200.0, 210.0, 220.0]
    ratios = table.columns["val/rms_ratio"]
    assert (ratios[0], ratios[2]) == (1.25, 0.75)
    assert not table.problems
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-5])
    torn = only(tmp_path)
    assert torn.columns["step"] == [200.0, 210.0]
    assert "bytes are torn or damaged" in torn.problems[0].what


@pytest.mark.parametrize(
    "line",
    [
        "[10:00] Epoch 1/20 - train_loss: 1.0000 - val_loss: 1.2",
        "INFO: 0epoch:train: iter_time=0.1, loss=3.000, lr0=0.001",
        "00:00:00 step 5/20 loss 0.169 complex 0.281 grad 0.066",
    ],
)
def test_lines_for_people_are_known_and_the_file_of_numbers_is_asked_for(tmp_path, line):
    rest = "asking first\nrun:    runs/a\n"
    with pytest.raises(DataError, match=r"Lines for people, such as .* keeps its numbers"):
        read_log(written(tmp_path, "log.txt", f"{rest}{line}\n{line}\n"))
