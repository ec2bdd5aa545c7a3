"""Errors of classical estimators beside the Cramer-Rao bound, every figure with its ratio.

Lines: 15 sensors half a wavelength apart, two near sources (-10.3 degrees, 12.1; 15.2 degrees, 19.7
wavelengths; on no grid point), 100 snapshots, random phases: matching pursuit with a joint fit.
Surface: the scenes of `data.surfacefields` with the reference surface, exact wavefront, channel
known, symbols that stay, azimuth within 60 and elevation within 30 degrees, range 0.5 to 10 m.
A scene counts as found where every source is within 5 degrees; the ratios are of those, and their
share is printed: below the threshold no bound of this kind holds. Rows of different ratios draw the
same scenes at another noise, so their deviations go together. Limits of a search are knowledge that
the bound does not have: a range that is hardly determined can be nearer than it allows.

    python benchmarks/locate_ratios.py [--runs 2000] [--surface 60] [--sources 1 2 3]
"""

import argparse
import math
import time

import torch
from this_machine import machine

from wellposed.data.surfacefields import Surface, SurfaceScene, SurfaceScenes
from wellposed.data.wavefields import ArrayScenes, Population
from wellposed.dsp.arrays.geometry import line
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Coordinate, Places
from wellposed.dsp.doa.counting import count_by_residuals
from wellposed.dsp.doa.fitting import Search
from wellposed.dsp.doa.grids import Grid
from wellposed.dsp.doa.pursuit import pursue, residuals
from wellposed.metrics.bounds.efficiency import efficiency
from wellposed.metrics.bounds.fisher import deterministic
from wellposed.metrics.placing import placing

LINE = Array(line(15, 0.5), 1.0)
FLAT: tuple[Coordinate, ...] = ("azimuth", "range")
SOLID: tuple[Coordinate, ...] = ("azimuth", "elevation", "range")
AT_ONCE = 10


def axis(low: float, high: float, count: int) -> torch.Tensor:
    return torch.linspace(low, high, count, dtype=torch.float64)


def near(runs: int, snr_db: float, correlation: float) -> None:
    """One row of the table of a line."""
    places = Places.of(
        torch.deg2rad(torch.tensor([-10.3, 15.2]).double()),
        None,
        torch.tensor([12.1, 19.7]).double(),
    )
    population = Population((2, 2), snr_db=(snr_db, snr_db), correlation=(correlation, correlation))
    scenes = [ArrayScenes(LINE, population).scene("test", k) for k in range(runs)]
    symbols = torch.stack([each.symbols for each in scenes])
    # The noise of the scenes, the places of the table.
    silent = torch.stack(
        [e.snapshots - e.array.response(e.sources.places) @ e.symbols for e in scenes]
    )
    data = LINE.response(places) @ symbols + silent
    noise = torch.stack([each.noise for each in scenes])
    grid = Grid.of(torch.deg2rad(axis(-60, 60, 121)), None, axis(0.01, 0.4, 14))
    search = Search(
        ("azimuth", "inverse_range"), {"azimuth": (-1.5, 1.5), "inverse_range": (0, 0.5)}
    )
    start = time.process_time()
    found = pursue(LINE, data, grid, 2, search)[-1].places
    spent = 1000 * (time.process_time() - start) / runs
    error = placing(found, Places(*(each.expand(runs, 2) for each in places)))
    fisher = deterministic(
        LINE.response(places), LINE.derivatives(places, FLAT), symbols @ symbols.mH, noise
    )
    bound = fisher.deviations(2).square()
    degrees = math.degrees(1)
    print(f"{snr_db:g} dB, correlation {correlation:g}; {spent:.2f} ms a scene")
    print(f"  azimuth deg  {efficiency(error.azimuth * degrees, bound[:, 0] * degrees**2)}")
    print(f"  range        {efficiency(error.range, bound[:, 1])}", flush=True)


def before_surface(count: int, low: float, high: float, number: int) -> None:
    """One row of the table of the surface."""
    population = Population(
        (count, count),
        elevation_deg=(-30, 30),
        range=(0.5, 10),
        snr_db=(low, high),
        reference="received",
    )
    scenes = SurfaceScenes(Surface.reference(), population)
    drawn = [scenes.scene("test", k) for k in range(number)]
    degrees, errors, bounds, found, right = math.degrees(1), [], [], 0, 0
    start = time.process_time()
    for first in range(0, number, AT_ONCE):
        part = drawn[first : first + AT_ONCE]
        placed, bound, counts = surface_batch(scenes, part, count)
        kept = (placed.angle.amax(-1) < math.radians(5)) & torch.isfinite(bound).all(-1).all(-1)
        found += int(kept.sum())
        right += int((counts == count).sum())
        errors.append(torch.stack(placed[:3], 1)[kept])
        bounds.append(bound[kept])
    spent = 1000 * (time.process_time() - start) / number
    print(
        f"{count} sources, {low:g} to {high:g} dB: found {found}/{number}, "
        f"count right {right}/{number}; {spent:.0f} ms a scene with bounds"
    )
    for k, (name, unit) in enumerate(
        (("azimuth deg", degrees), ("elevation deg", degrees), ("range m", 1))
    ):
        error = torch.cat(errors)[:, k] * unit
        each = efficiency(error, torch.cat(bounds)[:, k] * unit**2)
        normal = (torch.cat(errors)[:, k].square() / torch.cat(bounds)[:, k]).mean().sqrt()
        print(f"  {name:<14}{each}; root mean e²/CRB {normal:.3f}", flush=True)


def surface_batch(scenes: SurfaceScenes, part: list[SurfaceScene], count: int):
    channel = torch.stack([each.known_channel for each in part])
    array = scenes.array(channel)
    data = torch.stack([each.heard.flatten() for each in part]).unsqueeze(-1)
    grid = Grid.of(
        torch.deg2rad(axis(-60, 60, 41)), torch.deg2rad(axis(-30, 30, 21)), axis(0.1, 2, 8)
    )
    limits: dict[Coordinate, tuple[float, float]] = {
        "azimuth": (-math.pi / 3, math.pi / 3),
        "elevation": (-math.pi / 6, math.pi / 6),
        "inverse_range": (0.1, 2.0),
    }
    search = Search(("azimuth", "elevation", "inverse_range"), limits)
    fits = pursue(array, data, grid, count + 1, search)
    counts = count_by_residuals(residuals(data, fits), data.shape[-2], 5)
    truth = Places(
        *(torch.stack(each) for each in zip(*(s.sources.places for s in part), strict=True))
    )
    symbols = torch.stack([each.symbols for each in part])
    power = symbols[:, :, None] * symbols[:, None].conj()
    noise = torch.stack([each.noise for each in part])
    fisher = deterministic(array.response(truth), array.derivatives(truth, SOLID), power, noise)
    return placing(fits[count - 1].places, truth), fisher.deviations(count).square(), counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--surface", type=int, default=60)
    parser.add_argument("--sources", type=int, nargs="+", default=(1, 2, 3))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}, torch {torch.__version__}, processor time of one thread")
    for correlation in (0.0, 1.0) if options.runs else ():
        for snr_db in (0.0, 5.0, 10.0, 20.0):
            near(options.runs, snr_db, correlation)
    for count in options.sources:
        for low, high in ((5.0, 12.0), (12.0, 20.0)):
            before_surface(count, low, high, options.surface)


if __name__ == "__main__":
    main()
