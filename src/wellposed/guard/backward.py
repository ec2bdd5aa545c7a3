"""Watching a backward pass: which autograd node first made a gradient that is not finite."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor
from torch.autograd.graph import Node

from .finite import all_finite
from .origin import OUTSIDE, SKIPPED, Origin, has_nan, line_of


class BackwardWatch:
    """Hooks on every node of a graph; sees infinities too, unlike torch's anomaly check."""

    def __init__(self, roots: Sequence[Tensor]) -> None:
        self.origins: list[tuple[Node, str, str]] = []
        self._bad: dict[Node, list[int]] = {}
        self._handles = [node.register_hook(self._see(node)) for node in _nodes(roots)]

    def remove(self) -> None:
        """Take all hooks off."""
        for handle in self._handles:
            handle.remove()

    def guilty(self, owners: Mapping[Node, str]) -> tuple[Origin | None, list[Origin]]:
        """The first node whose bad gradient reached a parameter, and those that hid."""
        first: Origin | None = None
        hidden = []
        for node, kind, arriving in self.origins:
            line = _line(node)
            origin = Origin(owners.get(node, OUTSIDE), node.name(), line, kind, arriving)
            if first is None and self._reaches_a_leaf(node):
                first = origin
            else:
                hidden.append(origin)
        return first, hidden

    def _see(self, node: Node) -> Callable[..., None]:
        def see(leaving: Sequence[Tensor | None], arriving: Sequence[Tensor | None]) -> None:
            bad = [i for i, g in enumerate(leaving) if g is not None and not all_finite(g)]
            if not bad:
                return
            self._bad[node] = bad
            given = [g for g in arriving if g is not None]
            if all(all_finite(g) for g in given):
                is_nan = any(has_nan(g) for g in leaving if g is not None)
                largest = max((float(g.abs().max()) for g in given if g.numel()), default=0.0)
                self.origins.append((node, "nan" if is_nan else "inf", f"up to {largest:.4g}"))

        return see

    def _reaches_a_leaf(self, start: Node) -> bool:
        waiting, seen = [start], {start}
        while waiting:
            node = waiting.pop()
            for index in self._bad.get(node, ()):
                following = node.next_functions[index][0]
                if following is None or following in seen:
                    continue
                if not following.next_functions:
                    return True
                seen.add(following)
                waiting.append(following)
        return False


def _nodes(roots: Sequence[Tensor]) -> list[Node]:
    waiting = [root.grad_fn for root in roots if root.grad_fn is not None]
    seen = dict.fromkeys(waiting)
    while waiting:
        for following, _ in waiting.pop().next_functions:
            if following is not None and following not in seen:
                seen[following] = None
                waiting.append(following)
    return list(seen)


def _line(node: Node) -> str:
    # Where the forward call of a node stands, from the traceback that anomaly mode keeps.
    for entry in reversed(getattr(node, "metadata", {}).get("traceback_", [])):
        place, _, code = entry.strip().partition("\n")
        path, number = place.split('"')[1], int(place.split("line ")[1].split(",")[0])
        if not path.startswith(SKIPPED):
            return line_of(path, number, code.strip().partition("\n")[0])
    return ""
