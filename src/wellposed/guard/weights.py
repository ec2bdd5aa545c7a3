"""Naming weights by their bits: equal names mean equal weights, on any device."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from .finite import plain
from .networks import Models, plain_module
from .npy import raw_bytes


def named_weights(models: Models) -> dict[str, Tensor]:
    """Parameters and buffers of all networks: `NETWORK/tensor`; `tensor` where there is one.

    Sharded ones are gathered, so that every rank must call this.
    """
    found = {}
    for name, model in models.items():
        prefix = f"{name}/" if len(models) > 1 else ""
        for key, value in plain_module(model).state_dict().items():
            whole = getattr(value, "full_tensor", None)
            found[prefix + key] = value if whole is None else whole()
    return found


def fingerprint(models: Models) -> str:
    """Sixteen hexadecimal digits of a digest over all weights (waits for the device)."""
    return fingerprint_of(models, named_weights(models))


def fingerprint_of(models: Models, weights: Mapping[str, Tensor]) -> str:
    """`fingerprint` of the networks if they had `weights`; names of both styles are known."""
    digest = hashlib.blake2b(digest_size=8)
    for name, value in sorted(_short(models, weights).items()):
        numbers = plain(value.detach())
        digest.update(f"{name} {numbers.dtype} {tuple(numbers.shape)}".encode())
        digest.update(raw_bytes(numbers))
    return digest.hexdigest()


def same_weights(models: Models, weights: Mapping[str, Tensor]) -> bool:
    """Whether `weights` are bit for bit those of the networks; names of both styles are known."""
    own, given = named_weights(models), _short(models, weights)
    return own.keys() == given.keys() and all(
        own[key].dtype == given[key].dtype
        and torch.equal(own[key].detach().cpu(), given[key].detach().cpu())
        for key in own
    )


def _short(models: Models, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    alone = next(iter(models)) + "/" if len(models) == 1 else ""
    return {key.removeprefix(alone): value for key, value in weights.items()}
