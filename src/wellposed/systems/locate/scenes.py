"""Scenes of the locate system as tensors: what is given, and the truth beside it.

`give: effective` gives, in place of H, the least H that explains what arrives through each code:
all that can be known of it then.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from wellposed.data.surfacefields import Surface, SurfaceScenes
from wellposed.data.wavefields import Population, Split, uniform
from wellposed.data.wavefields import keyed as keyed_stream
from wellposed.engine.system import Item
from wellposed.systems.locate.recipe import Scenes

GENERATOR = "reference surface 1"
"""Name and version of the generator: it is the data of a run."""


def surface_of(scenes: Scenes) -> Surface:
    """The surface of a recipe."""
    return Surface.reference(codes=scenes.codes, rician_factor=scenes.rician)


def generator_of(scenes: Scenes, seed: int) -> SurfaceScenes:
    """The generator of a recipe's scenes."""
    population = Population(
        scenes.sources,
        azimuth_deg=scenes.azimuth_deg,
        elevation_deg=scenes.elevation_deg,
        range=scenes.range_m,
        snr_db=scenes.snr_db,
        reference="received",
    )
    error = scenes.channel_error_db
    return SurfaceScenes(surface_of(scenes), population, channel_error_db=error, seed=seed)


def item_of(generator: SurfaceScenes, scenes: Scenes, slots: int, split: Split, index: int) -> Item:
    """Draw a scene; numbers float32, complex ones as pairs along the last axis.

    heard `(codes, chains, 2)`, channel `(chains, elements, 2)`, codes `(codes, elements, 2)`;
    places `(slots, 3)`, symbols `(slots, 2)`, both zero beyond `count` `()`; noise `()`: its power
    in one chain; channel_error `()`: power of the error of an entry of H.
    """
    # A stream of its own: these draws must not change what else is in the scene.
    rng = keyed_stream(generator.seed, split, -1 - index)
    loss = float(uniform(rng, scenes.path_loss))
    population = replace(generator.population, path_loss=loss)
    scene = replace(generator, population=population).scene(split, index)
    sent = _sent(rng, scenes, len(scene.heard))
    codes = generator.surface.codes * sent[:, None]
    heard, channel = scene.heard * sent[:, None], scene.known_channel
    if scenes.give == "effective":
        channel = torch.linalg.lstsq(codes, codes @ channel.mT, driver="gelsd").solution.mT
    count = len(scene.symbols)
    places = torch.zeros(slots, 3, dtype=torch.float64)
    where = scene.sources.places
    places[:count] = torch.stack((where.azimuth, where.elevation, 1 / where.range), -1)
    symbols = torch.zeros(slots, dtype=torch.complex128)
    symbols[:count] = scene.symbols
    error = (scene.known_channel - scene.channel).abs().square().mean()
    return {
        "heard": _pairs(heard),
        "channel": _pairs(channel),
        "codes": _pairs(codes),
        "places": places.float(),
        "symbols": _pairs(symbols),
        "count": torch.tensor(count),
        "noise": scene.noise.float(),
        "channel_error": error.float(),
    }


def _sent(rng: np.random.Generator, scenes: Scenes, codes: int) -> Tensor:
    """Which codes are sent: ones and zeros, float64."""
    low, high = scenes.measurements
    count = int(rng.integers(low, high + 1))
    sent = torch.zeros(codes, dtype=torch.float64)
    sent[torch.from_numpy(rng.permutation(codes)[:count].copy())] = 1.0
    return sent


def _pairs(values: Tensor) -> Tensor:
    return torch.view_as_real(values.resolve_conj()).float()
