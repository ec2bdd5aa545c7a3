"""What an enhancer meets on its way: on training scenes, and on ten of them joined to one.

The scenes of a group are brought to one level before they are joined: the network follows the level
of its input exactly, so nothing that passes through it changes, and no seam is a jump of level.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wellposed.dsp.levels import POWER_FLOOR
from wellposed.engine.inside.ranges import Group, Unit, joined
from wellposed.metrics.table import score_pair
from wellposed.systems.enhance.objective import enhance_terms, terms_of
from wellposed.systems.enhance.system import Enhance

TIMES = 10
"""Long sequences are so many times as long as those of training."""
LEVEL = 0.05
"""Root mean square of every scene, -26 dB re full scale: the middle of usual speech levels."""


class TrainingScenes:
    """Groups of `TIMES` training scenes, noisy and clean `(TIMES, time)`."""

    def __init__(self, system: Enhance, groups: int) -> None:
        """Render the first scenes of the training split."""
        self.system = system
        self.noisy, self.clean = [], []
        for group in range(groups):
            items = [system.item("train", group * TIMES + place) for place in range(TIMES)]
            batch = system.collate(items)
            level = batch["noisy"].square().mean(-1, keepdim=True)
            gain = LEVEL / (level + POWER_FLOOR).sqrt()
            self.noisy.append(batch["noisy"] * gain)
            self.clean.append(batch["clean"] * gain)

    def groups(self) -> list[Group]:
        """What the network is given."""
        return list(joined(self.noisy))

    def score(self, estimates: Tensor, group: int) -> dict[str, Sequence[float | None]]:
        """Loss, its terms and the metrics of validation for the estimates `(TIMES, time)`.

        Terms that need more than the output, those of spectra and critics, are left out.
        """
        recipe, clean, noisy = self.system.recipe, self.clean[group], self.noisy[group]
        terms = enhance_terms(estimates, clean, noisy, recipe.loss, recipe.scenes.rate)
        weights = terms_of(recipe.loss)
        total = torch.stack([weights[name] * value for name, value in terms.items()]).sum(0)
        rows = [
            score_pair(
                reference=clean[place].numpy(),
                estimate=estimates[place].numpy(),
                rate=recipe.scenes.rate,
                names=list(self.system.metrics),
                noisy=noisy[place].numpy(),
            )
            for place in range(len(estimates))
        ]
        losses = {"loss": total, **{f"loss/{name}": value for name, value in terms.items()}}
        figures: dict[str, Sequence[float | None]] = {}
        figures |= {name: value.tolist() for name, value in losses.items()}
        return figures | {name: [row[name].value for row in rows] for name in self.system.metrics}


def units(network: nn.Module, hop_ms: float) -> dict[str, Unit]:
    """Factor and unit of every `...:memory`: milliseconds along time, bands across bands."""
    made: dict[str, Unit] = {}
    for name, part in network.named_modules():
        axis = getattr(part, "axis", None)
        if axis in ("time", "bands"):
            unit = (hop_ms, "ms") if axis == "time" else (1.0, "bands")
            made |= {f"{name}.{below}:memory": unit for below, _ in part.named_modules() if below}
    return made
