"""Several processes, one verdict: ranks must never part over a bad step."""

import torch
import torch.distributed as dist
from torch import Tensor


def several() -> bool:
    """Whether this process trains together with others."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """Number of this process, 0 when it is alone."""
    return dist.get_rank() if several() else 0


def agree(flags: Tensor) -> list[float]:
    """The smallest of every rank's flags, the same on all ranks. Every rank must call it."""
    agreed = flags.detach().clone()
    dist.all_reduce(agreed, dist.ReduceOp.MIN)
    return agreed.tolist()


def most_telling(text: str, priority: int, device: torch.device) -> tuple[int, str]:
    """The text of the rank with the lowest (priority, rank), on every rank that calls it."""
    if not several():
        return 0, text
    world = dist.get_world_size()
    score = torch.tensor([priority * world + rank()], dtype=torch.int64, device=device)
    dist.all_reduce(score, dist.ReduceOp.MIN)
    chosen = int(score) % world
    raw = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).to(device)
    size = torch.tensor([raw.numel()], dtype=torch.int64, device=device)
    dist.broadcast(size, chosen)
    if rank() != chosen:
        raw = torch.empty(int(size), dtype=torch.uint8, device=device)
    dist.broadcast(raw, chosen)
    return chosen, bytes(raw.tolist()).decode()
