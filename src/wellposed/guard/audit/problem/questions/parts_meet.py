"""Do the parts of an axis meet: can one band ever know what another holds?

Signal: the map of which parts of the output move when one part of the input gets what another item
has there. Parts that no chain of such moves connects never exchange information. Threshold E
(bits), on spectra as a problem declares them, or between two modules inside a network. A waveform
cannot be asked so: every window leaks.
"""

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor, nn

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..perturbing import exchanged, inside, pieces
from ..rehearsal import Rehearsal
from ..statement import Between
from ..unasked import Unasked

QUESTION = "existence"
CODES = ("WP121",)
QUICK = True
ITEMS = 2
PARTS = 8
"""Pieces of an axis: each costs one pass. Groups of them that are apart show in any number."""

Map = list[list[bool]]
"""Row: the piece that is changed. Column: the piece of the output that moves."""


def ask(rehearsal: Rehearsal) -> Part:
    """Make the map of every axis that can be asked."""
    maps = {
        **dict(_of_inputs(rehearsal)),
        **{
            meaning: _of_modules(rehearsal, meaning, between)
            for meaning, between in rehearsal.problem.between.items()
        },
    }
    if not maps:
        raise Unasked(
            "no axis is declared in which parts must meet: a band axis of an input and of the "
            "estimate, or `between` two modules"
        )
    answers = [_judged(meaning, made, rehearsal.problem.apart) for meaning, made in maps.items()]
    numbers = {
        f"{meaning}_map": {str(row): [int(each) for each in line] for row, line in enumerate(made)}
        for meaning, made in maps.items()
    }
    return Part(answers, numbers)


def _of_inputs(rehearsal: Rehearsal) -> Iterator[tuple[str, Map]]:
    problem = rehearsal.problem
    if "band" not in problem.axes.get("estimate", {}):
        return
    axis = problem.axes["estimate"]["band"]
    networks, batch = rehearsal.beginning.networks, rehearsal.items(ITEMS)
    for name in problem.inputs:
        if "band" not in problem.axes.get(name, {}):
            continue
        own, other = problem.axes[name]["band"], exchanged(batch[name])
        base = rehearsal.estimates(networks, batch)
        made = []
        for piece in pieces(batch[name].shape[own], PARTS):
            changed = inside(batch[name], other, own, piece)
            now = rehearsal.estimates(networks, {**batch, name: changed})
            rows = [_moved(base[key], now[key], axis) for key in base]
            made.append([any(column) for column in zip(*rows, strict=True)])
        yield f"{name}, band", made


def _of_modules(rehearsal: Rehearsal, meaning: str, between: Between) -> Map:
    networks, batch = rehearsal.beginning.networks, rehearsal.items(ITEMS)
    base, length = _through(rehearsal, networks, batch, between, None)
    count = len(pieces(length, PARTS))
    made = []
    for number in range(count):
        now, _ = _through(rehearsal, networks, batch, between, number)
        made.append(_moved(base, now, between.last_axis))
    return made


def _through(
    rehearsal: Rehearsal,
    networks: Mapping[str, nn.Module],
    batch: Mapping[str, Tensor],
    between: Between,
    number: int | None,
) -> tuple[Tensor, int]:
    """Output of the last module, with piece `number` of the first one's exchanged between items."""
    seen: dict[str, Tensor] = {}
    length = 0

    def change(module: nn.Module, given: object, made: Tensor) -> Tensor | None:
        nonlocal length
        length = made.shape[between.axis]
        if number is None:
            return None
        part = pieces(length, PARTS)[number]
        return inside(made, exchanged(made), between.axis, part)

    def look(module: nn.Module, given: object, made: Tensor) -> None:
        seen["last"] = made.detach().clone()

    with hooked(networks, {between.first: change, between.last: look}):
        rehearsal.estimates(networks, batch)
    if "last" not in seen or not length:
        raise Unasked(f"{between.first} or {between.last} is not called for an estimate")
    return seen["last"], length


class hooked:  # noqa: N801 - a context manager, as the built-in ones
    """Forward hooks on modules by path, for a while."""

    def __init__(
        self, networks: Mapping[str, nn.Module], hooks: Mapping[str, Callable[..., object]]
    ) -> None:
        """Find the modules. Raises Unasked: there is none of that path."""
        self._found = []
        for path, hook in hooks.items():
            network, _, inner = path.partition(".")
            parts = dict(networks[network].named_modules()) if network in networks else {}
            if inner not in parts:
                raise Unasked(f"there is no module {path!r} among {', '.join(networks)}")
            self._found.append((parts[inner], hook))

    def __enter__(self) -> None:
        self._handles = [part.register_forward_hook(hook) for part, hook in self._found]

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()


def _moved(base: Tensor, made: Tensor, axis: int) -> list[bool]:
    """Which pieces of the output have a changed bit."""
    if base.shape != made.shape:
        return [True] * len(pieces(base.shape[axis], PARTS))
    changed = (base != made).movedim(axis, 0).flatten(1).any(1)
    return [bool(changed[piece].any()) for piece in pieces(len(changed), PARTS)]


def groups(made: Map) -> list[list[int]]:
    """Pieces that chains of moves connect, in either direction."""
    count = max(len(made), len(made[0]))
    label = list(range(count))
    for row, line in enumerate(made):
        for column, moves in enumerate(line):
            if moves and label[row] != label[column]:
                old, new = label[column], label[row]
                label = [new if each == old else each for each in label]
    return [[n for n in range(count) if label[n] == each] for each in sorted(set(label))]


def _judged(meaning: str, made: Map, apart: object) -> Answer:
    found = groups(made)
    pairs = sum(sum(line) for line in made)
    of = sum(len(line) for line in made)
    if len(found) == 1:
        text = f"{meaning}: all parts meet; {pairs} of {of} pairs of parts move each other directly"
        return Answer(QUESTION, text)
    told = f"{meaning}: {len(found)} groups of parts that never exchange information"
    if isinstance(apart, list | tuple) and meaning.rpartition(", ")[2] in apart:
        return Answer(QUESTION, f"{told}, as declared")
    return bad(
        QUESTION,
        "WP121",
        Severity.FAIL,
        told,
        {
            "subject": meaning,
            "groups": len(found),
            "parts": len(made),
            "largest_group": max(len(each) for each in found),
            "pairs_that_move": pairs,
        },
        suspects=(
            ("a layer that mixes features only", "does any layer run along this axis?"),
            ("an axis that was folded into the batch", "print the shapes of the mixing layers"),
        ),
        advice="a layer along this axis (recurrent, attention, convolution, linear), or "
        "Problem(apart=...) where the parts are meant to be alone",
    )
