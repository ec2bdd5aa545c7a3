"""People see progress once, log.txt holds plain lines only, and neither can end a run."""

import io
import re
from pathlib import Path

import pytest

from wellposed.engine.telling.terminal import Terminal, describe
from wellposed.errors import RunError

VALUES = {
    "loss/level_db": -0.42,
    "items_per_s": 312.2,
    "gradient_norm": 1.66,
    "learning_rate": 3e-4,
    "loss": -9.81,
}
SCORES = {
    "stoi": {"mean": 0.8529, "low": 0.84, "high": 0.86, "n": 39, "failed": 1},
    "si_sdr_db": {"mean": 8.11, "low": 7.64, "high": 8.58, "n": 40, "failed": 0},
}


class Screen(io.StringIO):
    """A terminal that remembers everything that was sent to it."""

    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A pipe whose reader went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def written(path: Path) -> str:
    return path.read_bytes().decode()


def test_a_line_has_everything_in_its_place(tmp_path: Path):
    pipe = io.StringIO()
    terminal = Terminal(tmp_path / "log.txt", 40_000, {"loss": "dB"}, pipe)
    terminal.progress(12_000, 2467.0, VALUES, "ok")
    # 28000 steps at 2467 s / 12000 are 5756 s.
    line = (
        "00:41:07 step 12000/40000 loss -9.8 dB level -0.4 dB grad 1.7 lr 3.0e-04 "
        "312 items/s left 01:35:56 guard ok\n"
    )
    assert written(tmp_path / "log.txt") == line
    assert pipe.getvalue() == line


def test_terms_keep_their_order_and_two_players_their_names(tmp_path: Path):
    terminal = Terminal(tmp_path / "log.txt", 9, stream=io.StringIO())
    values = {"loss/b": 2.0, "loss/a": 1.0, "critic/loss": 4.0, "critic/gradient_norm": 5.0}
    terminal.progress(1, 1.0, {**values, "loss": 3.0}, "WP301")
    assert (
        "loss 3.00 b 2.00 a 1.00 critic/loss 4.00 critic/grad 5.0 left 00:00:08 guard WP301"
        in written(tmp_path / "log.txt")
    )


def test_the_time_left_follows_a_change_of_speed(tmp_path: Path):
    terminal = Terminal(tmp_path / "log.txt", 200, stream=io.StringIO())
    for step in range(1, 101):
        # 1 s a step, from step 50 on 3 s.
        terminal.progress(step, float(step if step <= 50 else 3 * step - 100), {})
    assert "left 00:05:00" in written(tmp_path / "log.txt").splitlines()[-1]


def test_the_time_left_of_a_run_without_a_step_is_not_guessed(tmp_path: Path):
    terminal = Terminal(tmp_path / "log.txt", 200, stream=io.StringIO())
    terminal.progress(0, 3.0, {})
    assert "left --:--:--" in written(tmp_path / "log.txt")


def test_scores_tell_the_choosing_metric_first_and_what_failed(tmp_path: Path):
    terminal = Terminal(tmp_path / "log.txt", 400, stream=io.StringIO())
    terminal.validation(200, 61.0, SCORES, "si_sdr_db", True)
    assert written(tmp_path / "log.txt") == (
        "00:01:01 step 200/400 validation si_sdr 8.1 dB (7.6 to 8.6 dB, n 40) best, "
        "stoi 0.853 (1 undefined)\n"
    )


def test_a_screen_gets_a_live_line_that_never_reaches_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    terminal = Terminal(tmp_path / "log.txt", 40_000, stream=screen)
    terminal.progress(12_000, 2467.0, VALUES)
    terminal.message("WP301 found [bold]", 2470.0)
    terminal.close()
    terminal.close()
    log = written(tmp_path / "log.txt")
    assert log.count("\n") == 2
    assert re.fullmatch(r"[ -~\n]+", log)
    assert screen.getvalue().count("00:41:10 WP301 found [bold]") == 1
    assert "00:41:07" not in screen.getvalue()


def test_a_dumb_terminal_gets_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "dumb")
    screen = Screen()
    terminal = Terminal(tmp_path / "log.txt", 40_000, stream=screen)
    terminal.progress(12_000, 2467.0, VALUES)
    assert screen.getvalue() == written(tmp_path / "log.txt")


def test_colours_and_carriage_returns_in_a_message_are_removed(tmp_path: Path):
    pipe = io.StringIO()
    terminal = Terminal(tmp_path / "log.txt", 1, stream=pipe)
    terminal.message("a\x1b[31mred\x1b[0m\rb\r\nc\td\x07")
    assert written(tmp_path / "log.txt") == pipe.getvalue() == "ared\nb\nc\td\n"


def test_a_terminal_without_unicode_does_not_end_a_run(tmp_path: Path):
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    terminal = Terminal(tmp_path / "log.txt", 1, stream=ascii_only)
    terminal.message("Vögel \udcff")
    ascii_only.seek(0)
    assert ascii_only.read() == "V?gel ?\n"
    assert written(tmp_path / "log.txt") == "Vögel \\udcff\n"


def test_a_reader_that_goes_away_does_not_end_a_run(tmp_path: Path):
    terminal = Terminal(tmp_path / "log.txt", 1, stream=Gone())
    terminal.message("one")
    terminal.message("two")
    assert written(tmp_path / "log.txt") == "one\ntwo\n"


def test_a_log_goes_on_where_it_ended(tmp_path: Path):
    for word in ("one", "two"):
        terminal = Terminal(tmp_path / "log.txt", 1, stream=io.StringIO())
        terminal.message(word)
        terminal.close()
    assert written(tmp_path / "log.txt") == "one\ntwo\n"


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(RunError, match=r"log.txt: not written: the folder .* does not exist"):
        Terminal(tmp_path / "nowhere" / "log.txt", 1)


def test_figures_of_parts_are_left_to_the_history():
    line = describe({"loss": 1.0, "model/stage/3/perplexity": 900.0, "effective_kbit_s": 5.9}, {})
    assert "perplexity" not in line
    assert "effective_kbit_s 5.90" in line
