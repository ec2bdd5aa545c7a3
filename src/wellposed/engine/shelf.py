"""Finding and loading the weights of a system: a file, a run folder, or what is shipped.

Promise: the network that comes out is the one that was trained, every tensor of it; anything else
is an error that names the file. No generator of the caller is touched.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from wellposed.engine.recipe import Recipe, parse
from wellposed.engine.storage.modelfile import load_model
from wellposed.engine.use import fill
from wellposed.errors import CheckpointError, RecipeError

R = TypeVar("R", bound=Recipe)
N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Shelf(Generic[R]):
    """The weights of one system, wherever they are."""

    recipe_type: type[R]
    folder: Path
    """Where the weights lie that travel with the package; it need not exist."""
    default: str = ""
    """Name of those that are used when no model is named."""

    @property
    def system(self) -> str:
        """Name of the system, as its recipe has it."""
        return self.recipe_type.model_fields["system"].default

    def names(self) -> tuple[str, ...]:
        """Names of the weights that travel with the package; each can be given as a model.

        A dot in the name marks what lies beside weights, such as frequency tables.
        """
        stems = (path.stem for path in self.folder.glob("*.safetensors"))
        return tuple(sorted(stem for stem in stems if "." not in stem))

    def find(self, model: Path | str | None) -> Path:
        """File of weights for a file, a run folder, a shipped name, or None for the default.

        Raises CheckpointError: there is none.
        """
        known = ", ".join(self.names()) or "nothing"
        if model is None and self.default not in self.names():
            raise CheckpointError(
                f"this package has no weights to take by default (shipped: {known}). Train with "
                f"`wellposed train {self.system} --run RUN`, then give the run or a weights file: "
                "--model RUN"
            )
        path = Path(self.default if model is None else model)
        if path.is_dir():
            best = path / "best" / "model.safetensors"
            if not best.is_file():
                raise CheckpointError(
                    f"{path}: this folder has no best/model.safetensors; a run has it from its "
                    "first validation on. Give the folder of a run, or a weights file."
                )
            return best
        if path.is_file():
            return path
        if str(path) in self.names():
            return self.folder / f"{path}.safetensors"
        raise CheckpointError(
            f"{path}: no such weights. Give a .safetensors file, the folder of a run, or a name of "
            f"what is shipped: {known}"
        )

    def holds(self, model: Path | str) -> bool:
        """Whether a file, a run folder or a shipped name has weights of this system."""
        try:
            return load_model(self.find(model))[1].get("system") == self.system
        except CheckpointError:
            return False  # whoever loads it in earnest says what is wrong

    def recipe_of(self, path: Path) -> R:
        """Read the recipe that the weights in `path` were trained with.

        Raises CheckpointError: damaged, of another system, or a recipe this version cannot use.
        """
        return self._recipe(load_model(path)[1], path)

    def load(self, path: Path, build: Callable[[R], N], device: torch.device) -> tuple[N, R]:
        """Build the network of a weights file, ready for use, and the recipe it was trained with.

        Raises CheckpointError: damaged, of another system, or tensors that do not fit the recipe.
        """
        tensors, card = load_model(path)
        recipe = self._recipe(card, path)
        with torch.random.fork_rng(devices=[]):  # building draws weights that are replaced at once
            network = build(recipe)
        fill(network, "model", tensors, path)
        broken = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
        if broken:
            raise CheckpointError(f"{path}: NaN or infinite weights in {', '.join(broken)}.")
        return network.eval().requires_grad_(False).to(device), recipe

    def _recipe(self, card: Mapping[str, Any], path: Path) -> R:
        system = card.get("system")
        if system != self.system or "recipe" not in card:
            raise CheckpointError(
                f"{path}: these are weights of the system {system!r}, with "
                f"{'a' if 'recipe' in card else 'no'} recipe. Wanted: weights of a run of "
                f"{self.system}."
            )
        try:
            return parse(self.recipe_type, card["recipe"], str(path))
        except RecipeError as error:
            raise CheckpointError(
                f"{error}\nThis version cannot use the recipe inside these weights; use the "
                "version that wrote them."
            ) from error
