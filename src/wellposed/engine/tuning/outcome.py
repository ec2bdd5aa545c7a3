"""What a search found: a row for every trial, the best recipe, and how sure its lead is."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from wellposed.engine.recipe import Recipe, changed, differences
from wellposed.engine.storage.atomic import replacing
from wellposed.engine.telling.figures import number, split_unit
from wellposed.engine.tuning.attempt import drawn
from wellposed.engine.tuning.lease import run_name
from wellposed.engine.tuning.space import yaml_text
from wellposed.engine.tuning.study import Sought, TuneFolder
from wellposed.intervals import Interval, paired_interval

WORDS = {
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class Outcome:
    """One trial with all its tries."""

    name: str
    """Folder of its run, below trials/."""
    trial: FrozenTrial
    """Its last try."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.trial.state.is_finished()

    @property
    def done(self) -> bool:
        """Whether it has a value."""
        return self.trial.state == TrialState.COMPLETE

    @property
    def keeps_promises(self) -> bool:
        """Whether its best checkpoint keeps the promises that bind."""
        return self.trial.user_attrs.get("within", True)

    @property
    def state(self) -> str:
        """The state in a word."""
        return WORDS[self.trial.state]

    @property
    def tries(self) -> int:
        """How often it was begun by workers that died, plus one."""
        return self.trial.user_attrs.get("try", 1)


def outcomes(study: optuna.Study) -> list[Outcome]:
    """All trials, a retry in place of what it retries; those that never had parameters left out."""
    last: dict[str, FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False):
        if trial.params or not trial.state.is_finished():
            last[run_name(trial)] = trial
    return [Outcome(name, trial) for name, trial in last.items()]


def best_of(found: list[Outcome], sought: Sought) -> Outcome | None:
    """The best trial that ran to its end; those that keep binding promises come first."""
    sign = 1.0 if sought.better == "higher" else -1.0
    done = [each for each in found if each.done]
    return max(
        done,
        key=lambda each: (each.keeps_promises, sign * (each.trial.value or 0.0)),
        default=None,
    )


def outcome_line(each: Outcome, found: list[Outcome], sought: Sought) -> str:
    """Tell one trial that ended, in a line."""
    best = best_of(found, sought)
    star = " best so far" if best is not None and best.name == each.name else ""
    values = ", ".join(f"{k} = {_short(v)}" for k, v in _params(each, sought).items())
    return f"trial {each.name} {each.state}{_value(each, sought)}{star}: {values}{_why(each)}"


def table(found: list[Outcome], sought: Sought) -> str:
    """Write all trials as aligned columns, the best first."""
    best = best_of(found, sought)
    sign = 1.0 if sought.better == "higher" else -1.0
    objective = sought.objective
    head = ["trial", "state", objective, "at step", *_keys(sought), "tries", "findings", ""]
    rows = [head]
    order = {"done": 0, "pruned": 1}

    def place(each: Outcome) -> tuple[bool, int, float]:
        value = each.trial.value
        return (
            best is None or each.name != best.name,
            order.get(each.state, 2),
            -sign * value if value is not None else math.inf,
        )

    for each in sorted(found, key=place):
        about = each.trial.user_attrs
        values = _params(each, sought)
        rows.append(
            [
                f"{each.name}{'*' if best is not None and each.name == best.name else ''}",
                each.state,
                _value(each, sought).strip(),
                str(about.get("best", {}).get("step", "")),
                *(_short(values.get(axis.key, "")) for axis in sought.axes),
                str(each.tries),
                " ".join(about.get("findings", [])),
                _why(each).removeprefix("; ") if each.state == "failed" else "",
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def lead(found: list[Outcome], sought: Sought) -> str:
    """Say by how much the best is better than the recipe as it stands, scene by scene."""
    best = best_of(found, sought)
    plain = next((o for o in found if o.trial.user_attrs.get("recipe_as_it_stands")), None)
    if best is None or plain is None or not plain.done or plain.name == best.name:
        return ""
    gain = gain_over(best, plain, sought)
    name, unit = split_unit(sought.objective)
    ends = f"{number(gain.low, unit)} to {number(gain.high, unit)}"
    sure = "" if gain.low > 0 else "; this does not tell them apart"
    return (
        f"over the recipe as it stands (trial {plain.name}): {name} better by "
        f"{number(gain.mean, unit)} ({ends}, {gain.n} scenes, paired){sure}. The best of many on "
        "the same scenes flatters itself: score it on others before you say so."
    )


def gain_over(best: Outcome, other: Outcome, sought: Sought) -> Interval:
    """How much better `best` is, scene by scene; above 0: better."""
    pairs = [
        (a, b)
        for a, b in zip(
            best.trial.user_attrs["values"], other.trial.user_attrs["values"], strict=True
        )
        if a is not None and b is not None
    ]
    sign = 1.0 if sought.better == "higher" else -1.0
    first, second = sign * np.array(pairs, np.float64).reshape(-1, 2).T
    return paired_interval(first, second, np.random.default_rng(sought.recipe.seed))


def best_recipe(best: Outcome, sought: Sought) -> Recipe:
    """The recipe of a trial."""
    return changed(sought.recipe, drawn(sought, best.trial), f"trial {best.name}")


def as_yaml(recipe: Recipe) -> str:
    """Write what differs from the defaults, as a file that `wellposed train` takes."""
    whole = recipe.model_dump(mode="json")
    tree = {"system": whole["system"], **_other(whole, type(recipe)().model_dump(mode="json"))}
    return yaml.safe_dump(tree, sort_keys=False, width=100)


def _other(this: Mapping[str, Any], that: Mapping[str, Any]) -> dict[str, Any]:
    """What `this` has other than `that`, nested as it is."""
    found: dict[str, Any] = {}
    for key, value in this.items():
        known = that.get(key)
        if value == known and key in that:
            continue
        nested = isinstance(value, dict) and isinstance(known, dict)
        found[key] = _other(value, known) if nested else value
    return found


def differing(recipe: Recipe, other: Recipe) -> list[str]:
    """Say the keys in which two recipes differ, as lines of YAML."""
    pairs = differences(recipe, other).items()
    return [f"  {key}: {yaml_text(this)}  # was {yaml_text(that)}" for key, (this, that) in pairs]


def write_outcome(folder: TuneFolder, found: list[Outcome], sought: Sought) -> None:
    """Write trials.csv, and best.yaml if there is a best."""
    text = io.StringIO()
    sheet = csv.writer(text)
    names = ["trial", "state", "value", "low", "high", "n", "step", "tries", *_keys(sought)]
    sheet.writerow([*names, "findings", "ended"])
    for each in found:
        about = each.trial.user_attrs
        spread = about.get("best", {})
        numbers = [spread.get(name, "") for name in ("low", "high", "n", "step")]
        params = _params(each, sought)
        value = each.trial.value if each.trial.value is not None else ""
        sheet.writerow(
            [each.name, each.state, value, *numbers, each.tries]
            + [params.get(key, "") for key in _keys(sought)]
            + [" ".join(about.get("findings", [])), about.get("ended", "")]
        )
    with replacing(folder.path / "trials.csv") as file:
        file.write(text.getvalue().encode())
    best = best_of(found, sought)
    if best is not None:
        with replacing(folder.path / "best.yaml") as file:
            file.write(as_yaml(best_recipe(best, sought)).encode())


def _params(each: Outcome, sought: Sought) -> Mapping[str, Any]:
    try:
        return drawn(sought, each.trial)
    except KeyError:
        return {}  # not drawn yet


def _keys(sought: Sought) -> list[str]:
    return [axis.key for axis in sought.axes]


def _short(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _value(each: Outcome, sought: Sought) -> str:
    spread = each.trial.user_attrs.get("best")
    if spread is None:
        return ""
    unit = split_unit(sought.objective)[1]
    promises = "" if each.keeps_promises else ", breaks a promise"
    ends = f"{number(spread['low'], unit)} to {number(spread['high'], unit)}"
    return f" {number(spread['mean'], unit)} ({ends}{promises})"


def _why(each: Outcome) -> str:
    reason = each.trial.user_attrs.get("ended", "")
    return f"; {reason.splitlines()[0]}" if reason else ""
