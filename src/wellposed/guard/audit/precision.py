"""What lower precision does to the loss: float32 against float64, float16 and bfloat16."""

import copy
import math
import warnings
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..findings import Severity
from .asked import Slope
from .bench import Bench
from .verdict import Answer, Part, bad

LOW = {"float16": torch.float16, "bfloat16": torch.bfloat16}
REFUSED = (RuntimeError, TypeError, NotImplementedError)
"""How torch says that an operation does not exist in a precision."""


def precision_part(bench: Bench) -> Part:
    """Compare losses and gradients of the same estimate in four precisions."""
    single = bench.asked.slope(bench.good, bench.reference)
    double = _at(bench, torch.float64, bench.good)
    numbers = {"float64_difference": math.nan}
    if double is not None:
        numbers["float64_difference"] = single.value - double.value
        numbers["float64_gradient_cosine"] = _cosine(single.gradient, double.gradient)
    broken, least = {}, ""
    for name, dtype in LOW.items():
        slopes = [_at(bench, dtype, each) for each in (bench.good, 0 * bench.good)]
        if slopes[0] is None:
            numbers[f"{name}_difference"] = math.nan
            continue
        numbers[f"{name}_difference"] = slopes[0].value - single.value
        finite = [
            math.isfinite(each.value) and bool(each.gradient.isfinite().all())
            for each in slopes
            if each is not None
        ]
        if not all(finite):
            broken[name] = "a good estimate" if not finite[0] else "a silent estimate"
        least = name
    return Part([_single(bench, numbers), *_low(bench, broken, numbers, least)], numbers)


def _at(bench: Bench, dtype: torch.dtype, estimate: Tensor) -> Slope | None:
    """The loss in another precision; None where it cannot be computed in it."""
    fn: Any = bench.asked.fn
    if isinstance(fn, nn.Module):
        fn = copy.deepcopy(fn).to(dtype)
    try:
        # Torch warns once a process that complex halves are experimental: told, never raised, so
        # that the first audit of a process answers as the second does.
        with warnings.catch_warnings(record=True):
            return replace(bench.asked, fn=fn).slope(estimate.to(dtype), bench.reference.to(dtype))
    except REFUSED:
        return None


def _single(bench: Bench, numbers: dict[str, float]) -> Answer:
    gap = abs(numbers["float64_difference"])
    if math.isnan(gap):
        return Answer("stability", "computes in float32 only: float64 was refused")
    if gap <= bench.scale.spread + 10 * bench.scale.ulp:
        return Answer("stability", f"float32 and float64 agree to {gap:.1g}")
    return bad(
        "stability",
        "WP321",
        Severity.WARN,
        f"float32 is {gap:.3g} off float64: more than another draw of the noise changes",
        {"subject": "float32", "difference": gap, "spread": bench.scale.spread},
        suspects=(("a difference of large numbers", "compute the sums in float64"),),
    )


def _low(
    bench: Bench, broken: dict[str, str], numbers: dict[str, float], least: str
) -> list[Answer]:
    if broken:
        listed = ", ".join(f"{name} at {where}" for name, where in broken.items())
        return [
            bad(
                "stability",
                "WP321",
                Severity.WARN if "a good estimate" in broken.values() else Severity.INFO,
                f"not finite in low precision: {listed}",
                {"subject": "low precision", **broken},
                suspects=(("a floor that rounds to zero", "compute the loss in float32"),),
                advice="compute the loss in float32, outside autocast",
            )
        ]
    if not least:
        return []
    gap = abs(numbers[f"{least}_difference"])
    return [Answer("stability", f"finite in low precision; {least} is off by {gap:.2g}")]


def _cosine(first: Tensor, second: Tensor) -> float:
    first, second = first.double().flatten(), second.double().flatten()
    return float(torch.nn.functional.cosine_similarity(first, second, 0))
