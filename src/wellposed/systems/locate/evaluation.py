"""How good a locator is: errors beside their bound, hits, counts, calibration, by K and SNR.

Every scene is located from every start by the same fit, so that starts are compared in pairs. Rows
of errors are of scenes where every source was hit and none too many, and of sources whose bound
lies at least three deviations within what counts as a hit: else the hit itself would cut off errors
and the ratio would be too good. How many are left out is told.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Coordinate
from wellposed.engine.recipe import changed
from wellposed.engine.system import Item
from wellposed.errors import DataError
from wellposed.intervals import mean_interval, paired_interval
from wellposed.metrics.bounds.efficiency import efficiency, ratio_interval
from wellposed.metrics.detection import ANGLE_DEG, RANGE, Detection
from wellposed.metrics.table import write_json
from wellposed.systems.locate.calibration import squared_distances, within
from wellposed.systems.locate.estimate import STARTS, Start
from wellposed.systems.locate.front import Front
from wellposed.systems.locate.model import Locator
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.refine import State
from wellposed.systems.locate.scenes import front_of
from wellposed.systems.locate.scoring import HIT, hits, score_state, squared_errors
from wellposed.systems.locate.system import LocateSystem
from wellposed.systems.locate.truth import truth_of
from wellposed.systems.locate.uncertain import Sure, sureness

AT_ONCE = 256
LOW_DB, HIGH_DB = 5.0, 8.0
"""Where threshold effects end for three sources, and where counting is asked for."""
GATE = 3.0
"""Deviations of the bound that must fit into what counts as a hit."""
COORDINATES: dict[Coordinate, tuple[str, float]] = {
    "azimuth": ("azimuth deg", math.degrees(1)),
    "elevation": ("elevation deg", math.degrees(1)),
    "range": ("range m", 1.0),
}


@dataclass(frozen=True)
class Located:
    """One scene from one start."""

    detection: Detection
    row: Mapping[str, float | None]
    squared: Tensor
    """Squared errors `(wanted, sources)`"""
    bound: Tensor
    """`(wanted, sources)`"""
    clean: bool
    """Every source hit and none too many"""
    distances: Tensor
    """Squared errors of hits in units of the told covariance `(hits,)`"""


@dataclass
class Evaluation:
    """All scenes from all starts."""

    sources: list[int] = field(default_factory=list)
    snr_db: list[float] = field(default_factory=list)
    """Of each scene, as it came out"""
    starts: dict[str, list[Located]] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    """Processor time a scene, uncertainty included"""
    setting: str = ""
    wanted: tuple[Coordinate, ...] = ()
    """Coordinates that have errors and bounds"""

    def chosen(self, orders: Sequence[int], low: float, high: float) -> list[int]:
        """Scenes with so many sources at such ratios."""
        return [
            n
            for n, (k, snr) in enumerate(zip(self.sources, self.snr_db, strict=True))
            if k in orders and low <= snr < high
        ]

    def text(self) -> str:
        """Tables for people; errors of the first start alone, the file has those of all."""
        lines = [self.setting, *self._whole(), "", *self._errors(), "", *self._pairs()]
        return "\n".join(lines)

    def _whole(self) -> list[str]:
        lines = ["start: F1 [95 %], precision, recall; count right, above 8 dB; OSPA; time a scene"]
        for name, made in self.starts.items():
            total = sum((each.detection for each in made), Detection(0, 0, 0))
            loud = self.chosen(range(99), HIGH_DB, math.inf)
            right = [each.row["count_right"] or 0.0 for each in made]
            scores = mean_interval(
                np.array([each.row["f1"] or 0.0 for each in made]), np.random.default_rng(0)
            )
            count = f"{np.mean(right):.3f}, " + (
                f"{np.mean([right[n] for n in loud]):.3f} of {len(loud)}" if loud else "-"
            )
            ospa = np.mean([each.row["ospa"] or 0.0 for each in made])
            lines.append(
                f"{name}: F1 {total.f1:.3f} (mean of scenes {scores.mean:.3f} [{scores.low:.3f}, "
                f"{scores.high:.3f}]), precision {total.precision:.3f}, recall {total.recall:.3f}; "
                f"count {count}; OSPA {ospa:.3f}; {self.milliseconds[name]:.1f} ms"
            )
        return lines

    def _errors(self) -> list[str]:
        lines = [
            "errors beside the bound (RMSE, bound, ratio ± sd, median e²/CRB; 95 % intervals):"
        ]
        name, made = next(iter(self.starts.items()))
        for sources in sorted(set(self.sources)):
            for low, high in ((-math.inf, LOW_DB), (LOW_DB, math.inf)):
                numbers = self.chosen((sources,), low, high)
                if numbers:
                    band = f"{sources} sources, {'below' if low == -math.inf else 'above'} "
                    chosen = [made[n] for n in numbers]
                    lines += _rows(f"{name}, {band}{LOW_DB:g} dB", chosen, self.wanted)
        return lines

    def _pairs(self) -> list[str]:
        """Each start against the last, in pairs, where learning could help and everywhere."""
        names = list(self.starts)
        lines = [f"in pairs against {names[-1]}: mean difference of F1 of a scene [95 %]"]
        groups = {
            "all": self.chosen(range(99), -math.inf, math.inf),
            "3 or more sources below 5 dB": self.chosen(range(3, 99), -math.inf, LOW_DB),
            "3 or more sources above 5 dB": self.chosen(range(3, 99), LOW_DB, math.inf),
            "1 or 2 sources below 5 dB": self.chosen((1, 2), -math.inf, LOW_DB),
        }
        for name in names[:-1]:
            for what, numbers in groups.items():
                if len(numbers) < 2:
                    continue
                one, other = (
                    [self.starts[each][n].row["f1"] or 0.0 for n in numbers]
                    for each in (name, names[-1])
                )
                gap = paired_interval(one, other, np.random.default_rng(0))
                lines.append(
                    f"{name}, {what}: {gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}], "
                    f"{len(numbers)} scenes"
                )
        return lines

    def write(self, folder: Path) -> None:
        """Write summary.txt and scores.json, a row for every scene and start."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = {
            name: [dict(each.row) | {"hits": each.detection.hits} for each in made]
            for name, made in self.starts.items()
        }
        scenes = [
            {"sources": k, "snr_db": s} for k, s in zip(self.sources, self.snr_db, strict=True)
        ]
        content = {"setting": self.setting, "scenes": scenes, "milliseconds": self.milliseconds}
        write_json(folder / "scores.json", content | {"starts": rows})
        (folder / "summary.txt").write_text(self.text() + "\n", encoding="utf-8")


def _rows(title: str, made: Sequence[Located], wanted: Sequence[Coordinate]) -> list[str]:
    """Lines of one number of sources at one half of the ratios."""
    clean = [each for each in made if each.clean]
    what = "all hit and none too many"
    lines = [f"{title}: {what} in {len(clean)} of {len(made)} scenes"]
    if not clean:
        return lines
    squared = torch.cat([each.squared for each in clean], 1)
    bound = torch.cat([each.bound for each in clean], 1)
    gates = torch.tensor([HIT[one] for one in wanted]).double()
    kept = (GATE * bound.sqrt() < gates[:, None]).all(0)
    if not bool(kept.any()):
        return [*lines, "  no source whose bound fits three times into what counts as a hit"]
    scenes = torch.cat([torch.full((each.squared.shape[1],), n) for n, each in enumerate(clean)])
    for row, (name, unit) in enumerate(COORDINATES[one] for one in wanted):
        errors, allowed = squared[row, kept].sqrt() * unit, bound[row, kept] * unit**2
        draws = np.random.default_rng(0)
        low, high = ratio_interval(errors, allowed, scenes[kept], draws)
        alike = errors / allowed.sqrt()
        ends = ratio_interval(alike, torch.ones_like(alike), scenes[kept], draws)
        lines.append(
            f"  {name:<14} {efficiency(errors, allowed)}; ratio [{low:.3f}, {high:.3f}]; "
            f"root mean e²/CRB {alike.square().mean().sqrt():.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"
        )
    distances = torch.cat([each.distances for each in clean])
    inner, outer = (within(distances, share, len(wanted)) for share in (0.68, 0.95))
    lines.append(
        f"  {int(kept.sum())} of {len(kept)} sources; told ellipsoids hold {inner} (68 %), "
        f"{outer} (95 %)"
    )
    return lines


def evaluate(
    network: Locator,
    recipe: LocateRecipe,
    scenes: int,
    *,
    changes: Mapping[str, Any] | None = None,
    starts: Mapping[str, Start] = STARTS,
    progress: Callable[[int, str], None] = lambda done, name: None,
) -> Evaluation:
    """Locate the first `scenes` test scenes of a recipe, with `changes` by dotted keys.

    Raises DataError (fewer than two scenes), RecipeError (changes that are none).
    """
    if scenes < 2:
        raise DataError(f"{scenes} scenes: at least two are wanted")
    recipe = changed(recipe, dict(changes or {}), "--set")
    system = LocateSystem(recipe)
    front = network.front
    made = Evaluation(setting=_setting(recipe, scenes, front_of(recipe)), wanted=front.wanted)
    spent = dict.fromkeys(starts, 0.0)
    for first in range(0, scenes, AT_ONCE):
        items = [system.item("test", n) for n in range(first, min(first + AT_ONCE, scenes))]
        made.sources += [int(item["count"]) for item in items]
        made.snr_db += [_snr_db(front, item) for item in items]
        batch = system.collate(items)
        for name, start in starts.items():
            began = time.process_time()
            states = start(network, batch, recipe.refinement)
            sure = sureness(states, front.wanted)
            spent[name] += time.process_time() - began
            made.starts.setdefault(name, []).extend(
                _located(front, *each) for each in zip(states, sure, items, strict=True)
            )
            progress(first + len(items), name)
    made.milliseconds = {name: 1000 * each / scenes for name, each in spent.items()}
    return made


def _located(front: Front, state: State, sure: Sure, item: Item) -> Located:
    found = hits(state, item)
    squared, _, bound = squared_errors(state, item, front)
    clean = found.hits == found.there == found.found and bool(torch.isfinite(bound).all())
    truth = truth_of(item)[0]
    distances = squared_distances(state, sure, found, truth, front) if clean else None
    none = torch.zeros(0, dtype=torch.float64)
    return Located(
        found,
        score_state(state, item, front),
        squared,
        bound,
        clean,
        none if distances is None else distances,
    )


def _snr_db(front: Front, item: Item) -> float:
    """Received power, noise taken off, over noise, of what was measured [dB]."""
    power = front.heard(item).abs().square().mean() / item["noise"].double() - 1
    return float(10 * power.clamp(min=1e-2).log10())


def _setting(recipe: LocateRecipe, scenes: int, front: Front) -> str:
    given = recipe.scenes
    away = f" and {RANGE:g} m" if "range" in front.wanted else ""
    return (
        f"{scenes} test scenes: {given.sources[0]} to {given.sources[1]} sources, "
        f"{given.snr_db[0]:g} to {given.snr_db[1]:g} dB, {front.told()}; hit: {ANGLE_DEG:g} deg"
        f"{away}"
    )
