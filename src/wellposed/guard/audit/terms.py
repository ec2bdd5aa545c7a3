"""Which term of an objective pulls the estimate where, and how hard.

Forces are what the objective falls by, in its own unit, for a small change of the estimate: per
decibel louder, per decibel louder in a band, per hundredth of the level of offset, and for the
whole way to the reference if the slope stayed.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from .asked import LossFunction
from .probes import rms

BAND_EDGES_HZ = (0, 500, 1000, 2000, 4000, math.inf)
"""Octaves, the lowest two together where speech has its pitch."""

POINTS = {"as given": 1.0, "half way": 0.5, "near": 0.1}
"""How much of the estimates' error is left where an objective is asked. "As given" is where the
network stands."""


@dataclass(frozen=True)
class Items:
    """Items of one kind, such as "present" or "absent", with what a network makes of them."""

    estimate: Tensor
    """`(batch, time)`, as a network gives it at the point that is looked at."""
    reference: Tensor
    source: Tensor | None = None
    """What the network was given, for objectives that need it."""
    share: float = 1.0
    """Share of this kind in the data."""


Terms = Callable[[Tensor, Items], Mapping[str, Tensor]]
"""From an estimate and its items to named, unweighted terms: one number, or one per item."""


@dataclass(frozen=True)
class Objective:
    """Named terms, their weights, and how kinds of items come together in a batch."""

    terms: Callable[[str], Terms]
    """By kind of items, as `as_terms` makes it."""
    weights: Mapping[str, float]
    items: Mapping[str, Items]
    per: str = "item"
    """"item": every item counts alike. "kind": the mean over a kind's items counts, in every batch
    that has one."""
    batch_size: int = 1
    rate: int = 16000

    def chance(self, kind: str, batch_size: int | None = None) -> float:
        """How much of an average batch's objective a kind's mean is."""
        share = self.items[kind].share
        size = self.batch_size if batch_size is None else batch_size
        return share if self.per == "item" else 1 - (1 - share) ** size

    def values(self, kind: str, estimate: Tensor) -> dict[str, Tensor]:
        """Weighted terms of a kind, one number each."""
        items = self.items[kind]
        made = self.terms(kind)(estimate, replace(items, estimate=estimate))
        return {
            name: self.weights.get(name, 0.0) * value.mean()
            for name, value in made.items()
            if self.weights.get(name, 0.0)
        }


def as_terms(
    terms: Terms | Mapping[str, LossFunction], applies: Mapping[str, Collection[str]]
) -> Callable[[str], Terms]:
    """Return, by kind, one function that makes all terms which apply to that kind."""
    if not isinstance(terms, Mapping):
        return lambda kind: terms
    named = dict(terms)

    def of(kind: str) -> Terms:
        used = {name: fn for name, fn in named.items() if kind in applies.get(name, (kind,))}
        return lambda estimate, items: {
            name: fn(estimate, items.reference) for name, fn in used.items()
        }

    return of


def pulls(objective: Objective, kind: str, estimate: Tensor) -> dict[str, dict[str, float]]:
    """Forces of every term on the estimates of a kind, as the module says; `norm` of the gradient.

    `connected` is 0 for a term without a path to the estimate.
    """
    estimate = estimate.detach().clone().requires_grad_()
    with torch.enable_grad():
        values = objective.values(kind, estimate)
    found = {}
    for name, value in values.items():
        gradient = None
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(
                value, [estimate], retain_graph=True, allow_unused=True
            )
        found[name] = _pull(objective, kind, estimate.detach(), gradient)
        found[name]["value"] = float(value.detach())
    return found


def _pull(
    objective: Objective, kind: str, estimate: Tensor, gradient: Tensor | None
) -> dict[str, float]:
    connected = gradient is not None
    down = torch.zeros_like(estimate) if gradient is None else -gradient
    per_db = math.log(10) / 20
    reference = objective.items[kind].reference
    pulled = {
        "connected": float(connected),
        "norm": float(down.double().norm()),
        "louder_per_db": per_db * _inner(down, estimate),
        "to_reference": _inner(down, reference - estimate),
        "offset_per_percent": 0.01 * _inner(down, rms(estimate).expand_as(estimate)),
    }
    for edges, band in _bands(estimate, objective.rate):
        pulled[f"louder_{edges}_per_db"] = per_db * _inner(down, band)
    return pulled


def _bands(signal: Tensor, rate: int) -> list[tuple[str, Tensor]]:
    """The parts of a signal in the bands, by name."""
    spectrum = torch.fft.rfft(signal)
    hertz = torch.linspace(0, rate / 2, spectrum.shape[-1])
    made = []
    for low, high in pairwise(BAND_EDGES_HZ):
        if low < rate / 2:
            inside = (hertz >= low) & (hertz < high)
            name = f"{low}_to_{min(high, rate / 2):.0f}_hz"
            made.append((name, torch.fft.irfft(spectrum * inside, n=signal.shape[-1])))
    return made


def _inner(first: Tensor, second: Tensor) -> float:
    return float((first.double() * second.double()).sum())
