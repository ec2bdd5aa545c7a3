"""What the guard adds to a training step: processor time, beside other monitors, and memory.

    python benchmarks/guard_overhead.py [--sizes tiny small] [--rounds 20] [--json FILE]

The training step of `enhance` (8 scenes of 2 s, forward, backward, clipping, AdamW) is done by
copies of one network on the same batches, in one process on one thread: bare, with the guard, in
torch's anomaly mode, and with two monitors from PyPI where they are installed (trainpulse 0.4.0:
loss and gradient norm; torcheck 1.0.1: parameters change and are finite). Every round takes one
step of each, in an order that rotates; its ratio to the bare step of the same round is paired, so
that whatever else the machine does cancels. Given are medians and 95 % bootstrap intervals.

The guard looks closely at one step in 64; such a step is measured apart and counts 1/64. "Its calls
alone" is the time inside the guard's functions, which varies less than that of a step but leaves
out its hooks. The histories that its checks read are full before the clock starts.

Memory: what is alive after the guard has seen full histories and was not before (tensors by their
storage, Python objects by tracemalloc), and the most that its own tensors took at any moment of a
call, relative to the bytes of the network's weights and to the peak of a bare training step.
"""

import argparse
import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from this_machine import machine
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from wellposed.engine.optimise import make_optimizer
from wellposed.engine.sections import Optimizer
from wellposed.guard import Guard
from wellposed.guard.plan import Plan
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.objective import enhance_terms
from wellposed.systems.enhance.recipe import SIZES, Loss

EVERY = 64
RATE, SCENES, SECONDS = 16000, 8, 2
FULL = 600
"""Steps after which the guard's histories, of 512 rows at most, are full."""


@dataclass
class Loop:
    """A network in training; the methods that a monitor fills are empty here."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    number: int = EVERY
    """The next step."""

    def step(self, noisy: Tensor, clean: Tensor) -> None:
        """Take one."""
        self.optimizer.zero_grad()
        estimate = self.network(noisy)
        terms = enhance_terms(estimate, clean, noisy, Loss(), RATE)
        weights = Loss().model_dump(include=set(terms))
        weighted = {name: weights[name] * value.mean() for name, value in terms.items()}
        self.before(weighted, estimate)
        loss = torch.stack(list(weighted.values())).sum()
        loss.backward()
        self.between(terms, loss, estimate, clean, noisy)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 0.5)
        self.optimizer.step()
        self.after(loss, norm)
        self.number += 1

    def before(self, weighted: dict[str, Tensor], estimate: Tensor) -> None:
        """Before the backward pass."""

    def between(
        self, terms: dict[str, Tensor], loss: Tensor, estimate: Tensor, clean: Tensor, noisy: Tensor
    ) -> None:
        """Between gradients and optimizer."""

    def after(self, loss: Tensor, norm: Tensor) -> None:
        """After the optimizer."""


@dataclass
class Guarded(Loop):
    """With the guard and all that it checks, as the engine calls it."""

    guard: Guard = field(init=False)
    inside: float = 0.0
    """Processor seconds in the calls of the last step."""

    def __post_init__(self) -> None:
        """Make the guard."""
        plan = Plan(steps=6000, validate_every=500, silent_targets=0.03)
        self.guard = Guard(self.network, self.optimizer, veto=True, remember=False, plan=plan)

    def before(self, weighted: dict[str, Tensor], estimate: Tensor) -> None:
        """Measure forces, if the step is due."""
        begun = time.process_time()
        self.guard.forces(self.number, weighted, estimate)
        self.inside = time.process_time() - begun

    def between(
        self, terms: dict[str, Tensor], loss: Tensor, estimate: Tensor, clean: Tensor, noisy: Tensor
    ) -> None:
        """Judge the step."""
        begun = time.process_time()
        shown = {"estimate": estimate.detach(), "reference": clean, "source": noisy}
        items = {name: value.detach() for name, value in terms.items()}
        self.guard.step(self.number, items, **shown)
        self.inside += time.process_time() - begun


@dataclass
class Anomaly(Loop):
    """In torch's anomaly mode."""

    def step(self, noisy: Tensor, clean: Tensor) -> None:
        """Take one."""
        with torch.autograd.detect_anomaly():
            super().step(noisy, clean)


@dataclass
class Pulse(Loop):
    """With trainpulse, told the loss and the gradient's norm."""

    monitor: Any = None

    def after(self, loss: Tensor, norm: Tensor) -> None:
        """Tell it."""
        if self.monitor is None:
            self.monitor = import_module("trainpulse").Monitor()
        self.monitor.log("loss", self.number, loss.item())
        self.monitor.log("grad_norm", self.number, norm.item())


@dataclass
class Checked(Loop):
    """With torcheck on every parameter; it acts inside the optimizer."""

    def __post_init__(self) -> None:
        """Register all."""
        torcheck = import_module("torcheck")
        torcheck.register(self.optimizer)
        torcheck.add_module(
            self.network, changing=True, check_nan=True, check_inf=True, module_name="network"
        )


MONITORS: dict[str, tuple[type[Loop], str]] = {
    "guard": (Guarded, "torch"),
    "anomaly mode": (Anomaly, "torch"),
    "trainpulse": (Pulse, "trainpulse"),
    "torcheck": (Checked, "torcheck"),
}
"""Name -> how it is done, and the package that it needs."""


def made(kind: type[Loop], network: nn.Module) -> Loop:
    """Put a copy of the network into a loop."""
    copy = deepcopy(network)
    return kind(copy, make_optimizer([copy], Optimizer()))


def timed(loop: Loop, batch: tuple[Tensor, Tensor]) -> float:
    """Processor seconds of this process for one step."""
    begun = time.process_time()
    loop.step(*batch)
    return time.process_time() - begun


def batches() -> Callable[[], tuple[Tensor, Tensor]]:
    """Noisy and clean signals that differ each time."""
    draws = torch.Generator().manual_seed(1)

    def draw() -> tuple[Tensor, Tensor]:
        clean = 0.1 * torch.randn(SCENES, SECONDS * RATE, generator=draws)
        return clean + 0.05 * torch.randn(clean.shape, generator=draws), clean

    return draw


def fill(loop: Guarded, batch: tuple[Tensor, Tensor]) -> None:
    """Let the guard see many steps, without their forward passes."""
    noisy, clean = batch
    loop.step(noisy, clean)
    draws = torch.Generator().manual_seed(2)
    for number in range(EVERY + 1, FULL):
        items = {
            name: torch.rand(SCENES, generator=draws)
            for name in ("complex", "magnitude", "waveform", "level")
        }
        loop.guard.step(number, items, estimate=0.9 * noisy, reference=clean, source=noisy)
    loop.number = FULL + EVERY - FULL % EVERY + 1


def ratios(size: str, rounds: int) -> dict[str, dict[str, Any]]:
    """Paired ratios of ordinary and of due steps to bare ones, by monitor."""
    torch.manual_seed(0)
    network = Bsrnn(SIZES[size], RATE)
    draw = batches()
    known = {n: kind for n, (kind, package) in MONITORS.items() if find_spec(package) is not None}
    loops = {"bare": made(Loop, network), **{n: made(kind, network) for n, kind in known.items()}}
    guarded = loops["guard"]
    assert isinstance(guarded, Guarded)
    fill(guarded, draw())
    found: dict[str, list[float]] = {name: [] for name in [*known, "guard, close look"]}
    inside: dict[str, list[float]] = {"guard": [], "guard, close look": []}
    bare: list[float] = []
    for number in range(-1, rounds):
        batch = draw()
        order = [*loops, "guard, close look"]
        order = order[number % len(order) :] + order[: number % len(order)]
        spent, own = {}, {}
        for name in order:
            loop = loops[name.partition(",")[0]]
            if "close" in name:
                loop.number += EVERY - loop.number % EVERY
            spent[name] = timed(loop, batch)
            if loop is guarded:
                own[name] = guarded.inside
        if number >= 0:  # the first round warms up
            bare.append(spent.pop("bare"))
            for name, seconds in spent.items():
                found[name].append(seconds / bare[-1])
            for name, seconds in own.items():
                inside[name].append(seconds)
    table: dict[str, dict[str, Any]] = {n: interval(values) for n, values in found.items()}
    mixed = (np.array(found["guard"]) * (EVERY - 1) + found["guard, close look"]) / EVERY
    calls = (np.array(inside["guard"]) * (EVERY - 1) + inside["guard, close look"]) / EVERY
    typical = statistics.median(bare)
    table = {
        "guard, mean of 64 steps": interval(mixed.tolist()),
        "  its calls alone": interval((1 + calls / typical).tolist()),
        **table,
        "bare step [s]": {"median": typical},
    }
    missing = [name for name in MONITORS if name not in known]
    return table | {name: {"absent": "not installed"} for name in missing}


def interval(values: list[float]) -> dict[str, float]:
    """Median and its 95 % bootstrap interval."""
    draws = np.random.default_rng(0).choice(values, (2000, len(values)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return {"median": statistics.median(values), "low": float(low), "high": float(high)}


class Peak(TorchDispatchMode):
    """The most bytes that tensors made under it took at once."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do it and count."""
        given = {id_of(each) for each in flat((args, kwargs)) if isinstance(each, Tensor)}
        made = func(*args, **(kwargs or {}))
        for each in flat(made):
            if isinstance(each, Tensor) and id_of(each) not in given:
                storage = each.untyped_storage()
                self.alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.alive = {k: v for k, v in self.alive.items() if not v[0].expired()}
        self.most = max(self.most, sum(size for _, size in self.alive.values()))
        return made


def id_of(tensor: Tensor) -> int:
    """What tells storages apart."""
    return tensor.untyped_storage()._cdata


def flat(tree: Any) -> list[Any]:
    """All leaves of nested lists, tuples and dicts."""
    if isinstance(tree, dict):
        return flat(list(tree.values()))
    if isinstance(tree, list | tuple):
        return [leaf for each in tree for leaf in flat(each)]
    return [tree]


def tensors_alive() -> dict[int, int]:
    """Bytes of every storage of a living tensor."""
    gc.collect()
    found = [each for each in gc.get_objects() if isinstance(each, Tensor)]
    return {id_of(each): each.untyped_storage().nbytes() for each in found}


def memory(size: str) -> dict[str, float]:
    """Bytes: of the weights, at the peak of a bare step, kept by the guard, at its own peak."""
    torch.manual_seed(0)
    network = Bsrnn(SIZES[size], RATE)
    batch = batches()()
    weights = sum(each.numel() * each.element_size() for each in network.parameters())
    with Peak() as training:
        made(Loop, network).step(*batch)
    loop = made(Guarded, network)
    assert isinstance(loop, Guarded)
    loop.step(*batch)
    before = tensors_alive()
    tracemalloc.start()
    fill(loop, batch)
    python = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    # Gradients are made anew by every step.
    own = {id_of(p.grad) for p in loop.network.parameters() if p.grad is not None}
    kept = sum(n for key, n in tensors_alive().items() if key not in before and key not in own)
    terms = {name: torch.rand(SCENES) for name in ("complex", "magnitude", "waveform", "level")}
    peaks = {}
    for name, number in (("step", loop.number), ("close look", EVERY * (loop.number // EVERY + 1))):
        with Peak() as peak:
            loop.guard.step(
                number, terms, estimate=0.9 * batch[0], reference=batch[1], source=batch[0]
            )
        peaks[name] = peak.most
    return {
        "weights": weights,
        "training peak": training.most,
        "tensors kept": kept,
        "python kept": python,
        **{f"own peak, {name}": value for name, value in peaks.items()},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["tiny", "small"])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}, one thread, torch {torch.__version__}, {options.rounds} rounds", end=", ")
    print(f"{SCENES} scenes of {SECONDS} s; processor time relative to a bare step")
    figures: dict[str, Any] = {}
    for size in options.sizes:
        table = ratios(size, options.rounds)
        print(f"\n{size}: a bare step takes {table['bare step [s]']['median']:.3f} s")
        for name, row in table.items():
            if "absent" in row:
                print(f"  {name:<26}{row['absent']}")
            elif "low" in row:
                low, high = row["low"], row["high"]
                print(f"  {name:<26}{row['median']:.4f}  ({low:.4f} to {high:.4f})")
        sizes = memory(size)
        for name, value in sizes.items():
            share, of_training = value / sizes["weights"], value / sizes["training peak"]
            print(f"  {name:<26}{value / 1024:10.0f} KiB  {share:8.2%} of the weights", end="")
            print(f"  {of_training:7.2%} of a step's peak")
        figures[size] = {"ratios": table, "bytes": sizes}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
