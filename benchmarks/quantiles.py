"""Quantiles of a stream: our sketch beside exact sorting and a reservoir of the same memory.

    python benchmarks/quantiles.py

Error is that of the 99.9 % quantile relative to the exact one, the largest of five streams; memory
is 0.5 MiB for sketch and reservoir, and the stream itself for sorting.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from wellposed.guard.quantiles import Sketch

VALUES, PIECES, SHARE = 1_000_000, 10, 0.999
KEPT = 1 << 17
"""Floats of the reservoir: 0.5 MiB."""


def streams(kind: str, seed: int) -> Tensor:
    """Values with tails of three kinds."""
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(VALUES, generator=generator, dtype=torch.float64).clamp_min(1e-12)
    if kind == "normal":
        return torch.randn(VALUES, generator=generator)
    if kind == "cauchy":
        return torch.tan(torch.pi * (uniform - 0.5)).float()
    return (uniform**-2).float()  # Pareto with exponent 1/2: no mean


def sketch(values: Tensor) -> float:
    """Ours."""
    made = Sketch()
    for piece in values.chunk(PIECES):
        made.add(piece)
    return made.quantile(SHARE)


def reservoir(values: Tensor) -> float:
    """A sample without replacement: every value's random key, the smallest keys stay."""
    generator = torch.Generator().manual_seed(0)
    kept, keys = torch.empty(0), torch.empty(0)
    for piece in values.chunk(PIECES):
        kept = torch.cat([kept, piece])
        keys = torch.cat([keys, torch.rand(len(piece), generator=generator)])
        if len(keys) > KEPT:
            keys, places = keys.topk(KEPT, largest=False)
            kept = kept[places]
    return exact(kept)


def exact(values: Tensor) -> float:
    """Sort everything."""
    rank = max(1, -(-int(SHARE * 1000) * len(values) // 1000))
    return float(values.sort().values[rank - 1])


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    ways: dict[str, Callable[[Tensor], float]] = {
        "sketch": sketch, "reservoir": reservoir, "sorting": exact,
    }  # fmt: skip
    print(f"{'':10} {'':10} {'error':>10} {'ns a value':>10}")
    for kind in ("normal", "cauchy", "pareto"):
        errors, spent = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, float("inf"))
        for seed in range(5):
            values = streams(kind, seed)
            truth = exact(values)
            for name, way in ways.items():
                began = time.process_time()
                errors[name] = max(errors[name], abs(way(values) / truth - 1))
                spent[name] = min(spent[name], time.process_time() - began)
        for name in ways:
            print(f"{kind:10} {name:10} {errors[name]:10.1%} {spent[name] / VALUES * 1e9:10.1f}")


if __name__ == "__main__":
    main()
