"""Do states, outputs and gradients stay bounded when a sequence is longer than in training?

Signal: the root mean square of what every module makes, on training sequences that are repeated 1,
2, 4 and 8 times, item by item: repeated, because another one would bring another level. The growth
exponent is its base-2 logarithm's rise per doubling. Reference points [R]: 0 is bounded, 1/2 a
random walk, 1 a sum; beyond it grows with itself. A quarter lies in the middle between the first
two. Threshold [S]: the lower end of Student's interval over the items of the last doubling is above
a quarter, and the exponent does not surely fall from doubling to doubling (a memory that is long,
but ends). 5 % of false alarms are shared among all modules.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ....chance import Interval, mean_interval
from ....findings import Severity
from ....nested import tensors_in
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal, named, resting
from ..statement import Batch
from ..unasked import Unasked

QUESTION = "stability"
CODES = ("WP301", "WP304")
QUICK = True
LENGTHS = (1, 2, 4, 8)
FEW = 4
"""Items that are asked with when all questions shall take a minute."""
BOUND = 0.25
"""Exponent in the middle between bounded (0) and a random walk (1/2)."""
LEVEL = 0.05
"""Chance that a healthy problem fails, over all modules."""

Sizes = dict[str, list[list[float]]]
"""By what was measured: at every length, one value an item."""


@dataclass(frozen=True)
class Growth:
    """How one thing grows."""

    name: str
    last: Interval
    """Exponent of the last doubling."""
    bending: Interval
    """Last exponent less the one before: below 0 where growth comes to an end."""
    exponents: tuple[float, ...]

    @property
    def unbounded(self) -> bool:
        """Whether it surely grows, and not surely less and less."""
        return self.last.low > BOUND and self.bending.high >= 0


def ask(rehearsal: Rehearsal) -> Part:
    """Measure at every length, and look at the growth."""
    batch = rehearsal.items(FEW) if rehearsal.quick else rehearsal.batch(0)
    times = _time_axes(rehearsal, batch)
    networks = rehearsal.networks()
    items = min(len(each) for each in batch.values())
    if items < 2:
        raise Unasked("a batch of one item has no spread; give batches of 2 or more")
    sizes: Sizes = {}
    for length in LENGTHS:
        longer = lengthened(batch, times, length)
        for name, values in _measured(rehearsal, networks, longer, items).items():
            sizes.setdefault(name, []).append(values)
    if broken := _not_finite(sizes):
        return Part([broken])
    with_gradient = not rehearsal.quick and _gradients(rehearsal, networks, batch, times, sizes)
    return _judged(sizes, with_gradient)


def lengthened(batch: Batch, times: Mapping[str, int], count: int) -> Batch:
    """A batch whose tensors are repeated so often along their time axes, where they have one."""
    return {
        name: torch.cat([each] * count, times[name]) if name in times else each
        for name, each in batch.items()
    }


def _time_axes(rehearsal: Rehearsal, batch: Batch) -> dict[str, int]:
    """Time axis of every input that has one, and of what has the shape of such an input."""
    problem = rehearsal.problem
    axes = {k: own["time"] for k, own in problem.axes.items() if "time" in own and k in batch}
    if not axes:
        raise Unasked("no input has a time axis; declare it: Problem(axes={'x': {'time': 1}})")
    shapes = {batch[name].shape: axis for name, axis in axes.items()}
    alike = {k: shapes[each.shape] for k, each in batch.items() if each.shape in shapes}
    return {**alike, **axes}


def _measured(
    rehearsal: Rehearsal, networks: Mapping[str, nn.Module], batch: Batch, items: int
) -> dict[str, list[float]]:
    """Root mean square of the estimate and of what every module returns, item by item."""
    found: dict[str, list[float]] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: object, made: object) -> None:
            for place, tensor in enumerate(tensors_in(made)):
                if tensor.is_floating_point() or tensor.is_complex():
                    key = f"{name} output {place}" if place else name
                    values = _rms(tensor, items)
                    if values is not None:
                        found.setdefault(key, values)

        return hook

    with ExitStack() as stack:
        for name, network in networks.items():
            for path, module in network.named_modules():
                whole = ".".join(filter(None, (name, path)))
                handle = module.register_forward_hook(note(whole))
                stack.callback(handle.remove)
        made = rehearsal.estimates(networks, batch)
    for name, estimate in named(made).items():
        values = _rms(estimate, items)
        if values is not None:
            found[f"the {name}" if name == "estimate" else f"the estimate {name}"] = values
    return found


@torch.no_grad()
def _rms(tensor: Tensor, items: int) -> list[float] | None:
    """Of each of so many equal parts along the first axis; None if it has no such parts."""
    if not tensor.numel() or tensor.numel() % items:
        return None
    parts = tensor.detach().abs().double().reshape(items, -1)
    return parts.square().mean(1).sqrt().tolist()


def _gradients(
    rehearsal: Rehearsal,
    networks: Mapping[str, nn.Module],
    batch: Batch,
    times: Mapping[str, int],
    sizes: Sizes,
) -> bool:
    """Add the norm of every item's gradient at every length, if the labels have lengths too."""
    if any(label not in times for label in rehearsal.problem.labels):
        return False
    parameters = list(rehearsal.parameters(networks).values())
    with resting(networks):
        for length in LENGTHS:
            longer = lengthened(batch, times, length)
            norms = []
            for item in range(min(len(each) for each in longer.values())):
                one = {key: each[item : item + 1] for key, each in longer.items()}
                total = torch.stack(list(rehearsal.terms(networks, one).values())).sum()
                made = torch.autograd.grad(total, parameters, allow_unused=True)
                kept = [each.norm() for each in made if each is not None]
                norms.append(float(torch.stack(kept).norm()))
            sizes.setdefault("the gradient", []).append(norms)
    return True


def _not_finite(sizes: Sizes) -> Answer | None:
    for name, lengths in sizes.items():
        for length, values in zip(LENGTHS, lengths, strict=False):
            if not all(math.isfinite(value) for value in values):
                return bad(
                    QUESTION,
                    "WP301",
                    Severity.FAIL,
                    f"{name} is not finite on {length} training lengths",
                    {"subject": name, "length": length},
                    suspects=((name, "print its largest value at half of that length"),),
                    advice="bound what is carried from frame to frame",
                )
    return None


def _judged(sizes: Sizes, with_gradient: bool) -> Part:
    level = LEVEL / max(len(sizes), 1)
    growths = [made for name, each in sizes.items() if (made := growth(name, each, level))]
    numbers = {
        "growth_exponents": {
            each.name: {
                "last_doubling": each.last.mean,
                "low": each.last.low,
                "high": each.last.high,
                "each_doubling": list(each.exponents),
            }
            for each in growths
        }
    }
    found = [each for each in growths if each.unbounded]
    if not found:
        worst = max(growths, key=lambda each: each.last.mean)
        text = (
            f"bounded on {', '.join(map(str, LENGTHS))} training lengths: "
            f"{worst.name} grows most, by length to the {worst.last.mean:.2f} "
            f"({worst.last.low:.2f} to {worst.last.high:.2f}), of {len(growths)} outputs"
        )
        return Part(
            [Answer(QUESTION, text + (" and the gradient" if with_gradient else ""))], numbers
        )
    return Part([_grows(found, len(growths))], numbers)


def growth(name: str, lengths: list[list[float]], level: float) -> Growth | None:
    """Exponents per doubling over the items that are never zero; None with fewer than two."""
    items = [values for values in zip(*lengths, strict=True) if min(values) > 0]
    if len(items) < 2 or len(lengths) < 3:
        return None
    rises = [[math.log2(late / early) for early, late in pairwise(values)] for values in items]
    last = mean_interval([each[-1] for each in rises], level)
    bending = mean_interval([each[-1] - each[-2] for each in rises], 2 * LEVEL)
    means = tuple(sum(column) / len(rises) for column in zip(*rises, strict=True))
    return Growth(name, last, bending, means)


def _grows(found: list[Growth], of: int) -> Answer:
    # The first of the network is where it begins; what follows has it from there.
    first = found[0]
    kind = (
        "grows with itself"
        if first.last.low > 1
        else ("adds up" if first.last.mean > 0.75 else "wanders off")
    )
    return bad(
        QUESTION,
        "WP304",
        Severity.FAIL,
        f"{first.name} {kind}: by length to the {first.last.mean:.2f} "
        f"({first.last.low:.2f} to {first.last.high:.2f}) at {LENGTHS[-1]} training lengths",
        {
            "subject": first.name,
            "exponent": first.last.mean,
            "low": first.last.low,
            "high": first.last.high,
            "exponents": ", ".join(f"{each:.2f}" for each in first.exponents),
            "growing": len(found),
            "of": of,
        },
        suspects=((first.name, "reset what it carries after every training length: it stays"),),
        advice="a decay that is surely below one, or a norm; or train on the lengths of use",
    )
