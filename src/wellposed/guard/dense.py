"""The numbers of a tensor, whatever its layout."""

import torch
from torch import Tensor


def plain(tensor: Tensor) -> Tensor:
    """The numbers of a tensor as a dense, real, local one: shard, sparse values, re and im."""
    if type(tensor) is not Tensor and hasattr(tensor, "to_local"):
        tensor = tensor.to_local()
    if tensor.layout == torch.sparse_coo:
        # Entries that share an index are summed: only the sum reaches the weights.
        tensor = tensor.coalesce().values()
    elif tensor.layout != torch.strided:
        tensor = tensor.values()
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
