"""Where two networks part: the same inputs to both, and the difference at every point they share.

Differences are relative to the first network. They are beyond rounding where they exceed what the
first network itself shows when every weight and every input sample is moved to a neighbouring
float: that is the smallest change there is, carried through the same layers.
"""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from wellposed.engine.inside.distance import Distances, relative_db
from wellposed.engine.inside.observe import WHOLE, passing

Points = dict[str, Tensor]


@dataclass(frozen=True)
class Pairing:
    """Which point of one network is set against which point of another."""

    by: Literal["name", "role"]
    first: Mapping[str, str] = field(default_factory=dict)
    """Role -> point of the first network; by name: empty, every point has its own name."""
    other: Mapping[str, str] = field(default_factory=dict)


def alike(first: nn.Module, other: nn.Module) -> bool:
    """Whether two networks have the same parts under the same names, and weights of one shape."""
    return _parts(first) == _parts(other)


def paired(
    first: nn.Module, other: nn.Module, roles: Mapping[str, str], other_roles: Mapping[str, str]
) -> Pairing:
    """By name where the networks are alike, else by the roles that a system gives to points."""
    return Pairing("name") if alike(first, other) else Pairing("role", roles, other_roles)


@dataclass
class Layer:
    """What was found at one point."""

    label: str
    shapes: tuple[tuple[int, ...] | None, tuple[int, ...] | None]
    """Of the first and the other network, of the first item; None: there is no such point."""
    apart: list[float] = field(default_factory=list)
    """Relative difference of every item [dB]; empty where shapes differ."""
    rounding: list[float] = field(default_factory=list)
    """The same of the first network and its neighbour."""
    likeness: list[float] = field(default_factory=list)
    """Linear CKA of every item, 1: equal up to rotation and scale of the features."""

    @property
    def distances(self) -> Distances:
        """The differences with their mean and interval."""
        return Distances(tuple(self.apart))

    @property
    def parted(self) -> bool:
        """Whether every item differs by more than rounding changes any.

        If there were rounding alone, n items of either kind would lie so by chance once in
        (2n)! / (n! n!) times: 12 870 for 8 items.
        """
        worst = max(self.rounding, default=-math.inf)
        return bool(self.apart) and all(not each <= worst for each in self.apart)

    def report(self) -> dict[str, Any]:
        """All figures."""
        made, near = self.distances.interval(), Distances(tuple(self.rounding)).interval()
        return {
            "layer": self.label,
            "shapes": self.shapes,
            "difference_db": {"mean": made.mean, "low": made.low, "high": made.high},
            "equal": self.distances.equal,
            "not_finite": self.distances.broken,
            "items": len(self.apart),
            "rounding_db": near.mean,
            "cka": _mean(self.likeness),
            "beyond_rounding": self.parted,
        }

    @property
    def cka(self) -> float:
        """Mean likeness; NaN where it was not taken."""
        return _mean(self.likeness)


@dataclass
class Apart:
    """The layers of one network against the first, in the order in which values pass."""

    by: Literal["name", "role"]
    layers: list[Layer]
    weights: tuple[int, int] | None
    """Tensors equal bit for bit, tensors; None where the networks are not alike."""
    changed: str
    """First tensor that differs, "" if none."""

    @property
    def first_parted(self) -> Layer | None:
        """The first layer that differs beyond rounding."""
        return next((layer for layer in self.layers if layer.parted), None)

    @property
    def equal(self) -> bool:
        """Whether weights and every value on the way are equal bit for bit."""
        same = self.weights is not None and self.weights[0] == self.weights[1]
        return same and all(each.distances.equal == len(each.apart) for each in self.layers)


def walk_apart(
    first: nn.Module,
    others: Sequence[nn.Module],
    pairings: Sequence[Pairing],
    inputs: Iterable[Tensor],
) -> list[Apart]:
    """Feed every input, one item each, to all networks, and compare on the way."""
    near = neighbour(first)
    tables: list[dict[str, Layer]] = [{} for _ in others]
    for number, given in enumerate(inputs):
        own = record(first, given)
        moved = record(near, _moved(given, torch.Generator().manual_seed(number)))
        rounding = {point: relative_db(own[point], moved[point]) for point in own}
        for other, pairing, table in zip(others, pairings, tables, strict=True):
            _compare(own, record(other, given), rounding, pairing, table)
    return [
        Apart(pairing.by, list(table.values()), *_weights(first, other))
        for other, pairing, table in zip(others, pairings, tables, strict=True)
    ]


@torch.no_grad()
def record(network: nn.Module, given: Tensor) -> Points:
    """Values at all points of one pass; of a part that runs several times, each by its number."""
    seen: Points = {}
    times: dict[str, int] = {}

    def visit(point: str, values: Tensor) -> Tensor:
        times[point] = times.get(point, 0) + 1
        again = f"{point} ({times[point]})" if times[point] > 1 else point
        if values.is_floating_point() or values.is_complex():
            seen[again] = values
        return values

    with passing(network, visit):
        network(given)
    seen.pop("input", None)
    return seen


@torch.no_grad()
def neighbour(network: nn.Module, seed: int = 0) -> nn.Module:
    """A copy whose every weight is the next number above or below, by chance."""
    made = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    for parameter in made.parameters():
        parameter.copy_(_moved(parameter, generator))
    return made


def linear_cka(first: Tensor, other: Tensor) -> float:
    """Likeness of features `(rows, p)` and `(rows, q)`: 1 up to rotation and scale, 0 unrelated.

    Source: Kornblith et al., "Similarity of neural network representations revisited", 2019,
    arXiv:1905.00414. NaN where either does not vary.
    """
    x, y = (each.double() - each.double().mean(0) for each in (first, other))
    scale = (x.T @ x).norm() * (y.T @ y).norm()
    return float((x.T @ y).norm().square() / scale) if scale > 0 else math.nan


def _compare(
    own: Points,
    its: Points,
    rounding: Mapping[str, float],
    pairing: Pairing,
    table: dict[str, Layer],
) -> None:
    firsts = pairing.first if pairing.by == "role" else {point: point for point in own}
    others = pairing.other if pairing.by == "role" else {point: point for point in its}
    # The result of the whole comes last, also behind points that only the other has.
    labels = dict.fromkeys([*firsts, *others])
    labels = sorted(labels, key=lambda label: label == WHOLE)
    for label in labels:
        a, b = own.get(firsts.get(label, "")), its.get(others.get(label, ""))
        shapes = (None if a is None else tuple(a.shape), None if b is None else tuple(b.shape))
        layer = table.setdefault(label, Layer(label, shapes))
        if a is None or b is None:
            continue
        if a.shape == b.shape:
            layer.apart.append(relative_db(a, b))
            layer.rounding.append(rounding[firsts[label]])
        if _comparable(a, b):
            layer.likeness.append(linear_cka(a.flatten(0, -2), b.flatten(0, -2)))


def _comparable(a: Tensor, b: Tensor) -> bool:
    """Features of the same frames and bands; spectra and waveforms are compared as they are."""
    real = not (a.is_complex() or b.is_complex())
    return real and a.dim() > 2 and a.shape[:-1] == b.shape[:-1]


def _moved(values: Tensor, generator: torch.Generator) -> Tensor:
    up = torch.rand(values.shape, generator=generator) < 0.5
    ends = torch.where(up, math.inf, -math.inf).to(values)
    return torch.nextafter(values, ends)


def _parts(network: nn.Module) -> tuple[dict[str, type], dict[str, tuple[int, ...]]]:
    shapes = {name: tuple(each.shape) for name, each in network.state_dict().items()}
    return {name: type(part) for name, part in network.named_modules()}, shapes


def _weights(first: nn.Module, other: nn.Module) -> tuple[tuple[int, int] | None, str]:
    if not alike(first, other):
        return None, ""
    own, its = first.state_dict(), other.state_dict()
    changed = [name for name in own if not torch.equal(own[name], its[name])]
    return (len(own) - len(changed), len(own)), next(iter(changed), "")


def _mean(values: Sequence[float]) -> float:
    kept = [each for each in values if math.isfinite(each)]
    return sum(kept) / len(kept) if kept else math.nan
