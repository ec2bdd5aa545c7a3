"""Scenes before the reference surface: one symbol a source, through a channel that is given.

`give: effective` gives, in place of H, the least H that explains what arrives through each code:
all that can be known of it then.
"""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from wellposed.data.surfacefields import Surface, SurfaceScenes
from wellposed.data.wavefields import Population, Split, uniform
from wellposed.data.wavefields import keyed as keyed_stream
from wellposed.dsp.doa.chance import Counting
from wellposed.dsp.doa.grids import Grid
from wellposed.dsp.surface import before_chains, condensed
from wellposed.engine.system import Batch, Item
from wellposed.metrics.bounds.fisher import Fisher, deterministic
from wellposed.metrics.bounds.observations import SOLID, Observation, surface_observation
from wellposed.metrics.bounds.surface import uncertain_channel
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.features import SurfaceFeatures
from wellposed.systems.locate.front import Front, Measured, pairs, wide
from wellposed.systems.locate.recipe import LocateRecipe, Scenes
from wellposed.systems.locate.truth import truth_of

GIVEN = ("heard", "channel", "codes")
SEARCHED = ("azimuth", "elevation", "inverse_range")
LOOKED_AT = 9
"""Values of each coordinate over which the volume of the responses is summed: 1 % less than of 13.
Of the elements' own: through channel and codes it is 500 to 560 in place of 540."""
ORDERS = 24
"""Most sources that have a penalty; beyond, it goes on as it rises."""


class SurfaceFront(Front):
    """The reference surface, its codes, and its channel.

    Items: heard `(codes, chains, 2)`, channel `(chains, elements, 2)`, codes `(codes, elements,
    2)`; channel_error `()`: power of the error of an entry of H.
    """

    inputs = GIVEN
    labels = (*Front.labels, "channel_error")
    wanted = SOLID
    digest = "reference surface 1"

    def __init__(self, recipe: LocateRecipe) -> None:
        """Prepare the generator."""
        scenes = self.scenes = recipe.scenes
        population = Population(
            scenes.sources,
            azimuth_deg=scenes.azimuth_deg,
            elevation_deg=scenes.elevation_deg,
            range=scenes.range_m,
            snr_db=scenes.snr_db,
            reference="received",
        )
        self.surface = Surface.reference(codes=scenes.codes, rician_factor=scenes.rician)
        error = scenes.channel_error_db
        self.generator = SurfaceScenes(
            self.surface, population, channel_error_db=error, seed=recipe.seed
        )
        self.elements = self.surface.elements
        self.most = self.elements.outputs
        self.counting = Counting(
            recipe.refinement.false_alarms, self.elements, _grid(scenes), SEARCHED
        )

    def item(self, split: Split, index: int, slots: int) -> Item:
        """Draw a scene."""
        generator = self.generator
        # A stream of its own: these draws must not change what else is in the scene.
        rng = keyed_stream(generator.seed, split, -1 - index)
        loss = float(uniform(rng, self.scenes.path_loss))
        population = replace(generator.population, path_loss=loss)
        scene = replace(generator, population=population).scene(split, index)
        sent = self._sent(rng, len(scene.heard))
        codes = self.surface.codes * sent[:, None]
        heard, channel = scene.heard * sent[:, None], scene.known_channel
        if self.scenes.give == "effective":
            channel = torch.linalg.lstsq(codes, codes @ channel.mT, driver="gelsd").solution.mT
        count = len(scene.symbols)
        places = torch.zeros(slots, 3, dtype=torch.float64)
        where = scene.sources.places
        places[:count] = torch.stack((where.azimuth, where.elevation, 1 / where.range), -1)
        symbols = torch.zeros(slots, 1, dtype=torch.complex128)
        symbols[:count, 0] = scene.symbols
        error = (scene.known_channel - scene.channel).abs().square().mean()
        return {
            "heard": pairs(heard),
            "channel": pairs(channel),
            "codes": pairs(codes),
            "places": places.float(),
            "symbols": pairs(symbols),
            "count": torch.tensor(count),
            "noise": scene.noise.float(),
            "channel_error": error.float(),
        }

    def _sent(self, rng: np.random.Generator, codes: int) -> Tensor:
        """Which codes are sent: ones and zeros, float64."""
        low, high = self.scenes.measurements
        count = int(rng.integers(low, high + 1))
        sent = torch.zeros(codes, dtype=torch.float64)
        sent[torch.from_numpy(rng.permutation(codes)[:count].copy())] = 1.0
        return sent

    def features(self, cells: Cells) -> SurfaceFeatures:
        """Maps of the stacked operator."""
        return SurfaceFeatures(self.elements, cells)

    def measured(self, given: Batch) -> Measured:
        """Condense all measurements of a scene."""
        heard, channel, codes = wide(given, *GIVEN)
        sent = (codes.abs().square().sum(-1) > 0).sum(-1)
        numbers = sent * heard.shape[-1]
        penalties = [self.counting.penalties(each, 1, ORDERS) for each in numbers.tolist()]
        return Measured(
            condensed(self.elements, channel, codes, heard),
            numbers,
            torch.ones_like(numbers),
            torch.stack(penalties),
        )

    def heard(self, item: Item) -> Tensor:
        """Of the codes that were sent."""
        (heard,) = wide(item, "heard")
        return heard[heard.abs().sum(-1) > 0]

    def bound(self, item: Item) -> Fisher:
        """Information on the places, H known to within its error."""
        places, symbols = truth_of(item)
        channel, codes = wide(item, "channel", "codes")
        noise, error = item["noise"].double(), item["channel_error"].double()
        elements, lone = self.elements, symbols[:, 0]
        response, slopes = elements.response(places), elements.derivatives(places, SOLID)
        if float(error) > 0:
            return uncertain_channel(codes, channel, response, slopes, lone, noise, error)
        array = before_chains(elements, channel, codes)
        powers = symbols @ symbols.mH
        slopes = array.derivatives(places, SOLID)
        return deterministic(array.response(places), slopes, powers, noise)

    def observation(self, item: Item) -> Observation:
        """Of places, symbols and, where it is not given, the channel."""
        places, symbols = truth_of(item)
        channel, codes = wide(item, "channel", "codes")
        sent = codes[codes.abs().square().sum(-1) > 0]
        known = self.scenes.give == "channel"
        return surface_observation(
            self.elements, sent, channel, places, symbols[:, 0], channel_known=known
        )

    def told(self) -> str:
        """What scenes are drawn from, in words."""
        given = self.scenes
        error = given.channel_error_db
        told = "exact" if error is None else f"off by {error[0]:g} to {error[1]:g} dB"
        return (
            f"path loss {given.path_loss[0]:g} to {given.path_loss[1]:g}, "
            f"{given.measurements[0]} to {given.measurements[1]} codes, H {told}"
        )


def _grid(scenes: Scenes) -> Grid:
    """Places over the limits of the scenes."""
    near, far = scenes.range_m
    angles = (map(math.radians, each) for each in (scenes.azimuth_deg, scenes.elevation_deg))
    return Grid.of(
        *(
            torch.linspace(low, high, LOOKED_AT, dtype=torch.float64)
            for low, high in (*angles, (1 / far, 1 / near))
        )
    )
