"""What the bits of a run depend on beyond its recipe: versions, device, threads, processes."""

import json
import platform
from typing import Any

import torch

from wellposed.engine.distributed import World
from wellposed.engine.storage.atomic import write_text
from wellposed.engine.storage.runfolder import RunFolder


def environment(world: World) -> dict[str, Any]:
    """Return what bits depend on beyond the recipe."""
    cuda = world.device.type == "cuda"
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name(world.device) if cuda else "cpu",
        "threads": torch.get_num_threads(),
        "processes": world.ranks,
    }


def environment_text(world: World) -> str:
    """As JSON."""
    return json.dumps(environment(world), indent=2) + "\n"


def other_environment(folder: RunFolder, world: World) -> str:
    """Say what has changed that bits depend on; nothing if nothing has."""
    now = environment(world)
    if not folder.environment.exists():
        # Written by nobody, or lost: from now on it is known.
        write_text(folder.environment, environment_text(world))
    before = json.loads(folder.environment.read_text())
    other = [f"{key} {before.get(key)} -> {now[key]}" for key in now if before.get(key) != now[key]]
    return f"; not bit for bit, since {', '.join(other)}" if other else ""
