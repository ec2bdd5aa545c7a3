"""Whether a matrix that a loss holds is a filterbank: sign, order, width, empty rows.

A filterbank has rows that are not negative, whose centres rise from row to row, and none empty.
Rows in random order have a rank correlation of centre and number with standard deviation
1 / sqrt(n - 1), so that z tells chance from order.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..chance import normal_quantile
from ..findings import Severity
from .verdict import Answer, Part, bad

CALLED = re.compile(r"mel|bark|erb|gamma|filter|bank|fb", re.IGNORECASE)
"""Names that promise a filterbank; other matrices are measured and not judged."""

CHANCE = 1e-3
"""Chance that rows in random order look ordered."""


@dataclass(frozen=True)
class Shape:
    """One matrix, measured."""

    filters: int
    bins: int
    negative: float
    """Share of entries below zero."""
    order: float
    """z of the rank correlation between a row's number and its centre."""
    width: float
    """Median over rows of the effective width, as a share of all bins."""
    empty: int
    """Rows without any weight."""


def filterbank_part(fn: Callable[..., Any]) -> Part:
    """Measure every matrix among the buffers of the loss."""
    answers, numbers = [], {}
    for name, matrix in matrices(fn):
        shape = measure_bank(matrix)
        numbers |= {
            f"buffer_{name}_{key}": getattr(shape, key)
            for key in ("negative", "order", "width", "empty")
        }
        if CALLED.search(name):
            answers.append(_judged(name, shape))
    return Part(answers, numbers)


def matrices(fn: Callable[..., Any]) -> Iterator[tuple[str, Tensor]]:
    """Real matrices held by a module as buffers, or by an object as plain attributes."""
    owner = fn if isinstance(fn, nn.Module) else getattr(fn, "__self__", None)
    held = dict(owner.named_buffers()) if isinstance(owner, nn.Module) else {}
    inner = owner.named_modules() if isinstance(owner, nn.Module) else [("", owner)]
    for prefix, module in inner:
        for name, value in vars(module).items() if hasattr(module, "__dict__") else ():
            if isinstance(value, Tensor):
                held[f"{prefix}.{name}".lstrip(".")] = value
    for name, value in held.items():
        if value.ndim == 2 and min(value.shape) > 2 and value.is_floating_point():
            yield name, value.detach()


def measure_bank(matrix: Tensor) -> Shape:
    """Measure a matrix whose shorter side is taken as the number of filters."""
    bank = (matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T).double().cpu()
    filters, bins = bank.shape
    weight = bank.relu()
    total = weight.sum(1)
    full = total > 0
    centre = (weight * torch.arange(bins)).sum(1)[full] / total[full]
    width = total[full].square() / (bins * weight[full].square().sum(1))
    return Shape(
        filters=filters,
        bins=bins,
        negative=float((bank < -1e-6 * bank.abs().max()).double().mean()),
        order=abs(_rank_correlation(centre)) * math.sqrt(max(len(centre) - 1, 0)),
        width=float(width.median()) if len(width) else math.nan,
        empty=int((~full).sum()),
    )


def _judged(name: str, shape: Shape) -> Answer:
    # Twice the normal tail: falling order is order too.
    wanted = -normal_quantile(CHANCE / 2)
    faults = []
    if shape.negative > 0:
        faults.append(f"{shape.negative:.0%} of its entries are negative")
    if shape.order < min(wanted, 0.9 * math.sqrt(max(shape.filters - 1, 0))):
        faults.append(f"its rows are in no order (z {shape.order:.1f}, chance has 1)")
    said = f"buffer {name}, {shape.filters} x {shape.bins}"
    if faults:
        return bad(
            "uniqueness",
            "WP205",
            Severity.FAIL,
            f"{said}, is no filterbank: {' and '.join(faults)}",
            {
                "subject": name,
                "negative": shape.negative,
                "order_z": shape.order,
                "width": shape.width,
                "empty_rows": shape.empty,
            },
            suspects=(("random numbers in its place", "plot the rows; compare with a formula"),),
            advice="compute triangles on the mel scale, and test their centres against the formula",
        )
    if shape.empty:
        return bad(
            "uniqueness",
            "WP205",
            Severity.WARN,
            f"{said}: {shape.empty} filters are empty",
            {"subject": name, "empty_rows": shape.empty},
            suspects=(("filters narrower than a bin", "count bins between neighbouring edges"),),
            advice="fewer filters, or a longer window",
        )
    width = f"each {shape.width:.1%} of the bins wide"
    return Answer("uniqueness", f"{said}, is a filterbank: rows in order, {width}")


def _rank_correlation(centre: Tensor) -> float:
    if len(centre) < 3:
        return 0.0
    rank = centre.argsort().argsort().double()
    number = torch.arange(len(centre), dtype=torch.float64)
    return float(torch.corrcoef(torch.stack((rank, number)))[0, 1])
