"""What a run says: the same plain lines on the terminal and in log.txt.

log.txt never holds colours, bars or carriage returns. A terminal shows progress in a live line
instead of a line per interval; in a file or a pipe it is plain lines too. A terminal that goes
away (a closed window, `| head`) does not stop a run.
"""

import math
import os
import re
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from wellposed.engine.storage.atomic import explain
from wellposed.engine.telling.figures import clock, number, split_unit
from wellposed.engine.telling.liveline import LiveLine
from wellposed.errors import RunError

_RATE = "items_per_s"
_PARTS = "stage/"  # figures of parts, too many for a line: the history has them
_SHORT = {"gradient_norm": "grad", "learning_rate": "lr"}
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
_REMEMBERED = 20  # lines that the time left is told from: even, and soon right after a change


class Terminal:
    """Writer of log.txt and of the terminal beside it."""

    def __init__(
        self,
        log: Path,
        total: int,
        units: Mapping[str, str] | None = None,
        stream: TextIO | None = None,
    ) -> None:
        """Go on with `log`, or make it, for a run of `total` steps.

        `units` gives units to names that do not end in one (`{"loss": "dB"}`); `stream` is
        standard output if None. Raises RunError: the log cannot be written.
        """
        self._log, self._total, self._units = log, total, units or {}
        self._passed = deque([(0, 0.0)], maxlen=_REMEMBERED)
        self._write("")
        self._stream: TextIO | None = sys.stdout if stream is None else stream
        live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._live = LiveLine(self._stream, total) if live else None

    def progress(
        self, step: int, seconds: float, values: Mapping[str, float], guard: str = "ok"
    ) -> None:
        """Tell how training goes; `values` as in a "train" row, `seconds` of training so far."""
        left = self._time_left(step, seconds)
        text = f"step {step}/{self._total} {describe(values, self._units)}"
        text = f"{text} left {clock(left)} guard {guard}"
        line = _plain(f"{clock(seconds)} {text}")
        self._write(line + "\n")
        if self._live is not None:
            self._live.show(step, text)
        else:
            self._print(line)

    def validation(
        self,
        step: int,
        seconds: float,
        metrics: Mapping[str, Mapping[str, float | int]],
        select: str,
        best: bool,
    ) -> None:
        """Tell the scores; the metric `select`, which chooses the best, first and in full."""
        text = describe_scores(metrics, select, best)
        self.message(f"step {step}/{self._total} validation {text}", seconds)

    def message(self, text: str, seconds: float | None = None) -> None:
        """Print text, once on the terminal and once in the log."""
        line = _plain(text if seconds is None else f"{clock(seconds)} {text}")
        self._write(line + "\n")
        self._print(line)

    def close(self) -> None:
        """End the live line; may be called twice."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _time_left(self, step: int, seconds: float) -> float:
        first_step, first_seconds = self._passed[0]
        self._passed.append((step, seconds))
        if step <= first_step:
            return math.nan
        return (seconds - first_seconds) / (step - first_step) * (self._total - step)

    def _write(self, text: str) -> None:
        # Opened for each line: nothing is lost in a buffer, and nothing needs closing.
        try:
            with self._log.open("ab") as file:
                file.write(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            reason = explain(error, self._log.parent)
            raise RunError(f"{self._log}: not written: {reason}") from error

    def _print(self, text: str) -> None:
        if self._stream is None:
            return
        # A terminal without Unicode shows "?"; a run does not end for that.
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        text = text.encode(encoding, "replace").decode(encoding)
        try:
            if self._live is not None:
                self._live.above(text)
            else:
                self._stream.write(text + "\n")
                self._stream.flush()
        except OSError:
            # Nobody listens any more; the log goes on.
            self._stream = self._live = None


def describe(values: Mapping[str, float], units: Mapping[str, str]) -> str:
    """Write the values of a "train" row in the order of the log.

    First the loss and its terms, then what else there is, gradient, learning rate and speed.
    """
    told = (name for name in values if name != _RATE and _PARTS not in name)
    names = sorted(told, key=_place)
    parts = [_described(name, values[name], units) for name in names]
    if _RATE in values:
        parts.append(f"{number(values[_RATE])} items/s")
    return " ".join(parts)


def describe_scores(
    metrics: Mapping[str, Mapping[str, float | int]], select: str, best: bool
) -> str:
    """Write the means of a validation; `select` first, with its 95 % interval and count."""
    parts: list[str] = []
    for name in sorted(metrics, key=lambda name: name != select):
        score, (label, unit) = metrics[name], split_unit(name)
        part = f"{label} {number(score['mean'], unit)}"
        if name == select:
            low = number(score["low"], unit).removesuffix(f" {unit}")
            high = number(score["high"], unit)
            part += f" ({low} to {high}, n {score['n']}){' best' if best else ''}"
        if score["failed"]:
            part += f" ({score['failed']} undefined)"
        parts.append(part)
    return ", ".join(parts)


def _place(name: str) -> int:
    for place, belongs in enumerate(
        (name == "loss", name.startswith("loss/"), not name.endswith(tuple(_SHORT)))
    ):
        if belongs:
            return place
    return 4 if name == "learning_rate" else 3


def _described(name: str, value: float, units: Mapping[str, str]) -> str:
    label, unit = split_unit(name.removeprefix("loss/"))
    unit = units.get(name, unit)
    stem, _, last = label.rpartition("/")
    label = f"{stem}/{_SHORT[last]}" if stem and last in _SHORT else _SHORT.get(label, label)
    if last == "learning_rate":
        return f"{label} {value:.1e}"
    return f"{label} {number(value, unit, digits=2 if last == 'gradient_norm' else 3)}"


def _plain(text: str) -> str:
    """Remove what moves a cursor or changes a colour."""
    return _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
