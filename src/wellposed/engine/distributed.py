"""One process or many: ranks from torchrun, copies (DDP) or shards (FSDP) of the networks.

`torchrun --nproc-per-node 2 -m -- wellposed train ...` is all it takes; without the two dashes
torchrun takes our `--run` for an option of its own. Every rank renders its own share of each
batch; gradients are averaged, so the weights are those of one process with the whole batch, to
rounding.
"""

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from wellposed.errors import RecipeError


@dataclass(frozen=True)
class World:
    """Who this process is."""

    rank: int
    ranks: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks to people."""
        return self.rank == 0


def leads() -> bool:
    """Whether this process is the one that speaks, also before and after it is joined."""
    return os.environ.get("RANK", "0") == "0"


def rank_count() -> int:
    """How many processes torchrun has started, also before they are joined."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def own_device(device: str) -> torch.device:
    """The device of this process for "auto", "cpu", "cuda" or "cuda:N"; RecipeError as `joined`."""
    local = int(os.environ.get("LOCAL_RANK", "0")) if rank_count() > 1 else None
    return _device(device, local)


@contextmanager
def joined(device: str) -> Iterator[World]:
    """Join the processes that torchrun started (or be alone), and leave them at the end.

    `device` is "auto", "cpu", "cuda" or "cuda:N". Raises RecipeError for CUDA that is not there.
    """
    ranks = rank_count()
    rank = int(os.environ.get("RANK", "0"))
    chosen = own_device(device)
    if ranks == 1:
        yield World(0, 1, chosen)
        return
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield World(rank, ranks, chosen)
    finally:
        # Networks that hold the group go first: else its threads may end the process with it
        # ("terminate called without an active exception", seen with torch 2.13 and gloo).
        gc.collect()
        dist.destroy_process_group()


def wrap(networks: Mapping[str, nn.Module], world: World, strategy: str) -> dict[str, nn.Module]:
    """Make gradients common to all ranks; alone, the networks as they are.

    With "fsdp" the networks themselves are sharded in place, parameters become DTensors.
    """
    if world.ranks == 1:
        return dict(networks)
    if strategy == "fsdp":
        mesh = init_device_mesh(world.device.type, (world.ranks,))
        for network in networks.values():
            network.register_forward_hook(_no_view)
            fully_shard(network, mesh=mesh)
        return dict(networks)
    devices = [world.device.index] if world.device.type == "cuda" else None
    # Each rank keeps its own buffers while training; 2.13 has a new name for that.
    known = signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    copied = partial(DistributedDataParallel, device_ids=devices, **{name: False})
    return {name: copied(network) for name, network in networks.items()}


def _no_view(network: nn.Module, inputs: object, output: object) -> object:
    """Copy an output that is a view: FSDP hooks the output, and a view can lose the hook."""
    is_view = isinstance(output, Tensor) and output._is_view()
    return output.clone() if is_view else output


def whole(tensor: Tensor) -> Tensor:
    """Return the full tensor of a sharded one; every rank must call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(full: Tensor, target: Tensor) -> Tensor:
    """Give `full` the device and sharding of `target`."""
    if isinstance(target, DTensor):
        placed = full.to(target.device)
        return distribute_tensor(placed, target.device_mesh, target.placements)
    return full.to(target.device)


def forget_gathered(networks: Mapping[str, nn.Module]) -> None:
    """Make sharded networks gather their weights anew, because the shards have changed.

    After a forward pass without backward FSDP keeps what it has gathered, and would use it for
    the next forward pass, whatever the shards are by then.
    """
    for network in networks.values():
        if isinstance(network, FSDPModule):
            network.reshard()


def mean_over_ranks(value: Tensor, world: World) -> Tensor:
    """Average a tensor over ranks."""
    if world.ranks > 1:
        value = value.clone()
        dist.all_reduce(value)
        value /= world.ranks
    return value


def gather_rows(rows: dict[int, dict[str, Any]], world: World) -> dict[int, dict[str, Any]]:
    """Join the rows that the ranks computed, by scene number; the lowest rank's word counts."""
    if world.ranks == 1:
        return rows
    parts: list[dict] = [{} for _ in range(world.ranks)]
    dist.all_gather_object(parts, rows)
    return {number: row for part in reversed(parts) for number, row in part.items()}


def _device(name: str, local_rank: int | None) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RecipeError(f"training.device = {name!r}: want auto, cpu, cuda or cuda:N.") from None
    if device.type not in ("cpu", "cuda"):
        raise RecipeError(f"training.device = {name!r}: want auto, cpu, cuda or cuda:N.")
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise RecipeError(
                f"training.device = {name!r}: PyTorch {torch.__version__} sees no CUDA device. "
                "Use --training.device cpu, or install a CUDA build of PyTorch."
            )
        index = device.index if local_rank is None else local_rank
        device = torch.device("cuda", index or 0)
        torch.cuda.set_device(device)
    return device
