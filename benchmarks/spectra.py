"""MUSIC spectra of 256 covariances on one grid, forms side by side; processor time of one thread.

20 sensors half a wavelength apart, single precision, five sources; 181 azimuths, and 181 azimuths
by 100 ranges. "Hermitian features" is `dsp.doa.spectra`: one real product for all; "mirrored"
is two of a quarter each, where left and right of the grid are alike (`dsp.doa.mirrors`); "signal
subspace" is |U^H a|^2 with one complex product a scene; "noise einsum" is the textbook's; "bare
product" is a product of the size of the features' by itself, what the processor can do. All are
run in turn; printed are minimum and median. Where pyroomacoustics is installed, its loop over
scenes is shown for the azimuths (it has no grid of azimuth by range), decomposition included.

    python benchmarks/spectra.py [--rounds 15] [--clock cpu]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import torch
from this_machine import machine
from torch import Tensor

from wellposed.dsp.arrays.geometry import line
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.doa.grids import Grid
from wellposed.dsp.doa.mirrors import mirror
from wellposed.dsp.doa.spectra import Candidates, forms_by_factor, music
from wellposed.dsp.subspace import signal_subspace

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
SCENES, SENSORS, SOURCES, SNAPSHOTS = 256, 20, 5, 100
Job = Callable[[], object]


def covariances() -> Tensor:
    made = torch.Generator().manual_seed(0)
    factor = torch.randn(SCENES, SENSORS, SOURCES, dtype=torch.complex64, generator=made)
    return factor @ factor.mH + 0.1 * torch.eye(SENSORS)


def grids() -> dict[str, Grid]:
    azimuth = torch.linspace(-1.5, 1.5, 181, dtype=torch.float64)
    near = torch.linspace(0.02, 1, 100, dtype=torch.float64)
    return {"181": Grid.of(azimuth), "181 x 100": Grid.of(azimuth, None, near)}


def noise_einsum(noise: Tensor, candidates: Candidates) -> Tensor:
    seen = torch.einsum("bnk,ng->bkg", noise.conj(), candidates.response)
    return 1 - seen.abs().square().sum(1) / candidates.energy


def jobs(candidates: Candidates, covariance: Tensor) -> dict[str, Job]:
    found = signal_subspace(covariance, SOURCES)
    vectors = torch.linalg.eigh(covariance).eigenvectors
    signal, noise = vectors[..., -SOURCES:], vectors[..., :-SOURCES]
    small = candidates.response.shape[1] < 1000
    plain = Candidates(candidates.response)
    left, right = torch.randn_like(plain.features), torch.randn(SENSORS**2, SCENES)
    return {
        "bare product": lambda: left @ right,
        "Hermitian features": lambda: music(found.projector, plain),
        "Hermitian features, mirrored": lambda: music(found.projector, candidates),
        "signal subspace": lambda: forms_by_factor(signal, candidates),
        "noise einsum" + ("" if small else ", 16 scenes"): lambda: noise_einsum(
            noise if small else noise[:16], candidates
        ),
    }


def in_turn(given: dict[str, Job], rounds: int, clock: Callable[[], float]) -> None:
    spent: dict[str, list[float]] = {name: [] for name in given}
    for k in range(rounds + 2):
        for name, job in given.items():
            start = clock()
            job()
            if k > 1:
                spent[name].append(1000 * (clock() - start))
    for name, each in spent.items():
        print(f"  {name:<34}{min(each):>9.2f} ms{statistics.median(each):>9.2f} ms", flush=True)


def rival(snapshots: Tensor) -> Job:
    """MUSIC of pyroomacoustics: one scene after the other, one frequency each."""
    doa, numpy = import_module("pyroomacoustics.doa"), import_module("numpy")
    places = (line(SENSORS, 0.5)[:, :2] * 1.0).numpy().T
    azimuth = numpy.linspace(0, numpy.pi, 181)
    data = snapshots.numpy()

    def job() -> None:
        for scene in data:
            each = doa.MUSIC(places, 2, 2, c=1.0, num_src=SOURCES, azimuth=azimuth)
            # Its one bin of two lies at fs / 2 = 1: wavelength 1.
            each.locate_sources(numpy.stack((scene, scene), 1), freq_bins=numpy.array([1]))

    return job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clock", choices=CLOCKS, default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    clock = CLOCKS[options.clock]
    print(f"{machine()}, torch {torch.__version__}, {SCENES} scenes, {options.clock} clock")
    array, covariance = Array(line(SENSORS, 0.5), 1.0), covariances()
    for name, grid in grids().items():
        response = array.response(grid.places).to(torch.complex64)
        candidates = Candidates(response, mirror(array, grid))
        print(f"{name:<36}{'minimum':>12}{'median':>12}")
        in_turn(jobs(candidates, covariance), options.rounds, clock)
    print("decomposition")
    in_turn(
        {
            "projector, double inside": lambda: signal_subspace(covariance, SOURCES),
            "torch.linalg.eigh, complex64": lambda: torch.linalg.eigh(covariance),
        },
        options.rounds,
        clock,
    )
    whole = grids()["181"]
    candidates = Candidates(array.response(whole.places).to(torch.complex64))
    ours: dict[str, Job] = {
        "ours": lambda: music(signal_subspace(covariance, SOURCES).projector, candidates)
    }
    if find_spec("pyroomacoustics"):
        made = torch.Generator().manual_seed(1)
        factor = torch.linalg.cholesky(covariance)
        snapshots = factor @ torch.randn(
            SCENES, SENSORS, SNAPSHOTS, dtype=torch.complex64, generator=made
        )
        ours["pyroomacoustics, from snapshots"] = rival(snapshots)
    print("181, decomposition included")
    in_turn(ours, min(3, options.rounds), clock)


if __name__ == "__main__":
    main()
