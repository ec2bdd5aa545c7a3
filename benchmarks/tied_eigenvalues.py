"""Which covariance, under which loss, has a gradient that is not a number?

    python benchmarks/tied_eigenvalues.py --sensors 144 --draws 40

Factors A of five columns are drawn, R = A A^H has trace `sensors`, is prepared in one of the ways
that were tried, and a loss is taken of its spectrum. Printed is the percentage of draws in which
dL/dA is not finite, in single / double precision.
"""

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

from wellposed.dsp.arrays.snapshots import sample_covariance
from wellposed.dsp.subspace import signal_subspace

SOURCES, COLUMNS, SNAPSHOTS = 3, 5, 16
Loss = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sensors", type=int, default=144)
    parser.add_argument("--draws", type=int, default=40)
    options = parser.parse_args()
    heads = ["covariance", "rank", "tied eigenvalues", "tied singular values", *LOSSES]
    print(f"| {' | '.join(heads)} |\n|{'-|' * len(heads)}")
    for name in PREPARED:
        shares = [share(name, loss, options.sensors, options.draws) for loss in LOSSES]
        facts = [rank(name, options.sensors), *tied(name, options.sensors)]
        print(f"| {name} | {' | '.join([*facts, *shares])} |", flush=True)


def share(prepared: str, loss: str, sensors: int, draws: int) -> str:
    """Percent of draws without a finite gradient, single / double."""
    told = []
    for dtype in (torch.complex64, torch.complex128):
        factor, made, true = draw(prepared, sensors, draws, dtype)
        LOSSES[loss](made, true).sum().backward()
        assert factor.grad is not None
        finite = torch.isfinite(torch.view_as_real(factor.grad)).flatten(1).all(1)
        told.append(f"{100 * float((~finite).double().mean()):.0f}")
    return " / ".join(told)


def rank(prepared: str, sensors: int) -> str:
    """Rank of a prepared covariance, in double precision."""
    _, made, _ = draw(prepared, sensors, 1, torch.complex128)
    return str(int(torch.linalg.matrix_rank(made.detach(), hermitian=True)))


def tied(prepared: str, sensors: int) -> list[str]:
    """Neighbouring eigenvalues, and singular values, that are equal to the bit; single precision.

    Means of ten draws.
    """
    made = draw(prepared, sensors, 10, torch.complex64)[1].detach()
    both = torch.linalg.eigvalsh(made), torch.linalg.svd(made)[1]
    return [f"{float((v[:, 1:] == v[:, :-1]).sum(1).double().mean()):.0f}" for v in both]


def draw(
    prepared: str, sensors: int, draws: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """The factor (a leaf), the covariance made of it, and a true one of `SOURCES` sources."""
    noise = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.complex128, generator=noise).to(dtype)

    factor = drawn(draws, sensors, COLUMNS).requires_grad_()
    steering = drawn(draws, sensors, SOURCES)
    heard = steering @ drawn(draws, SOURCES, SNAPSHOTS) + drawn(draws, sensors, SNAPSHOTS)
    given = {"true": _normal(steering @ steering.mH), "heard": _normal(sample_covariance(heard))}
    eye = torch.eye(sensors, dtype=dtype)
    made = PREPARED[prepared](_normal(factor @ factor.mH), given, eye)
    return factor, made, given["true"]


def _normal(covariance: Tensor) -> Tensor:
    """Trace as many as there are sensors, Hermitian to the bit."""
    trace = covariance.diagonal(dim1=-2, dim2=-1).real.sum(-1)[:, None, None]
    made = covariance * covariance.shape[-1] / trace
    return (made + made.mH) / 2


PREPARED: dict[str, Callable[[Tensor, dict[str, Tensor], Tensor], Tensor]] = {
    "rank 5, as the network gives it": lambda r, given, eye: r,
    "+ 1e-4 I": lambda r, given, eye: r + 1e-4 * eye,
    "+ I (loaded)": lambda r, given, eye: r + eye,
    "0.9 R + 0.1 I (shrunk)": lambda r, given, eye: 0.9 * r + 0.1 * eye,
    "0.7 R + 0.3 R_true": lambda r, given, eye: 0.7 * r + 0.3 * given["true"],
    "0.7 R + 0.3 R_samples (blended)": lambda r, given, eye: 0.7 * r + 0.3 * given["heard"],
    "blended, + I": lambda r, given, eye: 0.7 * r + 0.3 * given["heard"] + eye,
}
"""What was done to the covariance before its spectrum was taken."""


def _held(projector: Tensor, true: Tensor) -> Tensor:
    """Distance of a projector from that of the true covariance."""
    goal = torch.linalg.eigh(true)[1][..., -SOURCES:]
    return (projector - goal @ goal.mH).abs().square().sum((-2, -1))


def _eigengap(made: Tensor, true: Tensor) -> Tensor:
    values = torch.linalg.eigvalsh(made)
    return values[..., -SOURCES - 1] - values[..., -SOURCES]


def _projector_eigh(made: Tensor, true: Tensor) -> Tensor:
    vectors = torch.linalg.eigh(made)[1][..., -SOURCES:]
    return _held(vectors @ vectors.mH, true)


def _projector_svd(made: Tensor, true: Tensor) -> Tensor:
    vectors = torch.linalg.svd(made)[0][..., :SOURCES]
    return _held(vectors @ vectors.mH, true)


def _music(made: Tensor, true: Tensor) -> Tensor:
    noise = torch.linalg.eigh(made)[1][..., :-SOURCES]
    return (noise.mH @ true[..., :1]).abs().square().sum((-2, -1))


def _projector(made: Tensor, true: Tensor) -> Tensor:
    return _held(signal_subspace(made, SOURCES).projector, true)


LOSSES: dict[str, Loss] = {
    "eigengap": _eigengap,
    "projector, eigh": _projector_eigh,
    "projector, svd": _projector_svd,
    "MUSIC, eigh": _music,
    "projector, gap-only": _projector,
}
"""Losses of the spectrum; the last is `wellposed.dsp.subspace.signal_subspace`."""

if __name__ == "__main__":
    main()
