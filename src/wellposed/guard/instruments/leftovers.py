"""Whether a step's gradient still holds the one before: seen when backward begins to add to it."""

import weakref
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from ..evidence import Record
from ..finite import plain
from . import Watched
from .around import Steps
from .looks import Looks

SHOWN = 4


class Leftovers:
    """Records of the kind "leftovers", only if a used gradient was not cleared before.

    Optimizer -> `count` of parameters whose gradient was not 0 when the first backward pass
    after its step began to add to it, and was not cleared up to its next step; `watched` of them
    had a backward pass in between; then the names of the first few.

    Exact, whatever is done to gradients later (clipping, unscaling, averaging over processes), and
    whatever the accumulation: only the first backward pass after a step finds something left.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._looks = Looks(watched)
        self._armed: int | None = None
        self._hooks: dict[str, list[RemovableHandle]] = {}
        self._left: dict[str, dict[int, tuple[Tensor, Tensor | None]]] = {}
        self._table: dict[str, dict[str, float]] = {}
        self._now = self._found_at = 0
        weakref.finalize(self, _remove, self._hooks)
        self._around = Steps(watched.optimizers, self)

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """What the last look found; then perhaps begin another one."""
        found = [("leftovers", Record(self._found_at, self._table))] if self._table else []
        self._table = {}
        if self._looks.visit(step):
            self._armed = step
        elif step != self._armed:
            self._armed = None
        self._now = step
        self._around.visit()
        return found

    def before(self, name: str, optimizer: Optimizer) -> None:
        """The gradients are about to be used: what was left in them?"""
        for handle in self._hooks.pop(name, ()):
            handle.remove()
        left = self._left.pop(name, {})
        found = [p for p, old in left.values() if old is not None and bool(old != 0)]
        if found:
            known = {id(each): own for own, each in self._watched.named().items()}
            names = [known.get(id(p), "a parameter") for p in found]
            self._table[name] = {"count": float(len(found)), "watched": float(len(left))}
            self._table |= {own: {} for own in names[:SHOWN]}
            self._found_at = self._now

    def after(self, name: str, optimizer: Optimizer) -> None:
        """The gradients were used: what is left of them when the next backward pass begins?"""
        if self._armed is None or name in self._hooks:
            return
        left = self._left[name] = {}
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._hooks[name] = [
            p.register_hook(_seer(p, left)) for p in parameters if p.requires_grad and p.is_leaf
        ]


def instrument(watched: Watched) -> Leftovers:
    """Made for every guard; without optimizers it sees nothing."""
    return Leftovers(watched)


def _remove(hooks: dict[str, list[RemovableHandle]]) -> None:
    for handles in hooks.values():
        for handle in handles:
            handle.remove()


def _seer(
    parameter: Tensor, left: dict[int, tuple[Tensor, Tensor | None]]
) -> Callable[[Tensor], None]:
    def see(fresh: Tensor) -> None:
        # Called before the fresh gradient is added to what is there.
        old = parameter.grad
        largest = None
        if old is not None and old.numel():
            largest = torch.linalg.vector_norm(plain(old), torch.inf)
        known = left.get(id(parameter))
        if known is None or largest is None:
            left[id(parameter)] = parameter, largest
        elif known[1] is not None:
            # Cleared in between: what is there now is younger than the step.
            cleared = torch.zeros_like(largest)
            left[id(parameter)] = parameter, torch.where(largest == 0, cleared, known[1])

    return see
