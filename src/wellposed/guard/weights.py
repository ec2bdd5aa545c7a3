"""Naming weights by their bits: equal names mean equal weights, on any device."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from .finite import plain
from .networks import Models, plain_module
from .npy import raw_bytes


def named_weights(models: Models) -> dict[str, Tensor]:
    """Parameters and buffers of all networks: `NETWORK/tensor`; `tensor` where there is one."""
    found = {}
    for name, model in models.items():
        prefix = f"{name}/" if len(models) > 1 else ""
        for key, value in plain_module(model).state_dict().items():
            found[prefix + key] = value
    return found


def fingerprint(models: Models) -> str:
    """Sixteen hexadecimal digits of a digest over all weights (waits for the device)."""
    digest = hashlib.blake2b(digest_size=8)
    for name, value in sorted(named_weights(models).items()):
        numbers = plain(value.detach())
        digest.update(f"{name} {numbers.dtype} {tuple(numbers.shape)}".encode())
        digest.update(raw_bytes(numbers))
    return digest.hexdigest()


def same_weights(models: Models, weights: Mapping[str, Tensor]) -> bool:
    """Whether `weights` are bit for bit those of the networks; names of both styles are known."""
    own = named_weights(models)
    alone = next(iter(models)) + "/" if len(models) == 1 else ""
    given = {key.removeprefix(alone): value for key, value in weights.items()}
    return own.keys() == given.keys() and all(
        own[key].dtype == given[key].dtype
        and torch.equal(own[key].detach().cpu(), given[key].detach().cpu())
        for key in own
    )
