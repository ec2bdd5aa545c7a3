"""What a system must answer, and nothing else: the engine knows no system by name.

In this order: what is a scene; what is the estimate (one function, for training and use);
what is wanted (named terms); what is measured (the metric that chooses is no loss).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from wellposed.engine.interventions.intervention import Intervention
from wellposed.engine.recipe import Recipe, Section

R = TypeVar("R", bound=Recipe)

Item = Mapping[str, Tensor]
Batch = dict[str, Tensor]
Networks = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Player:
    """Networks that one optimizer moves, to lower the terms of this player's name."""

    name: str
    networks: tuple[str, ...]


class Critic(NamedTuple):
    """What a critic says of a step's examples; see `Guard.critic`."""

    real: Tensor | None
    fake: Tensor | None
    active: bool
    term: str


@dataclass(frozen=True)
class Moment:
    """When a step happens, the generator for its draws, and what the guard may see of it.

    `terms` may call `show`, `critic`, `codes`, `tell` and `leap`; nothing that is learned depends
    on them.
    """

    step: int
    generator: torch.Generator
    shown: dict[str, Tensor] = field(default_factory=dict)
    critics: dict[str, Critic] = field(default_factory=dict)
    chosen: dict[str, tuple[Tensor, int]] = field(default_factory=dict)
    figures: dict[str, Tensor] = field(default_factory=dict)
    leaps: list[bool] = field(default_factory=list)
    piece: int = 0
    """Number of the piece of the batch, where a step works through several."""

    def show(
        self,
        *,
        estimate: Tensor | None = None,
        reference: Tensor | None = None,
        source: Tensor | None = None,
    ) -> None:
        """Let the guard see what the terms compare, `(batch, ...)` each.

        `estimate` with its graph, as the terms got it; `source` is what the network was given,
        where it has the shape of `reference`.
        """
        signals = {"estimate": estimate, "reference": reference, "source": source}
        self.shown.update({name: each for name, each in signals.items() if each is not None})

    def critic(
        self,
        real: Tensor | None,
        fake: Tensor | None,
        *,
        name: str = "critic",
        active: bool = True,
        term: str = "",
    ) -> None:
        """Let the guard see a critic's scores `(batch, ...)`, higher: real; see `Guard.critic`."""
        self.critics[name] = Critic(real, fake, active, term)

    def codes(self, indices: Tensor, size: int, *, name: str = "codebook") -> None:
        """Let the guard see which codes of a codebook of `size` were chosen."""
        self.chosen[name] = (indices, size)

    def leap(self) -> None:
        """Say that weights were set in this step, not learned: their average begins anew."""
        self.leaps.append(True)

    def tell(self, **figures: Tensor) -> None:
        """Put numbers without a gradient, such as how well a critic does, into the history."""
        self.figures.update({name: value.detach() for name, value in figures.items()})


class System(ABC, Generic[R]):
    """One learning problem, made from a recipe."""

    name: ClassVar[str]
    recipe_type: ClassVar[type[Recipe]]
    sizes: ClassVar[Mapping[str, Section]] = {}
    """Presets of the recipe's `model` section by name."""
    players: tuple[Player, ...] = (Player("model", ("model",)),)
    """Who learns, in the order of their turns in a step; the same ones in all phases of a run."""
    level_metric: ClassVar[str | None] = None
    """The metric that is the gain of an estimate over its reference [dB], if one is."""
    inputs: tuple[str, ...] = ()
    """Tensors of an item that the estimate is made from."""
    labels: tuple[str, ...] = ()
    """Tensors of an item that the estimate must not depend on."""

    def __init__(self, recipe: R) -> None:
        """Keep the recipe; heavy things (a corpus) are opened when first used."""
        self.recipe = recipe

    @abstractmethod
    def with_recipe(self, recipe: R) -> "System[R]":
        """Return the same system under another recipe (a phase), sharing what is opened."""

    @abstractmethod
    def build(self) -> dict[str, nn.Module]:
        """Make the networks, freshly initialised from the global generator."""

    @property
    @abstractmethod
    def data_digest(self) -> str:
        """Name the data: equal digests, recipes and indices mean equal scenes."""

    @abstractmethod
    def item(self, split: str, index: int) -> Item:
        """Render scene `index`: a pure function of (recipe, data, split, index)."""

    @abstractmethod
    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compute the unweighted terms of `player`, each `(batch,)`."""

    def plays(self, player: str, step: int) -> bool:
        """Whether `player` has a turn in `step`; one that joins later is left as it was built."""
        return True

    @abstractmethod
    def weights(self, player: str) -> dict[str, float]:
        """Weight of every term of `player`, from the recipe."""

    @abstractmethod
    def measure(self, networks: Networks, item: Item) -> dict[str, float | None]:
        """Score one validation scene; None where a metric is undefined for it."""

    def calibrate(self, networks: Networks, rows: Mapping[int, Mapping[str, float | None]]) -> None:
        """Set what is kept with the weights and follows from a validation, such as a threshold.

        Called with the rows of `measure` by scene, before the guard looks at the weights and the
        best are kept; only buffers may be changed. The same on every rank.
        """
        return None

    @property
    @abstractmethod
    def metrics(self) -> dict[str, str]:
        """Metric names of `measure`, each with "higher" or "lower" for better."""

    @abstractmethod
    def show_examples(self, networks: Networks, folder: Path) -> None:
        """Write a few validation scenes with estimates below `folder`, for the report.

        A folder each: sounds as `noisy.flac`, `estimate.flac`, `clean.flac` with scores.json, or
        maps, curves and pictures as an exhibit (`wellposed.engine.telling.exhibit`), or both.
        """

    @property
    def audited_step(self) -> int:
        """Step at which the audit of the problem looks: the first where all that is planned is in.

        What joins later, such as a quantizer or a critic, is no part of the problem before.
        """
        return 0

    @property
    def silent_targets(self) -> float:
        """Declared share of scenes whose target is exactly silent."""
        return 0.0

    def trivial(self, item: Item) -> Mapping[str, Mapping[str, float | None]]:
        """Score outputs that need no network on one scene: "silence", "input", "constant".

        "reference" is the score of a perfect output, with which the metric itself is judged.
        Metrics are named as in `measure`; what is not named is not compared. A pure function of
        the scene, so that it is computed once in a run.
        """
        return {}

    def declared(self) -> Mapping[str, Any]:
        """Say what only this system knows to the audit of its problem.

        Fields of `wellposed.guard.audit.problem.Problem` by name: axes, waveforms, lookahead, the
        path of use, yardsticks, trivial outputs. What is left out is not asked.
        """
        return {}

    def interventions(self) -> list[Intervention]:
        """What only this system knows how to change of a run, for `wellposed explain` to try.

        Such as a quantizer that is gone round, or another form of a term.
        """
        return []

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items along a new first axis."""
        return {key: torch.stack([item[key] for item in items]) for key in items[0]}
