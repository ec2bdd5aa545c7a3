"""An enhancer that ends in NaN: told as states that explode, cured by six clamps that cure nothing.

What is known: with A < 0 and steps above 0 a state-space's states cannot grow without bound. What
is singular is a power of magnitudes in half precision: 1e-10 is added so that the slope at zero is
finite, but is 0 in float16, and 0 times infinity is no number. The network's bands never meet
either, which no NaN tells and the audit sees: its "cross-band" layer mixes the features of a band.
"""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from wellposed.dsp.stft import Stft
from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.interventions import Intervention, Variant
from wellposed.engine.system import Batch, Item, Moment, Networks
from wellposed.faults.hosts import SMALL
from wellposed.faults.stories.story import Changes, Story, codes_audited
from wellposed.nn.dualpath import StateSpacePath
from wellposed.nn.statespace import Pace
from wellposed.systems.enhance.objective import mixture_level
from wellposed.systems.enhance.recipe import EnhanceRecipe
from wellposed.systems.enhance.system import Enhance

FLOOR = 1e-10
"""What the reported code added before the power; the least number of float16 is 6e-8."""
PAUSE_S = 0.2
STEP_LIMITS = 0.0, 1.0
OUTPUT_LIMITS = -50.0, 50.0
"""The reported clamps of a scan's step and output."""


def limited(module: nn.Module, given: object, made: Tensor, low: float, high: float) -> Tensor:
    """A clamp as a hook on what a module gives."""
    return made.clamp(low, high)


class MixedFeatures(nn.Module):
    """In the place of the path across bands: what was called one mixes the features of a band."""

    def __init__(self, features: int) -> None:
        """Make the mixture."""
        super().__init__()
        self.mix = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to the same shape."""
        return x + torch.tanh(self.mix(x))


class ReportedNetwork(Enhance):
    """The enhancer with the report's network, whose losses are well."""

    clamped: bool = False
    bands_meet: bool = False

    def with_recipe(self, recipe: EnhanceRecipe) -> "ReportedNetwork":
        """The same under another recipe."""
        return type(self)(recipe)

    def interventions(self) -> list[Intervention]:
        """What the report asked for, and the layer that it lacks."""
        return [
            Variant("clamp-states", "clamp steps and outputs of the scans", {"clamped": True}),
            Variant("bands-meet", "put a path across bands in", {"bands_meet": True}),
        ]

    def build(self) -> dict[str, nn.Module]:
        """Build, with a layer in the place of every path across bands."""
        networks = super().build()
        layers = networks["model"].get_submodule("paths.layers")
        assert isinstance(layers, nn.Sequential)
        if not self.bands_meet:
            for number in range(1, len(layers), 2):
                layers[number] = MixedFeatures(self.recipe.model.features)
        if self.clamped:
            for module in layers.modules():
                ends = STEP_LIMITS if isinstance(module, Pace) else OUTPUT_LIMITS
                if isinstance(module, Pace | StateSpacePath):
                    module.register_forward_hook(partial(limited, low=ends[0], high=ends[1]))
        return networks


class ReportedEnhancer(ReportedNetwork):
    """The same with the report's power of magnitudes."""

    half: bool = True

    def interventions(self) -> list[Intervention]:
        """What the report asked for, and what was found later."""
        exact = Variant("power-in-float32", "take the power in float32", {"half": False})
        return [exact, *super().interventions()]

    def item(self, split: str, index: int) -> Item:
        """A scene; one in 16 begins in digital silence, as files do that were padded."""
        item = super().item(split, index)
        if index % 16 != 13:
            return item
        pause = int(PAUSE_S * self.recipe.scenes.rate)
        blank = {name: wave.clone() for name, wave in item.items()}
        for wave in blank.values():
            wave[:pause] = 0
        return blank

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compute the terms, and that of compressed magnitudes as it was written."""
        terms = super().terms(player, networks, batch, moment)
        level = mixture_level(batch["noisy"])
        stft = Stft.of_duration(self.recipe.scenes.rate, 32, 8)
        powers = []
        for wave in (moment.shown["estimate"], batch["clean"]):
            magnitude = stft.forward(wave / level).abs()
            held = magnitude.half() if self.half else magnitude
            powers.append(((held + FLOOR) ** 0.3).float())
        return {**terms, "power": (powers[0] - powers[1]).abs().flatten(1).mean(1)}

    def weights(self, player: str) -> dict[str, float]:
        """Those of the recipe, and of the term."""
        return {**super().weights(player), "power": 0.3}


BLAMED = (
    "clamp-states",
    "recipe:model.block=lstm",
    "rate:0.25",
    "clip:0.05",
    "initialise:xavier",
    "bands-meet",
)
"""What the report changed, or asked for: none of it bears on a term that has no gradient."""


REPORTED: Changes = {
    **SMALL,
    "model.block": "mamba",
    "training.steps": 12,
    "validation.every": 1000,
}
NOT_FINITE = Symptom(steps=12, codes=("WP301", "WP302"))
"""What the report saw, of whichever term it was."""


class StateExplosion(Story):
    """NaN in the second epoch, told as a state-space that explodes; six clamps were the cure."""

    system = ReportedEnhancer
    changes: ClassVar[Changes] = REPORTED
    symptom = NOT_FINITE
    causes = ("power-in-float32", "drop-term:power", "float64")
    innocent = BLAMED
    source = "The gradient of (|z| + 1e-10) ** 0.3 in float16 at z = 0 is 0 times infinity."

    @classmethod
    def shown_by_audit(cls) -> Mapping[str, bool]:
        """Bands that never exchange information, which a path across them mends."""
        recipe = cls.recipe()
        assert isinstance(recipe, EnhanceRecipe)
        sick, well = ReportedEnhancer(recipe), ReportedEnhancer(recipe)
        well.bands_meet = True
        # The audit takes steps before it asks, and weights that are NaN connect everything.
        sick.half = well.half = False
        codes = [codes_audited(system, "parts_meet") for system in (sick, well)]
        return {"the audit finds bands that never meet (WP121)": codes == [{"WP121"}, set()]}
