"""Recipes: what a run is told, as typed sections with units and reasons.

The recommended values are the defaults, and each has one home: the field it belongs to. A
YAML file states only differences; later sources win: defaults < file < command line. An
unknown key is an error that names the nearest known one.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import tyro
import yaml
from pydantic import Field, ValidationError, model_validator

from wellposed.engine.curriculum import Phase, between, value_at
from wellposed.engine.keys import keys, leaves, unknown
from wellposed.engine.section import Section
from wellposed.errors import RecipeError


class Data(Section):
    """Where the sound comes from."""

    path: Path | None = None
    """Folder of audio or manifest.csv; without it, seeded synthetic speech, noise and rooms."""
    speech_kinds: tuple[str, ...] = ("speech",)
    """Kinds of the manifest that serve as speech."""
    noise_kinds: tuple[str, ...] = ("noise",)
    """Kinds of the manifest that serve as noise."""
    languages: tuple[str, ...] = ()
    """Languages of speech to use (manifest column `language`); empty: all."""
    exclude: tuple[str, ...] = ()
    """Leave out files whose path below the folder begins so, or whole corpora by name."""
    exclude_licences: tuple[str, ...] = ()
    """Leave out files whose licence contains one of these texts, such as "-SA"."""
    cache_mib: Annotated[int, Field(ge=1)] = 1024
    """Memory for decoded audio [MiB]."""

    @property
    def choice(self) -> dict[str, Any]:
        """Everything here that says which files are used, and as what."""
        return self.model_dump(exclude={"path", "cache_mib"})


class Optimizer(Section):
    """AdamW and the rules around a step."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Peak rate; BSRNN for speech was trained with Adam at 1e-3 (arXiv:2212.00406)."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Decay of the moments; 0.99 follows runs of a few thousand steps better than 0.999."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the root of the second moment, AdamW's own default: a weight whose gradients lie
    far below it hardly moves. The audit says which ones do."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled decay of matrices; norms and biases have none. 0.01 is AdamW's own default."""
    clip_norm: Annotated[float, Field(gt=0)] = 0.5
    """Largest norm of the whole gradient. Measured for enhance (small): 0.03 to 0.15 over the
    first 400 steps, so 0.5 touches only outliers; a value far above never acts."""


class Schedule(Section):
    """Learning rate over the run, a pure function of the step."""

    shape: Literal["cosine", "constant", "linear"] = "cosine"
    """Course after the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    """Steps of linear rise from zero to the peak."""
    final_factor: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Rate at the last step relative to the peak (cosine and linear)."""


class Training(Section):
    """How long, how much at once, on what."""

    steps: Annotated[int, Field(ge=1)] = 6000
    """Optimizer steps of the whole run."""
    start_from: Path | None = None
    """Weights to start from instead of random ones: a model file of the same system and size."""
    batch_size: Annotated[int, Field(ge=1)] = 8
    """Scenes per step, over all processes together."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Pieces in which a process works through its share of a batch, to save memory."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Arithmetic of the network; spectra, losses and weights stay float32."""
    device: str = "auto"
    """"cpu", "cuda", "cuda:1"; auto takes CUDA when there is one."""
    threads: Annotated[int, Field(ge=0)] = 1
    """CPU threads of a process; 0 leaves OMP_NUM_THREADS. Bits depend on it. A step of enhance
    took 0.5 s with one and with two on two idle cores, and 64 s with two on busy ones."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Threads that render scenes ahead; their number cannot change a scene."""
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """Under torchrun: copies of the network (ddp), or parameters sharded over ranks (fsdp)."""
    log_every: Annotated[int, Field(ge=1)] = 20
    """Steps between lines of the log and rows of the history."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 200
    """Steps between checkpoints."""
    refusals_allowed: Annotated[int, Field(ge=0)] = 16
    """Non-finite steps refused in a row before the run stops. 16 halvings take a loss scale of
    65,536 to 1, the range float16 may need; beyond that the fault is not the scale."""


class Average(Section):
    """Exponential average of the weights; what is validated is what is used."""

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.995
    """Weight of the past at each step: a memory of 1 / (1 - decay) = 200 steps; 0: no average."""


class Promise(Section):
    """Bounds that the mean of a metric must keep; the guard says so when it does not."""

    low: float | None = None
    """Smallest mean, in the metric's unit; none: no lower bound."""
    high: float | None = None
    """Largest mean; none: no upper bound."""
    step: Annotated[int, Field(ge=0)] = 0
    """Validations at this step and later are bound."""
    binding: bool = False
    """No checkpoint out of these bounds, at any step, is the best while one within them exists."""

    def kept_by(self, mean: float | None) -> bool:
        """Whether a mean is within the bounds; none at all is not."""
        low = float("-inf") if self.low is None else self.low
        high = float("inf") if self.high is None else self.high
        return mean is not None and low <= mean <= high

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        low = float("-inf") if self.low is None else self.low
        high = float("inf") if self.high is None else self.high
        if not low <= high or (self.low is None and self.high is None):
            raise ValueError(f"wanted low <= high, one of them at least; found {low} and {high}")
        return self


class Validation(Section):
    """Scores on a fixed list of scenes."""

    every: Annotated[int, Field(ge=1)] = 500
    """Steps between validations; the last step is always validated."""
    scenes: Annotated[int, Field(ge=2)] = 32
    """Number of scenes, always the same ones; their hash is logged."""
    select: str = "si_sdr_improvement_db"
    """Metric whose mean chooses the best checkpoint."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Stop after so many validations that were surely no better than the best; 0: never."""
    minimum_gain: Annotated[float, Field(ge=0)] = 0.0
    """Smallest improvement that counts, in the metric's unit."""
    criteria: Annotated[dict[str, Promise], tyro.conf.Fixed] = Field(default_factory=dict)
    """Promises by metric, `level_error_db: {low: -1, high: 1, step: 3000}`: WP408 when broken."""


class Recipe(Section):
    """What every run has; a system adds its model, scenes and loss."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The one seed from which all randomness follows."""
    data: Data = Data()
    training: Training = Training()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    average: Average = Average()
    validation: Validation = Validation()
    curriculum: Annotated[tuple[Phase, ...], tyro.conf.Fixed] = ()
    """Phases after the first, by rising step."""

    @model_validator(mode="after")
    def _phases_rise_and_fit(self) -> Self:
        steps = [phase.from_step for phase in self.curriculum]
        if steps != sorted(set(steps)):
            raise ValueError(f"curriculum: from_step must rise, found {steps}")
        for phase, after in pairwise(self.curriculum):
            reached = phase.from_step + phase.ramp_steps
            if reached > after.from_step:
                raise ValueError(
                    f"curriculum: the phase from step {phase.from_step} is reached at step "
                    f"{reached}, after the next one begins"
                )
        for phase in self.curriculum:
            for key in phase.changes:
                if key.split(".")[0] not in ("scenes", "loss"):
                    raise ValueError(f"curriculum: {key!r} is not below scenes or loss")
        return self

    def at_step(self, step: int) -> tuple[int, Self]:
        """Number of the phase (0 is the first) that `step` belongs to, and its recipe.

        The recipe of a later phase has no curriculum of its own. While a phase is ramped to, the
        recipe is another one at every step: a pure function of the step.
        """
        number, recipe = 0, self
        if self.curriculum and step >= self.curriculum[0].from_step:
            recipe = self.model_copy(update={"curriculum": ()})
        for phase in self.curriculum:
            if step < phase.from_step:
                break
            number += 1
            where, share = f"curriculum from step {phase.from_step}", phase.share(step)
            before = recipe
            recipe = changed(recipe, phase.changes, where)
            if share < 1:
                recipe = changed(before, _on_the_way(before, recipe, phase, share), where)
        return number, recipe


R = TypeVar("R", bound=Recipe)


def changed(recipe: R, changes: Mapping[str, Any], where: str) -> R:
    """Return `recipe` with dotted keys set, `{"loss.complex": 0.5}`; RecipeError as `parse`."""
    tree = recipe.model_dump(mode="json")
    for key, value in changes.items():
        node: Any = tree
        *path, last = key.split(".")
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node:
            raise RecipeError(unknown(where, key, keys(tree)))
        node[last] = value
    return parse(type(recipe), tree, where)


def _on_the_way(before: Recipe, after: Recipe, phase: Phase, share: float) -> dict[str, Any]:
    """Changes of a phase that is only reached by `share`."""
    first, last = (each.model_dump(mode="json") for each in (before, after))
    return {key: between(value_at(first, key), value_at(last, key), share) for key in phase.changes}


def parse(kind: type[R], tree: Any, where: str) -> R:
    """Make a recipe from nested dicts; RecipeError says where and what is wrong."""
    if not isinstance(tree, dict):
        raise RecipeError(f"{where}: found {type(tree).__name__}, wanted `key: value` lines.")
    try:
        recipe = kind.model_validate(_over(kind(), tree))
    except ValidationError as error:
        raise RecipeError(explain_errors(kind, error, where)) from None
    for phase in recipe.curriculum:
        # A phase that cannot be should be known now, not in the middle of the run.
        recipe.at_step(phase.from_step)
        recipe.at_step(phase.from_step + phase.ramp_steps)
    return recipe


def _over(default: Section, tree: Mapping[str, Any]) -> dict[str, Any]:
    """What `tree` says, over a recipe's own defaults.

    A section of which a file states one key keeps the defaults that this recipe has for the others;
    those of the section's class are other ones (a codec's optimizer is not that of a denoiser).
    """
    whole = default.model_dump()
    for key, value in tree.items():
        held = getattr(default, key, None) if isinstance(key, str) else None
        nested = isinstance(held, Section) and isinstance(value, dict)
        whole[key] = _over(held, value) if nested else value
    return whole


def load(kind: type[R], path: Path) -> R:
    """Read a YAML recipe that states differences from the defaults of `kind`."""
    return parse(kind, read_yaml(path), str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; RecipeError for a missing file or text that is no YAML."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read ({error}).") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: is not valid YAML: {error}") from None
    return {} if tree is None else tree


def dump(recipe: Recipe) -> str:
    """Write every value of the recipe as YAML that `load` reads back to an equal recipe."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, width=100)


def differences(recipe: Recipe, other: Recipe) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ, with (this, that) values."""
    first, second = (
        dict(leaves(recipe.model_dump(mode="json"))),
        dict(leaves(other.model_dump(mode="json"))),
    )
    names = [*first, *(key for key in second if key not in first)]
    return {
        key: (first.get(key), second.get(key)) for key in names if first.get(key) != second.get(key)
    }


def explain_errors(kind: type[Recipe], error: ValidationError, where: str) -> str:
    """Turn pydantic's findings into lines that say where, what, and the nearest known key."""
    known = keys(kind().model_dump(mode="json"))
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            lines.append(unknown(where, key, known))
        else:
            lines.append(f"{where}: {key or 'recipe'} = {item['input']!r}: {item['msg']}.")
    return "\n".join(lines)
