"""Looking at, and changing, everything that passes through a network, without touching its code.

A *point* is a place where values pass: the result of a part by the part's name (`paths.0.lstm`),
further results by their number (`paths.0.lstm[1]`), what a part of the first level is given where
no other part made it (`split:input`), and what a part computes but does not give
(`block.forth:h`): of a part with a tuple `hidden` of names, whose method `examine(..., pass_on)`
does what its `forward` does and calls `pass_on(name, values)` for each of them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from wellposed.guard.nested import map_tensors

Visit = Callable[[str, Tensor], Tensor]
"""Name of a point and its values to the values that are gone on with; the same to only look."""

WHOLE = "output"
"""The point where the result of the whole network passes."""


def everything(point: str) -> bool:
    """Want all that parts can show."""
    return True


@contextmanager
def passing(
    network: nn.Module, visit: Visit, *, hidden: Callable[[str], bool] = lambda point: False
) -> Iterator[None]:
    """Call `visit` at every point while the network runs.

    `hidden` says of a point `part:quantity` whether it is wanted; parts none of whose are wanted
    run as always. Points are visited in the order in which they are made. A part that runs several
    times is visited each time under the same name.
    """
    hooks = _Hooks(network, visit, hidden)
    try:
        yield
    finally:
        hooks.remove()


class _Hooks:
    def __init__(self, network: nn.Module, visit: Visit, hidden: Callable[[str], bool]) -> None:
        self._visit = visit
        self._last: Any = None
        self._handles: list[RemovableHandle] = []
        self._replaced: list[nn.Module] = []
        first = [network, *network.children()]
        for name, part in network.named_modules():
            point = name or WHOLE
            if any(part is each for each in first):
                hook = part.register_forward_pre_hook(self._given(name), with_kwargs=True)
                self._handles.append(hook)
            self._handles.append(part.register_forward_hook(self._made(point)))
            if any(hidden(f"{point}:{each}") for each in getattr(part, "hidden", ())):
                # Instead of `forward`, so that everything inside is visited once.
                vars(part)["forward"] = self._examined(point, part.examine)
                self._replaced.append(part)

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        for part in self._replaced:
            del vars(part)["forward"]
        self._last = None

    def _given(self, name: str) -> Callable[..., Any]:
        point = f"{name}:input" if name else "input"

        def given(part: nn.Module, arguments: Any, keywords: Any) -> Any:
            # What another part has made has been visited there.
            if not (arguments and isinstance(arguments[0], Tensor)) or arguments[0] is self._last:
                return None
            self._last = self._visit(point, arguments[0])
            return (self._last, *arguments[1:]), keywords

        return given

    def _made(self, point: str) -> Callable[..., Any]:
        def made(part: nn.Module, arguments: Any, result: Any) -> Any:
            # What a container gives is often what its last part gave; the whole is always named.
            if result is not self._last or point == WHOLE:
                self._last = self._all(point, result)
            return self._last

        return made

    def _examined(self, point: str, examine: Any) -> Callable[..., Any]:
        def pass_on(name: str, values: Tensor) -> Tensor:
            return self._visit(f"{point}:{name}", values)

        return partial(examine, pass_on=pass_on)

    def _all(self, point: str, values: Any) -> Any:
        number = count()

        def one(values: Tensor) -> Tensor:
            place = next(number)
            return self._visit(f"{point}[{place}]" if place else point, values)

        return map_tensors(one, values)
