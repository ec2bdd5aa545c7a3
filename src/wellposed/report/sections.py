"""The sections at both ends of the page: the verdict first, the recipe last."""

import shlex
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from wellposed.engine.recipe import Recipe, differences, parse
from wellposed.errors import RecipeError
from wellposed.report.audit import plan_part
from wellposed.report.charts import baseline, name_of
from wellposed.report.facts import RunFacts
from wellposed.report.markup import bullets, pairs, table, tag, text
from wellposed.report.verdict import best_score, details, has_interval, verdict
from wellposed.report.wording import duration, figure, quantity, signed
from wellposed.systems import recipe_type

MOST_CHANGES = 40


def verdict_section(facts: RunFacts) -> str:
    """The verdict in sentences, then its numbers at a glance."""
    parts = [tag("p", text(verdict(facts)), class_="verdict")]
    parts.append(tag("dl", "".join(map(_tile, tiles_of(facts))), class_="tiles"))
    if more := details(facts):
        parts.append(bullets([text(sentence) for sentence in more], class_="quiet details"))
    return "".join(parts)


def recipe_section(facts: RunFacts) -> str:
    """How to train again and go on, what was changed, the whole recipe, and what is lacking."""
    parts = [tag("p", "The folder holds every setting of the run.", class_="lead")]
    parts += [_command(words, line) for words, line in _commands(facts)]
    parts.append(_changes(facts))
    parts.append(plan_part(facts))
    parts.append(
        tag("details", tag("summary", "Recipe") + tag("pre", tag("code", text(facts.recipe_text))))
    )
    if facts.environment:
        rows = pairs(list(_flat(facts.environment)))
        content = tag("summary", "Environment") + tag("div", rows)
        parts.append(tag("details", content, class_="environment"))
    if facts.missing:
        parts.append(tag("h3", "Not in this run folder", class_="subhead"))
        parts.append(bullets([text(item) for item in facts.missing], class_="quiet"))
    return "".join(parts)


def _commands(facts: RunFacts) -> Iterator[tuple[str, str]]:
    folder = shlex.quote(str(facts.folder))
    recipe = shlex.quote(str(facts.folder / "recipe.yaml"))
    yield "This trains it again, from the first step:", f"wellposed train {recipe}"
    if facts.end != "finished":
        yield "This goes on from its newest checkpoint:", f"wellposed resume {folder}"


def _command(words: str, line: str) -> str:
    return tag("p", text(words)) + tag("pre", tag("code", text(line)), class_="command")


def _changes(facts: RunFacts) -> str:
    """What the recipe says otherwise than the defaults of its system; "" where they are unknown."""
    changed = _differences(facts)
    if changed is None:
        return ""
    if not changed:
        return tag("p", "It is the system's default recipe.", class_="quiet")
    rows = [[key, str(new), str(old)] for key, (new, old) in list(changed.items())[:MOST_CHANGES]]
    caption = f"What differs from the defaults of {facts.recipe['system']}"
    if len(changed) > MOST_CHANGES:
        caption += f": the first {MOST_CHANGES} of {len(changed)}"
    return table(caption, ("Setting", "This run", "Default"), rows)


def _differences(facts: RunFacts) -> Mapping[str, tuple[object, object]] | None:
    try:
        kind: type[Recipe] = recipe_type(str(facts.recipe.get("system")))
        return differences(parse(kind, dict(facts.recipe), "recipe.yaml"), kind())
    except RecipeError:  # a system of another package, or keys of another version
        return None


class Tile(NamedTuple):
    """A number at a glance."""

    name: str
    value: str
    note: str = ""
    alarm: bool = False


def tiles_of(facts: RunFacts) -> Iterator[Tile]:
    """The numbers below the verdict."""
    planned = f"of {facts.planned_steps:,} planned" if facts.planned_steps else "recorded"
    yield Tile("Steps", f"{facts.last_step or 0:,}", planned)
    yield Tile("Time in training", duration(facts.time_s))
    best = best_score(facts)
    if facts.best_step is not None:
        by = f"by {name_of(facts.select)[0]}" if facts.select else ""
        yield Tile("Best step", f"{facts.best_step:,}", by)
    if best is not None and facts.select is not None:
        title, unit = name_of(facts.select)
        ends = f"{figure(best.low)} to {figure(best.high)}" if has_interval(best) else ""
        yield Tile(title, quantity(best.mean, unit), ends)
        noisy = baseline(facts, facts.select)
        if noisy is not None:
            gap = signed(best.mean - noisy.mean, unit)
            yield Tile("Against noisy input", gap, f"which has {quantity(noisy.mean, unit)}")
    grave = any(finding.severity == "FAIL" for finding in facts.findings)
    note = "see below" if facts.findings else "none on record"
    yield Tile("Findings", str(len(facts.findings)), note, grave)


def _tile(tile: Tile) -> str:
    small = tag("small", text(tile.note)) if tile.note else ""
    content = tag("dt", text(tile.name)) + tag("dd", text(tile.value) + small)
    return tag("div", content, class_="tile alarm" if tile.alarm else "tile")


def _flat(entries: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for key, value in entries.items():
        if isinstance(value, Mapping):
            yield from _flat({str(k): v for k, v in value.items()}, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
