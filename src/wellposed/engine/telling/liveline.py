"""The live line of a terminal: how far, how fast, how long yet."""

from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn


class LiveLine:
    """One line that is drawn anew in place, below the text that scrolls by."""

    def __init__(self, stream: TextIO, total: int) -> None:
        """Start drawing on `stream`, which is a terminal."""
        self._console = Console(file=stream)
        columns = (
            SpinnerColumn(),
            BarColumn(bar_width=24),
            # Names come from recipes; brackets in them are no commands to rich.
            TextColumn("{task.fields[text]}", markup=False),
        )
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task("", total=total, text="starting")
        self._progress.start()

    def show(self, step: int, text: str) -> None:
        """Move the bar to `step` and change the text beside it."""
        self._progress.update(self._task, completed=step, text=text)

    def above(self, text: str) -> None:
        """Print text that stays, above the line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Remove the line."""
        self._progress.stop()
