"""Example measurements to try the command with, and what is really there."""

import numpy as np
import torch

from wellposed.data.wavefields import ArrayScenes, Population
from wellposed.dsp.arrays.geometry import line
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.systems.locate.recipe import LocateRecipe, Scenes
from wellposed.systems.locate.scenes import front_of

KINDS = {
    "surface": "three sources before the reference surface, 12 x 12 elements, 16 chains, 16 codes",
    "line": "two far sources before a line of 10 sensors, 10 dB, 50 snapshots",
}


def example(kind: str, index: int) -> tuple[dict[str, np.ndarray], str]:
    """Contents of an .npz file, and a line for each source that is there."""
    return _surface(index) if kind == "surface" else _line(index)


def _surface(index: int) -> tuple[dict[str, np.ndarray], str]:
    scenes = Scenes(sources=(3, 3), snr_db=(15.0, 15.0), path_loss=(0.0, 0.0))
    item = front_of(LocateRecipe(scenes=scenes)).item("test", index, 3)
    content = {
        name: torch.view_as_complex(item[name].double().contiguous()).numpy()
        for name in ("heard", "channel", "codes")
    }
    azimuth, elevation, inverse = item["places"].double().unbind(-1)
    return content, _told(Places(azimuth, elevation, 1 / inverse))


def _line(index: int) -> tuple[dict[str, np.ndarray], str]:
    array = Array(line(10, 0.05), 0.1)
    population = Population((2, 2), apart_deg=10.0, snr_db=(10.0, 10.0), snapshots=50)
    scene = ArrayScenes(array, population).scene("test", index)
    content = {
        "snapshots": scene.snapshots.numpy(),
        "positions": array.positions.numpy(),
        "wavelength": np.array(array.wavelength),
    }
    return content, _told(scene.sources.places)


def _told(places: Places) -> str:
    lines = []
    for azimuth, elevation, away in zip(*(each.tolist() for each in places), strict=True):
        where = f"azimuth {np.degrees(azimuth):.2f}, elevation {np.degrees(elevation):.2f} deg"
        lines.append(f"there: {where}" + (f", {away:.2f} m" if np.isfinite(away) else ", far"))
    return "\n".join(lines)
