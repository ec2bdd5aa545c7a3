"""Scenes before a line of sensors: far sources, several snapshots, coherent or not.

Positions are in wavelengths. Sources are new in every snapshot, so that each has an amplitude in
each; what is fitted and bounded is the deterministic model, amplitudes unknown.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from wellposed.data.wavefields import ArrayScenes, Population, Split, uniform
from wellposed.data.wavefields import keyed as keyed_stream
from wellposed.dsp.arrays.geometry import line
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.doa.chance import Counting
from wellposed.dsp.doa.fitting import compressed
from wellposed.dsp.doa.grids import Grid
from wellposed.dsp.surface import Condensed
from wellposed.engine.system import Batch, Item
from wellposed.metrics.bounds.fisher import Fisher, deterministic
from wellposed.metrics.bounds.observations import Observation, array_observation
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.front import Front, Measured, pairs, wide
from wellposed.systems.locate.line_features import LineFeatures
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.truth import truth_of

FINE = 201
"""Azimuths over which the length of the line's curve of responses is summed, to 1e-4 of it."""


class LineFront(Front):
    """An evenly spaced line.

    Items: snapshots `(sensors, most snapshots, 2)`, those that were not taken zero; number `()` of
    those that were.
    """

    inputs = ("snapshots", "number")
    wanted = ("azimuth",)
    digest = "line 1"

    def __init__(self, recipe: LocateRecipe) -> None:
        """Prepare the generator and the thresholds of the counting."""
        scenes = self.scenes = recipe.scenes
        given = scenes.line
        self.elements = Array(line(given.sensors, given.spacing), 1.0, "far")
        population = Population(
            scenes.sources,
            azimuth_deg=scenes.azimuth_deg,
            apart_deg=given.apart_deg,
            snr_db=scenes.snr_db,
            reference="received",
            correlation=given.correlation,
            power_spread_db=given.power_spread_db,
        )
        self.generator = ArrayScenes(self.elements, population, seed=recipe.seed)
        self.most = given.sensors - 1
        low, high = (math.radians(each) for each in scenes.azimuth_deg)
        grid = Grid.of(torch.linspace(low, high, FINE, dtype=torch.float64))
        rate = recipe.refinement.false_alarms
        self.counting = Counting(rate, self.elements, grid, self.wanted)

    def item(self, split: Split, index: int, slots: int) -> Item:
        """Draw a scene."""
        low, high = self.scenes.line.snapshots
        # A stream of its own: this draw must not change what else is in the scene.
        rng = keyed_stream(self.generator.seed, split, -1 - index)
        number = round(math.exp(float(uniform(rng, (math.log(low), math.log(high))))))
        population = replace(self.generator.population, snapshots=number)
        scene = replace(self.generator, population=population).scene(split, index)
        count = len(scene.symbols)
        places = torch.zeros(slots, 3, dtype=torch.float64)
        places[:count, 0] = scene.sources.places.azimuth
        symbols = torch.zeros(slots, high, dtype=torch.complex128)
        symbols[:count, :number] = scene.symbols
        heard = torch.zeros(self.elements.outputs, high, dtype=torch.complex128)
        heard[:, :number] = scene.snapshots
        return {
            "snapshots": pairs(heard),
            "number": torch.tensor(float(number)),
            "places": places.float(),
            "symbols": pairs(symbols),
            "count": torch.tensor(count),
            "noise": scene.noise.float(),
        }

    def features(self, cells: Cells) -> LineFeatures:
        """Spectra of the covariance."""
        return LineFeatures(self.elements, cells)

    def measured(self, given: Batch) -> Measured:
        """Snapshots in as few columns as say the same."""
        (heard,) = wide(given, "snapshots")
        number = given["number"].cpu().long()
        columns = compressed(heard)
        sensors = self.elements.outputs
        eye = torch.eye(sensors, dtype=heard.dtype).expand(len(heard), -1, -1)
        return Measured(
            Condensed(self.elements.behind(eye), columns, torch.zeros(len(heard)).double()),
            sensors * number,
            number,
            torch.stack(
                [self.counting.penalties(sensors, each, sensors) for each in number.tolist()]
            ),
        )

    def heard(self, item: Item) -> Tensor:
        """The snapshots that were taken."""
        (heard,) = wide(item, "snapshots")
        return heard[:, : int(item["number"])]

    def bound(self, item: Item) -> Fisher:
        """Information on the azimuths."""
        places, symbols = truth_of(item)
        response = self.elements.response(places)
        slopes = self.elements.derivatives(places, self.wanted)
        return deterministic(response, slopes, symbols @ symbols.mH, item["noise"].double())

    def observation(self, item: Item) -> Observation:
        """Of azimuths and all symbols."""
        places, symbols = truth_of(item)
        taken = symbols[:, : int(item["number"])]
        return array_observation(self.elements, places, taken, self.wanted)

    def told(self) -> str:
        """What scenes are drawn from, in words."""
        given = self.scenes.line
        return (
            f"{given.sensors} sensors {given.spacing:g} wavelengths apart, {given.snapshots[0]} to "
            f"{given.snapshots[1]} snapshots, correlation {given.correlation[0]:g} to "
            f"{given.correlation[1]:g} with random phases, powers within {given.power_spread_db:g} "
            f"dB, azimuths at least {given.apart_deg:g} degrees apart"
        )
