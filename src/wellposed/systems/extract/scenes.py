"""Scenes of the extract system: a mixture, an enrolment, and what of the mixture is wanted.

`ExtractScenes.scene(split, index)` is a pure function: every draw comes from a counter-based
generator keyed by (seed, split, index). Outside `span` the target is exactly silent, and a scene
whose target came out silent is labelled as one without a target.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wellposed.data.keyed import generator
from wellposed.data.roombank import Rooms, SyntheticRooms
from wellposed.data.voices import Voices
from wellposed.systems.extract.cast import Cast
from wellposed.systems.extract.draw import Draw
from wellposed.systems.extract.kinds import Scenario, layout, scenario_of
from wellposed.systems.extract.parts import Scene
from wellposed.systems.extract.recipe import Scenes


@dataclass(frozen=True)
class ExtractScenes:
    """All scenes of a recipe, each by its number."""

    recipe: Scenes
    voices: Voices
    seed: int
    rooms: Rooms | None = None
    """Where voices stand; computed rooms if none are given."""

    def scene(self, split: str, index: int) -> Scene:
        """Make scene `index` of "train", "valid" or "test"."""
        rng = generator(self.seed, "extract", split, index)
        drawn = Draw(self.recipe, self._cast(split), self._rooms, split, rng)
        return drawn.scene(self.scenario(split, index, rng))

    def scenario(self, split: str, index: int, rng: np.random.Generator) -> Scenario:
        """Kind by the number; in training the other speakers are drawn."""
        if split != "train":
            return scenario_of(index)
        recipe = self.recipe
        kinds = layout(recipe.present, recipe.partial, recipe.absent)
        kind = kinds[index % len(kinds)]
        weights = np.asarray(recipe.interferers)
        count = int(rng.choice(len(weights), p=weights / weights.sum()))
        return Scenario(kind, kind, count, recipe.gender)

    def _cast(self, split: str) -> Cast:
        if split not in self._casts:
            self._casts[split] = Cast(self.voices, split)
        return self._casts[split]

    @cached_property
    def _rooms(self) -> Rooms:
        return SyntheticRooms(self.recipe.rate) if self.rooms is None else self.rooms

    @cached_property
    def _casts(self) -> dict[str, Cast]:
        return {}
