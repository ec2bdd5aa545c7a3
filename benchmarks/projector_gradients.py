"""A million gradients of the signal projector: how many are not finite, beside eigenvectors' own.

Covariances of five sources at 20 sensors: raw, trace one, loaded by 1 and by 1e-4, shrunk by 0.1,
zero, the identity, tied signal and noise, scaled by 1e-18 and 1e15; source counts at random from 0
to 20; half in complex64, half in complex128. The loss is the squared distance to a random matrix.
Eigenvectors from torch.linalg.eigh and svd get a hundredth of the draws. Times are processor
seconds.

    python benchmarks/projector_gradients.py [--draws 1000000] [--sensors 20]
"""

import argparse
import time
from collections.abc import Callable

import torch
from this_machine import machine
from torch import Tensor

from wellposed.dsp.subspace import signal_subspace

BATCH = 1000
SOURCES = 5
Maker = Callable[[Tensor, Tensor, Tensor], Tensor]
KINDS: dict[str, Maker] = {
    "raw": lambda raw, trace, eye: raw,
    "trace one": lambda raw, trace, eye: raw / trace,
    "+ 1 I": lambda raw, trace, eye: raw / trace + eye,
    "+ 1e-4 I": lambda raw, trace, eye: raw / trace + 1e-4 * eye,
    "shrunk 0.1": lambda raw, trace, eye: 0.9 * raw + 0.1 * trace * eye,
    "zero": lambda raw, trace, eye: 0 * raw,
    "identity": lambda raw, trace, eye: 0 * raw + eye,
    "ties": lambda raw, trace, eye: tied(raw, eye),
    "times 1e-18": lambda raw, trace, eye: 1e-18 * raw,
    "times 1e15": lambda raw, trace, eye: 1e15 * raw,
}


def tied(raw: Tensor, eye: Tensor) -> Tensor:
    """Seven equal large eigenvalues, the others equal and small."""
    vectors = torch.linalg.qr(raw + eye).Q
    values = torch.ones(raw.shape[-1], dtype=raw.dtype)
    values[:7] = 3
    return (vectors * values) @ vectors.mH


def by_eigh(covariance: Tensor, counts: Tensor) -> Tensor:
    return _project(torch.linalg.eigh((covariance + covariance.mH) / 2).eigenvectors, counts)


def by_svd(covariance: Tensor, counts: Tensor) -> Tensor:
    return _project(torch.linalg.svd((covariance + covariance.mH) / 2).U.flip(-1), counts)


def _project(vectors: Tensor, counts: Tensor) -> Tensor:
    sensors = vectors.shape[-1]
    chosen = vectors * (torch.arange(sensors) >= sensors - counts[:, None])[:, None, :]
    return chosen @ vectors.mH


def ours(covariance: Tensor, counts: Tensor) -> Tensor:
    return signal_subspace(covariance, counts).projector


def broken(project: Callable, given: Tensor, counts: Tensor, target: Tensor) -> int:
    """Number of matrices whose gradient has something that is not finite."""
    leaf = given.detach().requires_grad_()
    (project(leaf, counts) - target).abs().square().sum().backward()
    assert leaf.grad is not None
    return int((~torch.isfinite(torch.view_as_real(leaf.grad)).flatten(1).all(1)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1_000_000)
    parser.add_argument("--sensors", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}, torch {torch.__version__}, {options.draws} draws in all")
    print(f"{'not finite, of draws':<22}{'projector':>20}{'eigh':>16}{'svd':>16}")
    made = torch.Generator().manual_seed(0)
    rounds = options.draws // (BATCH * 2 * len(KINDS))
    start, total = time.process_time(), 0
    for name, kind in KINDS.items():
        for dtype in (torch.complex64, torch.complex128):
            found = {"ours": 0, "eigh": 0, "svd": 0}
            rivals = max(1, rounds // 100)
            for index in range(rounds):
                given, counts, target = draw(kind, options.sensors, dtype, made)
                found["ours"] += broken(ours, given, counts, target)
                if index < rivals:
                    found["eigh"] += broken(by_eigh, given, counts, target)
                    found["svd"] += broken(by_svd, given, counts, target)
            total += found["ours"]
            row = [f"{found['ours']}/{rounds * BATCH}"]
            row += [f"{found[each]}/{rivals * BATCH}" for each in ("eigh", "svd")]
            label = f"{name}, {str(dtype).removeprefix('torch.complex')}"
            print(f"{label:<22}{row[0]:>20}{row[1]:>16}{row[2]:>16}", flush=True)
    print(f"not finite in all: {total}; {time.process_time() - start:.0f} s of processor time")


def draw(
    kind: Maker, sensors: int, dtype: torch.dtype, made: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    factor = torch.randn(BATCH, sensors, SOURCES, dtype=dtype, generator=made)
    raw = factor @ factor.mH
    trace = raw.diagonal(dim1=-2, dim2=-1).real.sum(-1)[:, None, None] / sensors
    counts = torch.randint(0, sensors + 1, (BATCH,), generator=made)
    target = torch.randn(BATCH, sensors, sensors, dtype=dtype, generator=made)
    return kind(raw, trace, torch.eye(sensors, dtype=dtype)), counts, target


if __name__ == "__main__":
    main()
