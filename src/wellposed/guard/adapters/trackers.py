"""TensorBoard and Weights & Biases: numbers, and findings as text with their step.

    with TensorBoard("runs/tb") as tracker:
        guard = Guard(model, optimizer, listeners=[tracker])
        ...                                              # your loop
        guard.read()                                     # what still waits on the device

Either takes what is there already: a `SummaryWriter`, a run of `wandb.init`. Neither package is
imported before a tracker is made.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..findings import Finding
from ..finite import TERM
from ..rows import Row
from ..signals import SIGNALS
from .memory import Memory


class Tracker(ABC):
    """Takes numbers and texts by step; a guard may have it as a listener."""

    @abstractmethod
    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Values of one step, by names with slashes."""

    @abstractmethod
    def text(self, step: int, name: str, text: str) -> None:
        """Plain text that belongs to a step."""

    @abstractmethod
    def close(self) -> None:
        """Write what waits."""

    @abstractmethod
    def rewind(self, step: int) -> None:
        """The run goes on after `step`: what was told of later steps is not what happened."""

    def rows(self, rows: Sequence[Row]) -> None:
        """Terms, gradient norm and levels of steps."""
        for row in rows:
            signals = SIGNALS if row.values["items"] else ()  # nobody has shown an estimate
            shown = ("gradient_norm", *signals)
            told = {k: v for k, v in row.values.items() if k in shown or k.startswith(TERM)}
            self.numbers(row.step, {f"guard/{name}": value for name, value in told.items()})

    def finding(self, finding: Finding) -> None:
        """The finding as text, under its code, at its step."""
        self.text(finding.step, f"findings/{finding.code}", finding.text())

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what waits, whatever happened."""
        self.close()


class TensorBoard(Tracker):
    """Events below `folder`, or to a `SummaryWriter` of yours, which stays open."""

    def __init__(self, folder: str | Path | None = None, *, writer: Any = None) -> None:
        if (folder is None) == (writer is None):
            raise ValueError("TensorBoard: give either a folder or a SummaryWriter.")
        self._folder = None if folder is None else str(folder)
        self._writer = self._open(None) if writer is None else writer

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """A scalar each."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def text(self, step: int, name: str, text: str) -> None:
        """Shown as it is: TensorBoard takes Markdown, and four spaces make it a block of code."""
        self._writer.add_text(name, "\n".join(f"    {line}" for line in text.splitlines()), step)

    def rewind(self, step: int) -> None:
        """Events of later steps that are in the folder are hidden; a writer of yours is left."""
        if self._folder is not None:
            self._writer.close()
            self._writer = self._open(step + 1)

    def close(self) -> None:
        """Write what waits; a writer of yours stays open."""
        if self._folder is None:
            self._writer.flush()
        else:
            self._writer.close()

    def _open(self, purge_step: int | None) -> Any:
        try:
            writer = import_module("torch.utils.tensorboard").SummaryWriter
        except ImportError as error:
            raise ImportError(
                "TensorBoard is not installed: pip install 'wellposed[tensorboard]'"
            ) from error
        return writer(self._folder, purge_step=purge_step)


class WandB(Tracker):
    """A run of Weights & Biases: yours, or a new one with `options` of `wandb.init`.

    `mode="offline"` (or WANDB_MODE=offline) asks no network; `wandb sync` sends it later. Steps
    are values named "step", on which all curves are drawn: W&B's own count cannot go back.

    Nor can its rows be taken back: after `rewind`, steps that were told are not told again. With
    `memory`, a file of its own, that holds for a run that another process goes on with, too.
    Raises ValueError: that file is damaged.
    """

    COLUMNS = ("step", "name", "text")

    def __init__(self, run: Any = None, memory: str | Path | None = None, **options: Any) -> None:
        try:
            wandb = import_module("wandb")
        except ImportError as error:
            raise ImportError("W&B is not installed: pip install 'wellposed[wandb]'") from error
        self._memory = Memory(None if memory is None else Path(memory))
        self._own = run is None
        self._run = wandb.init(**options) if run is None else run
        self._table = wandb.Table
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """One row of what was not told before."""
        new = self._memory.new(step, values)
        if new:
            self._run.log({**new, "step": step})
            self._memory.told(step, new)

    def text(self, step: int, name: str, text: str) -> None:
        """A row of the table "texts"; W&B shows the newest table, so that it has all rows."""
        texts = self._memory.text(step, name, text)
        self._run.log({"texts": self._table(columns=list(self.COLUMNS), data=texts)})

    def rewind(self, step: int) -> None:
        """Texts of later steps leave the table; rows of numbers stay, and do not come again."""
        self._memory.rewind(step)

    def close(self) -> None:
        """End the run; one of yours goes on."""
        if self._own:
            self._run.finish()
