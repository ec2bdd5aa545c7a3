"""`wellposed audit enhance --ranges`: the values inside a network, and where clamps would bite."""

import json
import sys
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import torch
import tyro

from wellposed.cli.options import read_options
from wellposed.engine.inside.clamp_effects import Effect, Trial
from wellposed.engine.inside.clamping import Clamp, require_points
from wellposed.engine.inside.observe import everything, passing
from wellposed.engine.inside.ranges import Observed, observe
from wellposed.engine.inside.ranges_text import effects_text, ranges_report, ranges_table
from wellposed.engine.recipe import changed
from wellposed.errors import RecipeError
from wellposed.metrics.table import plain
from wellposed.systems.enhance.loading import WEIGHTS, load_network
from wellposed.systems.enhance.ranges import TIMES, TrainingScenes, units
from wellposed.systems.enhance.system import Enhance


@dataclass
class RangesOptions:
    """Measure the values at every point of a network, on training scenes and ten times longer.

    For state-space layers also memory, dt A, A_bar = exp(dt A), B_bar, states h and outputs y;
    dt is what the part `pace` gives.
    """

    what: tyro.conf.Positional[str]
    """The system, enhance."""
    ranges: bool = False
    """Ask about the values inside the network, as here."""
    model: str | None = None
    """Folder of a run, weights file, or name of shipped weights; without it the shipped ones."""
    data: Path | None = None
    """Corpus of the scenes; without it they are synthetic."""
    groups: int = 8
    """Groups of ten training scenes, each run as ten and as one; intervals are over groups."""
    seed: int = 0
    """Seed of the scenes."""
    clamp: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A proposed clamp, PATTERN=LOW:HIGH, either limit may be left out: `*:A_bar=:0.999`. Told is
    how often it would bite and what it would change."""
    point: tuple[str, ...] = ("*",)
    """Patterns of the points in the table; JSON has all."""
    json: bool = False
    """Print JSON for machines."""


def audit_ranges(arguments: list[str]) -> int:
    """Measure, print, and try the clamps."""
    options = read_options(RangesOptions, "wellposed audit", arguments)
    if options.what != "enhance":
        raise RecipeError(f"--ranges: {options.what!r} has no network; wanted: enhance")
    if options.groups < 1:
        raise RecipeError(f"--groups {options.groups}: wanted at least one group of scenes")
    clamps = [Clamp.parse(text) for text in options.clamp]
    weights = WEIGHTS.find(options.model)
    network = load_network(weights, torch.device("cpu"))
    data = None if options.data is None else str(options.data.resolve())
    recipe = changed(
        WEIGHTS.recipe_of(weights), {"data.path": data, "seed": options.seed}, "--data"
    )
    _require_points(network, clamps)
    began = time.perf_counter()
    scenes = TrainingScenes(Enhance(recipe), options.groups)
    groups = scenes.groups()
    named = units(network, recipe.model.hop_ms)
    seen = observe(network, groups, clamps=clamps, unit=lambda point: named.get(point, (1.0, "")))
    effects = Trial(network, groups, seen, scenes.score).effects() if clamps else []
    if options.json:
        print(json.dumps(plain(ranges_report(seen, effects)), indent=2))
        return 0
    said = f"{options.model or weights.stem}: {options.groups * TIMES} training scenes of "
    said += f"{recipe.scenes.seconds:g} s, and the same joined to {options.groups} of "
    print(said + f"{TIMES * recipe.scenes.seconds:g} s\n")
    _tell(seen, effects, options.point)
    print(f"took {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return 0


def _tell(seen: Observed, effects: list[Effect], patterns: tuple[str, ...]) -> None:
    table = ranges_table(seen, lambda point: any(fnmatchcase(point, each) for each in patterns))
    print(table)
    if effects:
        print(f"\n{effects_text(effects)}")


@torch.no_grad()
def _require_points(network: torch.nn.Module, clamps: list[Clamp]) -> None:
    """Refuse clamps that apply nowhere before scenes are made."""
    points: dict[str, None] = {}

    def visit(point: str, values: torch.Tensor) -> torch.Tensor:
        points[point] = None
        return values

    with passing(network, visit, hidden=everything):
        network(torch.zeros(1, 8000))
    require_points(clamps, list(points))
