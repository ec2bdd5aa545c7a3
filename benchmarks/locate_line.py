"""A network of SubspaceNet's kind on the setting it was published for, and with random phases.

Line of 8 sensors half a wavelength apart, 5 coherent sources of equal power at least 15 degrees
apart within 90, 100 snapshots, 20 dB (what the published "10 dB" comes to), once with the sources'
phases all equal and once with random ones. From the covariances at 8 lags a small convolutional
network makes K, K^H K + I stands for the covariance, and root-MUSIC gives the azimuths (Shmuel et
al., "SubspaceNet: deep learning-aided subspace methods for DoA estimation", arXiv:2306.02271; none
of its code). The loss is the least error over all orders, here with the safe projector. The maximum
likelihood fit, amplitudes free, follows; beside both are matching pursuit, the fit from the truth,
and the deterministic bound: amplitudes free, or with equal phases one symbol for all, since there
free amplitudes leave nothing determined. Errors are root mean squares over a scene's sources
[rad]; their mean and median over scenes.

With `--model`, a run of `wellposed train` on scenes of the kind line stands in place of that
network, with random phases alone.

    python benchmarks/locate_line.py [--steps 700] [--scenes 500] [--model RUN]
"""

import argparse
import math
import time
from collections.abc import Callable
from itertools import permutations

import torch
from this_machine import machine
from torch import Tensor, nn

from wellposed.dsp.arrays.geometry import line
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.doa.fitting import Search, fit
from wellposed.dsp.doa.grids import Grid
from wellposed.dsp.doa.lines import root_music
from wellposed.dsp.doa.pursuit import pursue
from wellposed.dsp.subspace import signal_subspace
from wellposed.metrics.bounds.fisher import deterministic
from wellposed.systems.locate.loading import WEIGHTS, load_network

SENSORS, SOURCES, LAGS, SNAPSHOTS, APART, SNR_DB = 8, 5, 8, 100, 15.0, 20.0
LINE = Array(line(SENSORS, 0.5), 1.0, "far")
SEARCH = Search(("azimuth",), {"azimuth": (-math.pi / 2, math.pi / 2)})
Start = Callable[[Tensor], Tensor]
"""Snapshots to azimuths [rad]."""
ORDERS = torch.tensor(list(permutations(range(SOURCES))))


def white(*shape: int, generator: torch.Generator) -> Tensor:
    pairs = torch.randn(*shape, 2, generator=generator, dtype=torch.float64) * math.sqrt(0.5)
    return torch.view_as_complex(pairs)


def scenes(count: int, same: bool, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Azimuths `(count, 5)` [rad], snapshots `(count, 8, 100)` and symbols `(count, 5, 100)`."""
    made = torch.Generator().manual_seed(seed)
    free = 180 - APART * (SOURCES - 1)
    azimuth = (torch.rand(count, SOURCES, generator=made, dtype=torch.float64) * free).sort().values
    azimuth = torch.deg2rad(azimuth + APART * torch.arange(SOURCES) - 90)
    phase = torch.rand(count, SOURCES, generator=made, dtype=torch.float64) * 2 * math.pi
    turn = torch.polar(torch.ones_like(phase), phase * (0.0 if same else 1.0))
    symbols = turn[..., None] * white(count, 1, SNAPSHOTS, generator=made)
    noise = white(count, SENSORS, SNAPSHOTS, generator=made) * 10 ** (-SNR_DB / 20)
    return azimuth, LINE.response(Places.of(azimuth)) @ symbols + noise, symbols


class Surrogate(nn.Module):
    """Covariances at lags to a Hermitian positive matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 2) for a, b in ((2 * LAGS, 32), (64, 64), (128, 64))
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2) for a, b in ((128, 32), (64, 16)))
        self.out = nn.ConvTranspose2d(32, 2, 2)

    def forward(self, snapshots: Tensor) -> Tensor:
        """Make covariances `(count, 8, 8)`."""
        x = lagged(snapshots)
        for layer in (*self.down, *self.up):
            y = layer(x)
            x = torch.cat((y.relu(), (-y).relu()), 1)
        parts = self.out(x)
        k = torch.complex(parts[:, 0], parts[:, 1])
        return k.mH @ k + torch.eye(SENSORS)


def lagged(snapshots: Tensor) -> Tensor:
    """Covariances at lags, `(count, 2 * lags, 8, 8)`, of scale one."""
    y = snapshots.to(torch.complex64)
    made = [y[..., lag:] @ y[..., : SNAPSHOTS - lag].mH / (SNAPSHOTS - lag) for lag in range(LAGS)]
    stacked = torch.stack(made, 1) / SENSORS
    return torch.cat((stacked.real, stacked.imag), 1)


def azimuths(covariance: Tensor) -> Tensor:
    projector = signal_subspace(covariance.to(torch.complex128), SOURCES).projector
    return root_music(projector, SOURCES, 0.5, 1.0)


def errors(found: Tensor, truth: Tensor) -> Tensor:
    """Least root mean square over all orders `(count,)`, wrapped to half a turn."""
    apart = found[:, ORDERS] - truth[:, None]
    apart = torch.remainder(apart + math.pi / 2, math.pi) - math.pi / 2
    return (apart.square().mean(-1) + 1e-12).sqrt().amin(-1)


def trained(same: bool, steps: int) -> Surrogate:
    torch.manual_seed(0)
    network = Surrogate()
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        truth, snapshots, _ = scenes(64, same, 10_000 + step)
        loss = errors(azimuths(network(snapshots)), truth).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return network.eval()


def told(name: str, error: Tensor, bound: Tensor) -> None:
    middle = error.median() / bound.median()
    print(
        f"  {name:<34} mean {error.mean():.4f}, median {error.median():.4f}; bound: median "
        f"{bound.median():.4f}; ratio of medians {middle:.2f}",
        flush=True,
    )


def bound_of(places: Places, symbols: Tensor, tied: bool) -> Tensor:
    """Root mean variance of a scene's azimuths `(count,)` [rad].

    `tied`: all sources have one and the same symbol, and that is known. With free amplitudes five
    sources of equal phase are not determined: the line is its own mirror image, and what their
    slopes leave beside their responses has three dimensions.
    """
    noise = torch.full((len(symbols),), 10 ** (-SNR_DB / 10), dtype=torch.float64)
    response, slopes = LINE.response(places), LINE.derivatives(places, ("azimuth",))
    powers = symbols @ symbols.mH
    if tied:
        response = response.sum(-1, keepdim=True)
        slopes = slopes[:, 0].movedim(-1, 1)[..., None]
        powers = powers[:, :1, :1]
    bound = deterministic(response, slopes, powers, noise).bound()
    return bound.diagonal(dim1=-2, dim2=-1).mean(-1).sqrt()


def surrogate(same: bool, steps: int) -> Start:
    """Train a network of SubspaceNet's kind; azimuths by root-MUSIC of what it makes."""
    began = time.process_time()
    network = trained(same, steps)
    spent = time.process_time() - began
    size = sum(p.numel() for p in network.parameters())
    print(f"{size} parameters, {steps} steps, {spent:.0f} s")
    return lambda snapshots: azimuths(network(snapshots))


def locator(model: str) -> Start:
    """The likeliest proposals of a run of `wellposed train`."""
    network, _ = load_network(WEIGHTS.find(model), torch.device("cpu"))

    def proposals(snapshots: Tensor) -> Tensor:
        number = torch.full((len(snapshots),), float(SNAPSHOTS))
        made = network(torch.view_as_real(snapshots.resolve_conj()), number)
        return made.places.azimuth[:, :SOURCES].double()

    return proposals


@torch.no_grad()
def setting(same: bool, count: int, start: Start) -> None:
    print("same phases" if same else "random phases")
    truth, snapshots, symbols = scenes(count, same, 1)
    places = Places.of(truth)
    bound = bound_of(places, symbols, tied=same)
    begun = start(snapshots)
    told("network", errors(begun, truth), bound)
    fitted = fit(LINE, snapshots, Places.of(begun), SEARCH)
    told("network, then maximum likelihood", errors(fitted.places.azimuth, truth), bound)
    grid = Grid.of(torch.linspace(-1.55, 1.55, 125, dtype=torch.float64))
    pursued = pursue(LINE, snapshots, grid, SOURCES, SEARCH)[-1]
    told("matching pursuit", errors(pursued.places.azimuth, truth), bound)
    oracle = fit(LINE, snapshots, places, SEARCH)
    told("maximum likelihood from truth", errors(oracle.places.azimuth, truth), bound)
    less = torch.minimum(fitted.residual, pursued.residual)
    lost = (less > 1.001 * oracle.residual).double().mean()
    print(f"  neither start reaches the residual of the fit from the truth in {lost:.1%} of scenes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--model", help="run folder or weights file of locate")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}, torch {torch.__version__}")
    if options.model is not None:
        return setting(False, options.scenes, locator(options.model))
    for same in (True, False):
        setting(same, options.scenes, surrogate(same, options.steps))


if __name__ == "__main__":
    main()
