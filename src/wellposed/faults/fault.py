"""What an injected fault may do to a run; every method here does nothing."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from wellposed.engine.run import Run
from wellposed.engine.system import Batch, Item, Moment
from wellposed.faults.named import Changes, Named

Scores = dict[str, float | None]


class Fault(Named):
    """A healthy run; a subclass is one failure, told by the first line of its docstring.

    An object serves one run. Methods see every step once, replays by the guard aside.
    """

    codes: ClassVar[tuple[str, ...]] = ()
    """The codes that name it right."""
    since: ClassVar[int] = 0
    """First step or (`shows` = "validation") number of the first validation that can show it."""
    shows: ClassVar[Literal["audit", "step", "lasting", "validation"]] = "step"
    """Where its evidence is: before the run, in what the audit asks; complete in a step; in steps
    that agree more often than by chance (docs/faults.md derives how many that takes); or in a
    validation."""
    asked: ClassVar[tuple[str, ...]] = ()
    """Questions of the audit (files of guard/audit/problem/questions) that are asked; `shows` =
    "audit" trains nothing."""
    host: ClassVar[str] = "enhance"
    """Name of the host system, see `hosts`."""
    changes: ClassVar[Changes] = {}
    """What is different in the recipe."""

    attributes: ClassVar[Mapping[str, Any]] = {}
    """Attributes of the system `bearings` that are other."""

    step: int = -1
    """The step that is being taken."""
    player: str = ""
    """Whose terms are being computed."""
    run: Run

    @property
    def active(self) -> bool:
        """Whether the step at which it begins has come."""
        return self.step >= self.since

    def build(self, networks: dict[str, nn.Module]) -> None:
        """Change the networks before anybody has seen them."""

    def ready(self) -> None:
        """Change `self.run` before its first step."""

    def before(self) -> None:
        """Do something just before the forward pass of `self.step`; once a step."""

    def item(self, item: Item, split: str, index: int) -> Item:
        """Return another scene; `item` itself is shared and must not be changed."""
        return item

    def batch(self, batch: Batch) -> Batch:
        """Return another training batch."""
        return batch

    def terms(self, terms: dict[str, Tensor], batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """Return other terms `(batch,)`; `moment.shown` has the estimate."""
        return terms

    def weights(self, weights: dict[str, float]) -> dict[str, float]:
        """Return other weights of terms."""
        return weights

    def score(self, scores: Scores, item: Item, estimate: Tensor) -> Scores:
        """Return other scores of an estimate (or silence, or the input) of a validation scene."""
        return scores
