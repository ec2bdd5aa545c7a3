"""What a search varies: keys of the recipe with ranges or choices, checked against the recipe.

    optimizer.learning_rate=1e-4..3e-3 log      a range, uniform in the logarithm
    loss.level=0..0.1                           a range
    model.depth=2..8 step 2                     whole numbers where the recipe has whole numbers
    model.depth=2,3,4                           choices, each in YAML

A YAML file says the same, `key: 1e-4..3e-3 log` or `key: [2, 3, 4]`.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wellposed.engine.launch import MAY_CHANGE
from wellposed.engine.recipe import Recipe, changed, read_yaml
from wellposed.engine.system import System
from wellposed.engine.validation import scenes_hash
from wellposed.errors import RecipeError

_RANGE = re.compile(r"(?P<low>\S+?)\.\.(?P<high>\S+)(?P<log>\s+log)?(\s+step\s+(?P<step>\S+))?")
_WHOLE = re.compile(r"[+-]?\d+")
FORMS = "KEY=LOW..HIGH, KEY=LOW..HIGH log, KEY=LOW..HIGH step S, or KEY=A,B,C"


@dataclass(frozen=True)
class Axis:
    """One key and what it may be: from `low` to `high`, or one of `choices` (texts in YAML)."""

    key: str
    text: str
    """As it was written."""
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()

    def value(self, drawn: Any) -> Any:
        """Return what the recipe gets for what was drawn."""
        return yaml.safe_load(drawn) if self.choices else drawn

    def holds(self, value: Any) -> Any:
        """Return what would be drawn for a value of the recipe; None if it is not in the space."""
        if self.choices:
            return next((text for text in self.choices if self.value(text) == value), None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        steps = (value - self.low) / (self.step or 1.0)
        on_step = self.step is None or abs(steps - round(steps)) < 1e-9 * max(1.0, abs(steps))
        return value if self.low <= value <= self.high and on_step else None

    def probes(self) -> list[Any]:
        """Values that the recipe has to accept: both ends, or every choice."""
        if self.choices:
            return [self.value(text) for text in self.choices]
        return [int(end) if self.whole else end for end in (self.low, self.high)]


def read_space(words: Sequence[str]) -> dict[str, str]:
    """Read KEY=RANGE words and YAML files into texts by key; words may have been split at spaces.

    Raises RecipeError: no such form, a key twice, no key at all.
    """
    texts: dict[str, str] = {}
    joined: list[str] = []
    for word in words:
        if "=" not in word and not _is_file(word) and joined and not _is_file(joined[-1]):
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    for word in joined:
        pairs = _of_file(Path(word)) if _is_file(word) else [_pair(word)]
        for key, text in pairs:
            if key in texts:
                raise RecipeError(f"--space: {key} is given twice. Give it once.")
            texts[key] = text
    if not texts:
        raise RecipeError(f"--space: nothing to vary. Want {FORMS}, or a YAML file of them.")
    return texts


def axes_of(texts: Mapping[str, str], recipe: Recipe) -> tuple[Axis, ...]:
    """Make axes from texts, typed as the recipe is. Raises RecipeError for what it refuses."""
    axes = tuple(_axis(key, text, _current(recipe, key)) for key, text in texts.items())
    for axis in axes:
        for value in axis.probes():
            changed(recipe, {axis.key: value}, f"--space {axis.key}={axis.text}")
    return axes


def require_comparable(axes: Sequence[Axis], system: System[Any]) -> None:
    """Raise RecipeError for a key that changes what is measured, or nothing that is learned."""
    scenes = scenes_hash(system)
    for axis in axes:
        where = f"--space {axis.key}"
        if axis.key in MAY_CHANGE:
            raise RecipeError(
                f"{where}: is about how long or where a run trains, so it is the same for all "
                f"trials (--steps, --{axis.key}). Take it out of the space."
            )
        hashes = [
            scenes_hash(system.with_recipe(changed(system.recipe, {axis.key: value}, where)))
            for value in axis.probes()
        ]
        if axis.key.startswith("validation.") or any(each != scenes for each in hashes):
            raise RecipeError(
                f"{where}: changes which scenes are measured or how, and scores of different "
                "scenes are not compared. Fix it for all trials and vary something else."
            )


def yaml_text(value: Any) -> str:
    """Write a value as YAML in one line."""
    # YAML 1.1 takes 1e-4 for text; a number it is nevertheless.
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()


def _axis(key: str, text: str, current: Any) -> Axis:
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        return Axis(key, text, choices=_choices(key, text))
    found = match.groupdict()
    try:
        low, high = float(found["low"]), float(found["high"])
        step = None if found["step"] is None else float(found["step"])
    except ValueError:
        raise RecipeError(f"--space {key}={text}: found no numbers, wanted {FORMS}.") from None
    log = found["log"] is not None
    if not low < high or (log and low <= 0) or (step is not None and (step <= 0 or log)):
        raise RecipeError(
            f"--space {key}={text}: wanted LOW < HIGH, LOW above 0 for log, a step above 0, and "
            "no step together with log."
        )
    whole = _is_whole(current) and all(_WHOLE.fullmatch(found[end]) for end in ("low", "high"))
    if whole and step is not None and step != round(step):
        raise RecipeError(f"--space {key}={text}: {key} is a whole number, wanted a whole step.")
    return Axis(key, text, low, high, step, log, whole)


def _choices(key: str, text: str) -> tuple[str, ...]:
    try:
        values = yaml.safe_load(f"[{text}]")
    except yaml.YAMLError:
        values = []
    texts = tuple(dict.fromkeys(yaml_text(value) for value in values))
    if len(texts) < 2:
        raise RecipeError(f"--space {key}={text}: is no range and no choice, wanted {FORMS}.")
    return texts


def _current(recipe: Recipe, key: str) -> Any:
    node: Any = recipe.model_dump(mode="json")
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _is_whole(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _is_file(word: str) -> bool:
    return "=" not in word and Path(word).suffix in (".yaml", ".yml")


def _pair(word: str) -> tuple[str, str]:
    key, equals, text = word.partition("=")
    if not equals or not key or not text.strip():
        raise RecipeError(f"--space {word}: wanted {FORMS}, or a YAML file of them.")
    return key.strip(), text.strip()


def _of_file(path: Path) -> list[tuple[str, str]]:
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise RecipeError(f"{path}: found {type(tree).__name__}, wanted `key: range` lines.")
    pairs = []
    for key, value in tree.items():
        if isinstance(value, list):
            pairs.append((str(key), ",".join(yaml_text(each) for each in value)))
        elif isinstance(value, str):
            pairs.append((str(key), value))
        else:
            raise RecipeError(
                f"{path}: {key}: found {value!r}, wanted `1e-4..3e-3 log` or a list of choices."
            )
    return pairs
