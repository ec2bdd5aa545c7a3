"""Toy systems, small enough to be trained in a test: everything that a system may have, no more.

`Toy` has one recurrent network with dropout and a buffer that counts; `Duel` has a generator and
a critic that play against each other. Both are registered only by tests, through `register`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from wellposed.engine.randomness import generator
from wellposed.engine.recipe import Recipe, Section
from wellposed.engine.sections import Average, Optimizer, Schedule, Training, Validation
from wellposed.engine.system import Batch, Item, Moment, Networks, Player, System
from wellposed.systems import SYSTEMS

CPU = torch.device("cpu")


class ToyModel(Section):
    """Size and randomness of the network."""

    hidden: int = 5
    """Units of the recurrent layer."""
    dropout: float = 0.25
    """Probability of both dropouts, the layer's and the one drawn from the moment."""


class ToyScenes(Section):
    """What is to be found under noise."""

    length: int = 8
    """Samples of a scene."""
    noise: float = 0.5
    """Standard deviation of the noise."""


class ToyLoss(Section):
    """Weights."""

    square: float = 1.0
    """Mean squared error."""
    size: float = 0.1
    """Mean absolute error."""
    fool: float = 0.1
    """What the critic says of the estimate (`Duel`)."""


class ToyRecipe(Recipe):
    """A run of a second."""

    system: Literal["toy"] = "toy"
    model: ToyModel = ToyModel()
    scenes: ToyScenes = ToyScenes()
    loss: ToyLoss = ToyLoss()
    training: Training = Training(
        steps=8, batch_size=4, threads=1, log_every=2, checkpoint_every=3, device="cpu"
    )
    optimizer: Optimizer = Optimizer(learning_rate=0.05)
    schedule: Schedule = Schedule(warmup_steps=2)
    average: Average = Average(decay=0.9)
    validation: Validation = Validation(every=4, scenes=4, select="error")


class DuelRecipe(ToyRecipe):
    """The same for two players."""

    system: Literal["duel"] = "duel"  # type: ignore[bad-override]


class Filter(nn.Module):
    """Noisy `(batch, time)` to `(batch, time)`."""

    calls: Tensor

    def __init__(self, recipe: ToyModel) -> None:
        """Draw the weights."""
        super().__init__()
        self.walk = nn.GRU(1, recipe.hidden, batch_first=True)
        self.dropout = nn.Dropout(recipe.dropout)
        self.out = nn.Linear(recipe.hidden, 1)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, noisy: Tensor) -> Tensor:
        """Estimate, and count the calls in training: a buffer that a checkpoint must hold."""
        if self.training:
            self.calls += 1
        walked, _ = self.walk(noisy[..., None])
        return noisy + self.out(self.dropout(walked))[..., 0]


class Toy(System[ToyRecipe]):
    """A line under noise is to be found."""

    name = "toy"
    recipe_type: ClassVar[type[Recipe]] = ToyRecipe
    sizes: ClassVar[Mapping[str, Section]] = {"tiny": ToyModel(hidden=2), "wide": ToyModel()}

    def with_recipe(self, recipe: ToyRecipe) -> "Toy":
        """Make the same system for a phase."""
        return type(self)(recipe)

    def build(self) -> dict[str, nn.Module]:
        """Make the network."""
        return {"model": Filter(self.recipe.model)}

    @property
    def data_digest(self) -> str:
        """Name the lines; a file in `data.path` stands for a corpus."""
        path = self.recipe.data.path
        return "lines/1" if path is None else path.read_text()

    def item(self, split: str, index: int) -> Item:
        """Draw a line and its noise, from (seed, split, index) alone."""
        scenes, draws = self.recipe.scenes, generator(CPU, self.recipe.seed, split, index)
        ends = torch.randn(2, generator=draws)
        clean = torch.lerp(ends[0], ends[1], torch.linspace(0, 1, scenes.length))
        noise = torch.randn(scenes.length, generator=draws)
        return {"noisy": clean + scenes.noise * noise, "clean": clean}

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compare, without a few samples that the moment's generator drops."""
        estimate = networks["model"](batch["noisy"])
        return self._errors(estimate, batch["clean"], moment)

    def weights(self, player: str) -> dict[str, float]:
        """Weights of the recipe."""
        return self.recipe.loss.model_dump(include={"square", "size"})

    def measure(self, networks: Networks, item: Item) -> dict[str, float | None]:
        """Score a scene; `error` has no value where the line goes down everywhere."""
        estimate = networks["model"](item["noisy"][None])[0]
        gap = estimate - item["clean"]
        falling = bool(item["clean"][0] > item["clean"][-1] + 1)
        return {
            "error": None if falling else float(gap.square().mean()),
            "closeness": float(-gap.abs().mean()),
            "offset": float(gap.mean()),
        }

    @property
    def metrics(self) -> dict[str, str]:
        """Two that can choose and one that cannot."""
        return {"error": "lower", "closeness": "higher", "offset": "none"}

    def show_examples(self, networks: Networks, folder: Path) -> None:
        """Write an estimate as text."""
        folder.mkdir(exist_ok=True)
        with torch.no_grad():
            estimate = networks["model"](self.item("valid", 0)["noisy"][None])
        (folder / "estimate.txt").write_text(str(estimate.tolist()))

    def _errors(self, estimate: Tensor, clean: Tensor, moment: Moment) -> dict[str, Tensor]:
        draws = torch.rand(clean.shape, generator=moment.generator)
        gap = (estimate.float() - clean) * (draws >= self.recipe.model.dropout)
        return {"square": gap.square().mean(-1), "size": gap.abs().mean(-1)}


class Duel(Toy):
    """The same lines for a generator and a critic, which sees whether a line is true."""

    name = "duel"
    recipe_type: ClassVar[type[Recipe]] = DuelRecipe
    players: tuple[Player, ...] = (
        Player("generator", ("model",)),
        Player("critic", ("critic",)),
    )

    def build(self) -> dict[str, nn.Module]:
        """Make both networks."""
        length = self.recipe.scenes.length
        dropout = nn.Dropout(self.recipe.model.dropout)
        critic = nn.Sequential(nn.Linear(length, 4), dropout, nn.Tanh(), nn.Linear(4, 1))
        return {"model": Filter(self.recipe.model), "critic": critic}

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Least-squares terms of both players."""
        if player == "generator":
            estimate = networks["model"](batch["noisy"])
            said = networks["critic"](estimate)[:, 0]
            return {
                **self._errors(estimate, batch["clean"], moment),
                "fool": (said.float() - 1).square(),
            }
        with torch.no_grad():
            estimate = networks["model"](batch["noisy"])
        true, false = networks["critic"](batch["clean"]), networks["critic"](estimate)
        return {"true": (true[:, 0] - 1).square(), "false": false[:, 0].square()}

    def weights(self, player: str) -> dict[str, float]:
        """Weights of the recipe for the generator; the critic has none."""
        generator_weights = self.recipe.loss.model_dump()
        return generator_weights if player == "generator" else {"true": 1.0, "false": 1.0}


def register() -> None:
    """Write the registry lines that make the toys systems like any other."""
    SYSTEMS["toy"] = "toy:Toy"
    SYSTEMS["duel"] = "toy:Duel"


def recipe(system: type[Toy] = Toy, **changes: Any) -> ToyRecipe:
    """Make a recipe with sections changed: `recipe(training={"steps": 4})`."""
    tree = system.recipe_type().model_dump()
    for key, value in changes.items():
        tree[key] = {**tree[key], **value} if isinstance(value, dict) else value
    made = system.recipe_type.model_validate(tree)
    assert isinstance(made, ToyRecipe)
    return made
