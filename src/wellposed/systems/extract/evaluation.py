"""How good an extractor is: a table per scenario, presence as a whole, and who is extracted.

Test scenes of the recipe that the weights were trained with: speakers and noises that no training
has heard. Every scene is extracted three times: by an enrolment of the target, by one of somebody
else, and by none at all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from wellposed.engine.recipe import changed
from wellposed.engine.system import Item
from wellposed.errors import DataError
from wellposed.metrics.catalogue import METRICS, require_packages, speech_names
from wellposed.metrics.extraction import equal_error
from wellposed.metrics.score import Score, undefined
from wellposed.metrics.table import (
    Row,
    Summary,
    failures,
    spread,
    summarise,
    text_table,
    write_csv,
    write_json,
)
from wellposed.systems.extract.model import Extract
from wellposed.systems.extract.recipe import ExtractRecipe
from wellposed.systems.extract.scoring import score_presence, score_scene
from wellposed.systems.extract.system import ExtractSystem, extracted

ATTENUATION = "absent_attenuation_db"
NAMES = (
    "si_sdr_improvement_db", "si_sdr_db", "level_error_db", "over_suppression", "not_improved",
    "confusion", ATTENUATION, "estoi",
)  # fmt: skip
"""Metrics of the tables by default, at any rate."""
ENROLMENTS = ("right", "wrong", "zero")
SWAPPED = ("si_sdr_db", "level_error_db", "presence_logit")
"""Metrics of the report on exchanged enrolments."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of every scene, by enrolment."""

    scenarios: tuple[str, ...]
    """Of each scene."""
    rows: Mapping[str, tuple[Row, ...]]
    """"right", "wrong" and "zero", to a row of each scene."""
    seed: int

    @property
    def tables(self) -> dict[str, dict[str, Summary]]:
        """Means by scenario, "all" of them first."""
        rows = self.rows["right"]
        made = {"all": summarise(rows, self.seed)}
        for name in sorted(set(self.scenarios)):
            chosen = [r for r, s in zip(rows, self.scenarios, strict=True) if s == name]
            made[name] = summarise(chosen, self.seed)
        return made

    @property
    def swap(self) -> dict[str, dict[str, Summary]]:
        """Means over the scenes with the target, by enrolment."""
        with_target = [row["miss"].value is not None for row in self.rows["right"]]
        return {
            kind: summarise(
                [
                    {name: row[name] for name in SWAPPED}
                    for row, there in zip(rows, with_target, strict=True)
                    if there
                ],
                self.seed,
            )
            for kind, rows in self.rows.items()
        }

    @property
    def equal_error(self) -> tuple[float, float] | None:
        """Equal error rate and its threshold on these scenes; None without both kinds."""
        logits: dict[bool, list[float]] = {True: [], False: []}
        for row in self.rows["right"]:
            logits[row["miss"].value is not None].append(row["presence_logit"].value or 0.0)
        if not logits[True] or not logits[False]:
            return None
        return equal_error(logits[True], logits[False])

    @property
    def median_attenuation_db(self) -> float | None:
        """Median over the scenes without a target [dB]; None if there is none."""
        rows = [row for row in self.rows["right"] if row["miss"].value is None]
        found = [row[ATTENUATION].value for row in rows if ATTENUATION in row]
        known = [value for value in found if value is not None]
        return median(known) if known else None

    def text(self) -> str:
        """Tables for people."""
        lines = []
        rows = self.rows["right"]
        for name, table in self.tables.items():
            chosen = [
                row
                for row, scenario in zip(rows, self.scenarios, strict=True)
                if name in ("all", scenario)
            ]
            shown = {metric: each for metric, each in table.items() if each["n"]}
            lines += [f"{name}: {len(chosen)} scenes, mean [95 % interval]", text_table(shown, {})]
        if self.equal_error is not None:
            lines.append(f"equal error rate of presence: {self.equal_error[0]:.3f}")
        if self.median_attenuation_db is not None:
            told = f"{self.median_attenuation_db:.1f} dB"
            lines.append(f"median attenuation of scenes without the target: {told}")
        lines.append("whose enrolment: scenes with the target, mean [95 % interval]")
        for kind, table in self.swap.items():
            said = ", ".join(
                f"{METRICS[name].title} {spread(each)}" if each["n"] else f"{METRICS[name].title} -"
                for name, each in table.items()
            )
            lines.append(f"  {kind}: {said}")
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Write scores.csv (a line per scene), summary.json and summary.txt."""
        names = [f"{n:04d} {scenario}" for n, scenario in enumerate(self.scenarios)]
        tables = {"" if kind == "right" else f"{kind}/": rows for kind, rows in self.rows.items()}
        write_csv(folder / "scores.csv", names, tables)
        content = {
            "scenes": len(self.scenarios),
            "seed": self.seed,
            "scenarios": self.tables,
            "equal_error_rate": None if self.equal_error is None else self.equal_error[0],
            "median_attenuation_db": self.median_attenuation_db,
            "swap": self.swap,
            "failures": failures(self.rows["right"]),
        }
        write_json(folder / "summary.json", content)
        (folder / "summary.txt").write_text(self.text() + "\n", encoding="utf-8")


def default_names(rate: int) -> tuple[str, ...]:
    """Names of metrics for sound at `rate` [Hz], besides those of presence."""
    return *NAMES, *speech_names(rate)[:2]


@torch.no_grad()
def evaluate(
    network: Extract,
    recipe: ExtractRecipe,
    scenes: int,
    *,
    data: Path | None = None,
    names: Sequence[str] | None = None,
    progress: Callable[[int, str], None] = lambda done, name: None,
) -> Evaluation:
    """Score the first `scenes` test scenes of a recipe, on its data or on another corpus.

    Raises DataError (fewer than two scenes, a corpus that will not do), RecipeError (an unknown
    metric), RunError (a package is not installed).
    """
    if scenes < 2:
        raise DataError(
            f"{scenes} scenes: at least two are wanted, one lends the other's enrolment"
        )
    chosen = tuple(names or default_names(recipe.scenes.rate))
    require_packages(chosen)
    if data is not None:
        recipe = changed(recipe, {"data.path": str(data.resolve())}, "--data")
    system = ExtractSystem(recipe)
    rows: dict[str, list[Row]] = {kind: [] for kind in ENROLMENTS}
    scenarios = []
    for number in range(scenes):
        scene = system.scenes.scene("test", number)
        item = system.item("test", number)
        scenarios.append(str(scene.facts["scenario"]))
        enrolments = {
            "right": item["enrolment"],
            "wrong": _elsewhere(system, number, scenes, str(scene.facts["target"])),
            "zero": torch.zeros_like(item["enrolment"]),
        }
        for kind, enrolment in enrolments.items():
            asked = chosen if kind == "right" else SWAPPED[:2]
            rows[kind].append(_scored(network, item, enrolment, recipe, asked))
        progress(number + 1, scenarios[-1])
    return Evaluation(tuple(scenarios), {k: tuple(v) for k, v in rows.items()}, recipe.seed)


def _elsewhere(system: ExtractSystem, number: int, scenes: int, target: str) -> torch.Tensor:
    """Enrolment of the next scene whose target is somebody else."""
    for step in range(1, scenes):
        other = system.scenes.scene("test", (number + step) % scenes)
        if other.facts["target"] != target:
            return torch.from_numpy(other.enrolment)
    raise DataError(f"all {scenes} test scenes have the target {target}; ask for more scenes")


def _scored(
    network: Extract,
    item: Item,
    enrolment: torch.Tensor,
    recipe: ExtractRecipe,
    names: Sequence[str],
) -> Row:
    made = extracted({"model": network}, item, enrolment)
    wave = made.estimate[0].numpy()
    scores: dict[str, Score] = score_scene(item, wave, recipe.scenes.rate, names)
    for name in SWAPPED[:2]:
        scores.setdefault(name, undefined("not asked"))
    present = bool(item["target"].any())
    return scores | score_presence(float(made.whole[0]), float(network.threshold), present=present)
