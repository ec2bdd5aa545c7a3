"""How many sources: information criteria on eigenvalues or on what fits leave over."""

import math
from typing import Literal

import torch
from torch import Tensor

Rule = Literal["mdl", "bic", "aic"]


def count_by_eigenvalues(values: Tensor, snapshots: int, rule: Rule = "mdl") -> Tensor:
    """Sources `(...)` from eigenvalues `(..., sensors)` of sample covariances, in any order.

    Minimum of -2 log likelihood + penalty x parameters over k = 0 ... sensors - 1, with k (2
    sensors - k) parameters; Wax and Kailath, IEEE Trans. ASSP 33 (1985). It counts the rank of the
    sources: coherent ones are one. Eigenvalues at rounding (more sensors than snapshots, or zero)
    are taken as their least value, else their logarithms decide alone.
    """
    ordered = values.double().sort(-1, descending=True).values
    sensors = ordered.shape[-1]
    floor = sensors * torch.finfo(values.dtype).eps * ordered[..., :1]
    ordered = ordered.clamp(min=torch.finfo(torch.float64).tiny).maximum(floor)
    # A covariance of few snapshots has only so many directions of noise.
    usable = min(sensors, snapshots)
    costs = []
    for k in range(usable):
        noise = ordered[..., k:usable]
        flatness = noise.log().mean(-1) - noise.mean(-1).log()
        likelihood = -2 * snapshots * (usable - k) * flatness
        costs.append(likelihood + _penalty(rule, snapshots) * k * (2 * sensors - k))
    return torch.stack(costs, -1).argmin(-1)


def count_by_residuals(
    residuals: Tensor, numbers: int, per_source: int, rule: Rule = "bic"
) -> Tensor:
    """Sources `(...)` from residual powers `(..., orders)` of fits with 0, 1, 2 ... sources.

    `numbers` complex measurements, `per_source` real parameters a source: its coordinates and two
    for each of its amplitudes. Minimum of 2 numbers ln(residual) + penalty x parameters; the noise
    power is unknown. It counts coherent sources as they are.
    """
    order = torch.arange(residuals.shape[-1], device=residuals.device)
    floor = torch.finfo(residuals.dtype).tiny
    cost = 2 * numbers * residuals.clamp(min=floor).log()
    return (cost + _penalty(rule, 2 * numbers) * per_source * order).argmin(-1)


def _penalty(rule: Rule, numbers: int) -> float:
    """Of one real parameter, on the scale of -2 log likelihood."""
    if rule == "aic":
        return 2.0
    if rule in ("mdl", "bic"):
        return math.log(numbers)
    raise ValueError(f"rule {rule!r}: mdl, bic (the same penalty) or aic wanted")
