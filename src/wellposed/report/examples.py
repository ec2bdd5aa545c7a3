"""The section of examples: players, spectrograms and scores, or what else a system shows."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from wellposed.errors import DataError
from wellposed.report import sound
from wellposed.report.charts import name_of
from wellposed.report.exhibits import exhibit_parts
from wellposed.report.facts import number
from wellposed.report.markup import tag, text
from wellposed.report.sound import TITLES, Decibels, Sound
from wellposed.report.wording import quantity


def examples_section(folders: tuple[Path, ...], budget: int) -> str:
    """Examples in their order as long as they fit into `budget` bytes; the rest is named."""
    if not folders:
        return tag("p", "This run folder has no examples to show.", class_="lead")
    lead = "All sounds play at the level they have in the file. Start another one while one plays: "
    lead += "it goes on at the same place. A click into a spectrogram moves there."
    heard = any(True for folder in folders for _ in folder.glob("*.flac"))
    parts = [tag("p", text(lead), class_="lead quiet")] if heard else []
    left = []
    for i, folder in enumerate(folders, 1):
        html = _example(i, folder)
        if len(html) > budget:
            left.append(folder.name)
            continue
        budget -= len(html)
        parts.append(html)
    if left:
        note = f"Not embedded, to keep the page small; look in examples/: {', '.join(left)}."
        parts.append(tag("p", text(note), class_="quiet"))
    return "".join(parts)


def _example(i: int, folder: Path) -> str:
    try:
        sounds = sound.read_sounds(folder)
        title, shown = exhibit_parts(folder, f"exhibit-{i}")
    except DataError as error:
        content = tag("h3", text(folder.name)) + tag("p", text(error))
        return tag("article", content, class_="example")
    parts = [tag("h3", text(title or folder.name)), shown]
    if sounds or not shown:
        parts += _heard(folder, sounds)
    return tag("article", "".join(parts), class_="example", id=f"example-{i}")


def _heard(folder: Path, sounds: list[Sound]) -> Iterator[str]:
    """The sounds of an example, and what is not there."""
    scores, trouble = _scores(folder / "scores.json")
    if trouble:
        yield tag("p", text(trouble), class_="quiet")
    there = {each.role for each in sounds}
    if scores and "noisy" not in scores:
        there.add("noisy")  # a codec has no other input than the clean sound
    absent = [name.lower() for role, name in TITLES.items() if role not in there]
    if absent:
        yield tag("p", text(f"Not in this folder: {', '.join(absent)}."), class_="quiet")
    if not sounds:
        return
    pictures = [sound.power_db(each) for each in sounds]
    low, high = sound.shared_range(pictures)
    tracks = [
        _track(each, picture, (low, high), scores.get(each.role, {}))
        for each, picture in zip(sounds, pictures, strict=True)
    ]
    yield tag("div", "".join(tracks), class_="tracks")
    yield _scale(low, high)


def _track(
    each: Sound, decibels: Decibels, colours: tuple[float, float], scores: Mapping[str, float]
) -> str:
    title = TITLES[each.role]
    if each.whole_s > each.seconds:
        title += f" (first {each.seconds:.0f} of {each.whole_s:.0f} s)"
    words = sound.describe(each, decibels, *colours)
    image = f'<img src="{sound.picture_uri(decibels, *colours)}" alt="{text(words)}">'
    top = each.rate / 2000
    khz = "".join(tag("span", text(label)) for label in (f"{top:g}", f"{top / 2:g}", "0 kHz"))
    seconds = "".join(
        tag("span", text(label))
        for label in ("0", f"{each.seconds / 2:.1f}", f"{each.seconds:.1f} s")
    )
    plot = (
        tag("div", khz, class_="khz", aria_hidden="true")
        + tag("div", image, class_="picture")
        + tag("div", seconds, class_="seconds", aria_hidden="true")
    )
    player = (
        f'<audio controls preload="metadata" aria-label="{text(title)}" '
        f'src="{sound.audio_uri(each)}"></audio>'
    )
    content = (
        tag("h4", text(title)) + _score_line(scores) + tag("div", plot, class_="plot") + player
    )
    return tag("figure", content, class_="track")


def _scale(low: float, high: float) -> str:
    shades = [[round(255 * part) for part in row] for row in sound.palette()]
    colours = ",".join(f"rgb({red} {green} {blue})" for red, green, blue in shades)
    bar = f'<i style="background:linear-gradient(90deg,{colours})" aria-hidden="true"></i>'
    ends = [text(f"{end:.0f} dB".replace("-", "\N{MINUS SIGN}")) for end in (low, high)]
    note = "re a sine at full scale, the same colours in all pictures of this example"
    return tag("p", f"{ends[0]} {bar} {ends[1]} {note}", class_="scale")


def _score_line(scores: Mapping[str, float]) -> str:
    parts = []
    for name, value in scores.items():
        title, unit = name_of(name)
        shown = "undefined" if math.isnan(value) else quantity(value, unit)
        parts.append(tag("span", f"{text(title)} {tag('b', text(shown))}"))
    return tag("p", " ".join(parts), class_="scores")


def _scores(path: Path) -> tuple[dict[str, dict[str, float]], str]:
    """Scores by sound, and what is wrong with the file."""
    if not path.is_file():
        return {}, "No scores.json beside these sounds."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        return {}, "The scores.json beside these sounds cannot be read."
    return _by_role(content), ""


def _by_role(content: Mapping[str, object]) -> dict[str, dict[str, float]]:
    """Scores by sound: from {role: {metric: x}}, {metric: {role: x}} or {"role/metric": x}."""
    columns: dict[str, dict[str, float]] = {role: {} for role in TITLES}
    for key, value in content.items():
        if isinstance(value, Mapping):
            for inner, score in value.items():
                role, name = (key, inner) if key in TITLES else (inner, key)
                if role in TITLES:
                    columns[role][str(name)] = number(score)
        elif value is None or isinstance(value, int | float):
            role, _, name = key.rpartition("/")
            columns[role if role in TITLES else "estimate"][name] = number(value)
    return {role: column for role, column in columns.items() if column}
