"""The same enhancer with a phase term, which ended in NaN as well: an angle of almost nothing.

What is known: the gradient of `torch.angle` at z is 1 / |z| in size, computed by |z|^2, which has
lost its digits in single precision where |z| is below 1e-19. From 3e-20 downwards it is NaN; at 0
it is 0, so that digital silence does no harm. Sound that dies away does: a first-order high-pass
at 80 Hz lets a pause fall by 20 dB in 37 samples at 8 kHz, through all of these numbers.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor

from wellposed.dsp.stft import Stft
from wellposed.engine.interventions import Intervention, Variant
from wellposed.engine.system import Batch, Item, Moment, Networks
from wellposed.faults.stories.state_explosion import (
    BLAMED,
    NOT_FINITE,
    PAUSE_S,
    REPORTED,
    ReportedNetwork,
)
from wellposed.faults.stories.story import Changes, Story
from wellposed.losses.phase import phase
from wellposed.systems.enhance.objective import mixture_level

HIGH_PASS_HZ = 80.0
WEIGHT = 0.4
"""Of the phase term, the report's."""


def angles_apart(estimate: Tensor, reference: Tensor) -> Tensor:
    """Mean absolute difference of two phases, wrapped, `(batch,)`: as it was written."""
    apart = torch.angle(estimate) - torch.angle(reference)
    wrapped = torch.remainder(apart + math.pi, 2 * math.pi) - math.pi
    return wrapped.abs().flatten(1).mean(1)


class AngledEnhancer(ReportedNetwork):
    """The report's network with its phase term, on sound of which some dies away."""

    angled: bool = True

    def interventions(self) -> list[Intervention]:
        """What the report asked for, and a phase that knows how much there is of it."""
        about = "compare unit vectors that a floor holds, weighed by magnitude"
        return [Variant("phase-by-vectors", about, {"angled": False}), *super().interventions()]

    def item(self, split: str, index: int) -> Item:
        """A scene; one in 16 ends in what a high-pass leaves of a pause."""
        item = super().item(split, index)
        if index % 16 != 13:
            return item
        rate = self.recipe.scenes.rate
        pause = int(PAUSE_S * rate)
        falls = torch.arange(1, pause + 1) * (-2 * math.pi * HIGH_PASS_HZ / rate)
        died = {name: wave.clone() for name, wave in item.items()}
        for wave in died.values():
            wave[-pause:] = wave[-pause - 1] * falls.exp()
        return died

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compute the terms, and that of the phase."""
        terms = super().terms(player, networks, batch, moment)
        level = mixture_level(batch["noisy"])
        stft = Stft.of_duration(self.recipe.scenes.rate, 32, 8)
        estimate, clean = (
            stft.forward(each / level) for each in (moment.shown["estimate"], batch["clean"])
        )
        compare = angles_apart if self.angled else phase
        return {**terms, "phase": compare(estimate, clean)}

    def weights(self, player: str) -> dict[str, float]:
        """Those of the recipe, and of the term."""
        return {**super().weights(player), "phase": WEIGHT}


class PhaseOfNothing(Story):
    """NaN after a phase term came in, told as an explosion of states again."""

    system = AngledEnhancer
    changes: ClassVar[Changes] = REPORTED
    symptom = NOT_FINITE
    causes = ("phase-by-vectors", "drop-term:phase")
    innocent = BLAMED
    source = "d angle(z) / dz in single precision: 8e18 at |z| = 1e-19, NaN at 3e-20, 0 at 0."
