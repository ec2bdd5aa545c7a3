"""Everything that the next step of a run may depend on, each under a name, as digests.

What a checkpoint holds comes first, with the names of its parameters. Then what it should hold but
does not: numbers, tensors and generators that live in the system, in modules beside their
parameters, in the system's own source file, or in the global generators. Two runs at the same step
whose witnesses agree are in the same state, as far as Python can see.
"""

import hashlib
import inspect
import itertools
import random
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wellposed.engine.run import Run
from wellposed.engine.storage.tensorfile import as_bytes

DEPTH = 5
"""Objects within objects that are followed."""
WIDTH = 256
"""Entries of a list or mapping that are looked at; its length always is."""

Leaves = Iterator[tuple[str, str]]


def witness(run: Run) -> dict[str, str]:
    """Digest of every state by name, most telling names first."""
    found = dict(_saved(run))
    seen = {id(tensor): tensor for tensor in _tensors(run)}
    walk = _Walk(type(run.system).__module__.partition(".")[0], seen)
    for name, network in run.networks.items():
        for path, module in network.named_modules():
            found |= dict(walk.module(module, ".".join(filter(None, (name, path)))))
    found |= dict(walk.fields(run.system, "system", 0))
    for kind in inspect.getmro(type(run.system)):
        if kind.__module__.partition(".")[0] == walk.package:
            found |= dict(walk.of(_plain(vars(kind)), f"class {kind.__name__}", 1))
            names = vars(sys.modules[kind.__module__])
            found |= dict(walk.of(_plain(names), f"module {kind.__module__}", 1))
    found |= dict(_global_generators())
    return found


def tensor_digest(tensor: Tensor) -> str:
    """Digest of a tensor's type, shape and bits."""
    bits = hashlib.blake2b(as_bytes(tensor).numpy().tobytes(), digest_size=12).hexdigest()
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)} {bits}"


def flatten(tree: Any, name: str) -> Leaves:
    """Leaves of a checkpoint's tree, tensors as digests."""
    if isinstance(tree, Tensor):
        yield name, tensor_digest(tree)
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from flatten(value, f"{name} {key}".strip())
    elif isinstance(tree, list | tuple):
        for number, value in enumerate(tree):
            yield from flatten(value, f"{name} {number}")
    else:
        yield name, repr(tree)


def named_state(state: Mapping[str, Any], parameters: Mapping[str, list[str]]) -> Leaves:
    """Leaves of a checkpoint; moments under the names of their parameters, by optimizer.

    Clock and recipe are left out: they say nothing of the next step.
    """
    yield from flatten({"weights": state["networks"]}, "")
    for player, entries in state["optimizers"].items():
        for number, moments in entries["state"].items():
            name = parameters.get(player, [])[number : number + 1] or [str(number)]
            for moment, value in moments.items():
                yield from flatten(value, f"optimizer {player}: {moment} of {name[0]}")
        yield from flatten(entries["param_groups"], f"optimizer {player}: group")
    for part in ("average", "scaler", "selection", "guard", "journal"):
        if part in state:
            yield from flatten(state[part], part)


def parameter_names(run: Run) -> dict[str, list[str]]:
    """Names of every optimizer's parameters, in the order of its state."""
    names = {
        id(parameter): f"{name}.{path}"
        for name, network in run.networks.items()
        for path, parameter in network.named_parameters()
    }
    return {
        player: [names.get(id(p), "?") for group in each.param_groups for p in group["params"]]
        for player, each in run.moving.optimizers.items()
    }


def _saved(run: Run) -> Leaves:
    state = run.moving.capture() | {"journal": run.journal.state()}
    yield from named_state(state, parameter_names(run))


def _tensors(run: Run) -> Iterator[Tensor]:
    for network in run.networks.values():
        yield from network.parameters()
        kept = network.state_dict(keep_vars=True).values()
        yield from (each for each in kept if isinstance(each, Tensor))


def _plain(names: Mapping[str, Any]) -> dict[str, Any]:
    """Values among the names of a class or file; not its functions, classes and modules."""
    return {
        name: value
        for name, value in names.items()
        if not name.startswith("__")
        and not callable(value)
        and not inspect.ismodule(value)
        and not isinstance(value, property | classmethod | staticmethod)
        and not hasattr(value, "__get__")
    }


def _global_generators() -> Leaves:
    yield "generator random (Python, global)", _digest(repr(random.getstate()))
    # The old global generator is what others draw from, seeded or not.
    kept = np.random.get_state()  # noqa: NPY002
    yield "generator numpy.random (global)", _digest(_numpy_state(kept))
    # PyTorch's is keyed by the number of the step before each step: no state at all.


def _digest(text: str) -> str:
    return _of_bytes(text.encode())


def _of_bytes(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _numpy_state(state: Any) -> str:
    """The state of a NumPy generator as text; its arrays would be shortened by `repr`."""
    if isinstance(state, Mapping):
        return str({key: _numpy_state(value) for key, value in state.items()})
    if isinstance(state, tuple | list):
        return str([_numpy_state(each) for each in state])
    return state.tobytes().hex() if isinstance(state, np.ndarray) else repr(state)


class _Walk:
    """Follows values into the objects of one package, each object once."""

    def __init__(self, package: str, seen: dict[int, Any]) -> None:
        # Kept, not only counted: the number of an object that has gone is given to another.
        self.package, self._seen = package, seen

    def module(self, module: nn.Module, name: str) -> Leaves:
        """What a module has beside parameters and saved buffers; its children walk alone."""
        for key, buffer in module.named_buffers(recurse=False):
            if id(buffer) not in self._seen:
                self._seen[id(buffer)] = buffer
                yield f"buffer {name}.{key}, which no checkpoint holds", tensor_digest(buffer)
        own = {k: v for k, v in list(vars(module).items()) if not k.startswith("_")}
        for key, value in own.items():
            yield from self.of(value, f"attribute {name}.{key}", 1)

    def fields(self, value: object, name: str, depth: int) -> Leaves:
        """What an object of the package holds."""
        # Copied whole before anything else: threads that render scenes go on meanwhile.
        for key, each in list(getattr(value, "__dict__", {}).items()):
            yield from self.of(each, f"{name}.{key}", depth + 1)

    def of(self, value: Any, name: str, depth: int) -> Leaves:
        """Leaves of one value."""
        if value is None or isinstance(value, bool | int | float | str | bytes):
            yield name, repr(value) if not isinstance(value, bytes) else _of_bytes(value)
        elif isinstance(value, itertools.count | itertools.repeat):
            yield name, repr(value)
        elif depth > DEPTH or id(value) in self._seen or isinstance(value, nn.Module):
            return
        else:
            self._seen[id(value)] = value
            yield from self._inside(value, name, depth)

    def _inside(self, value: Any, name: str, depth: int) -> Leaves:
        if isinstance(value, Tensor):
            yield name, tensor_digest(value)
        elif isinstance(value, torch.Generator):
            yield f"generator {name} (torch)", tensor_digest(value.get_state())
        elif isinstance(value, random.Random):
            yield f"generator {name} (Python)", _digest(repr(value.getstate()))
        elif isinstance(value, np.random.Generator):
            yield f"generator {name} (NumPy)", _digest(_numpy_state(value.bit_generator.state))
        elif isinstance(value, np.random.RandomState):
            yield f"generator {name} (NumPy)", _digest(_numpy_state(value.get_state()))
        elif isinstance(value, np.ndarray):
            yield name, f"{value.dtype} {value.shape} {_of_bytes(value.tobytes())}"
        elif isinstance(value, Mapping):
            entries = list(value.items())
            yield f"length of {name}", str(len(entries))
            for key, each in entries[:WIDTH]:
                yield from self.of(each, f"{name}[{key!r}]"[:120], depth + 1)
        elif isinstance(value, list | tuple | deque):
            members = list(value)
            yield f"length of {name}", str(len(members))
            for number, each in enumerate(members[:WIDTH]):
                yield from self.of(each, f"{name}[{number}]", depth + 1)
        elif isinstance(value, set | frozenset):
            yield f"length of {name}", str(len(value))
        elif type(value).__module__.partition(".")[0] == self.package:
            yield from self.fields(value, name, depth)
