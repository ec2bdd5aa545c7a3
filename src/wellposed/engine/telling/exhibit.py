"""What a system shows of an example beside sounds: maps, curves and pictures, with words.

`System.show_examples` writes a folder for each example. Sounds there (`noisy.flac`,
`estimate.flac`, `clean.flac`) need no more. Anything else is an `Exhibit` in `exhibit.json`:
numbers, which the report page draws in its own colours, or picture files. Every item has words
for those who do not see it.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from wellposed.engine.storage.atomic import explain, replacing
from wellposed.errors import RunError

FILE = "exhibit.json"
Kind = Literal["true", "estimated", "other"]


@dataclass(frozen=True)
class Axis:
    """One direction of a map or curve: `values` rise strictly, one for each column or row."""

    name: str
    unit: str
    values: Sequence[float]


@dataclass(frozen=True)
class Spot:
    """A place on a map or curve: a source where it is, or where it was said to be.

    `y` is the place on the other axis of a map; a curve has none.
    """

    x: float
    y: float | None = None
    kind: Kind = "other"
    label: str = ""


@dataclass(frozen=True)
class Map:
    """Values over two axes, such as a source map: `values[row][column]`, rows along `y`.

    `unit` is that of the values; `low` and `high` are the ends of the colours, by default those
    of the values. Maps of one example with equal ends can be compared by colour.
    """

    title: str
    words: str
    x: Axis
    y: Axis
    values: Sequence[Sequence[float]]
    unit: str = ""
    low: float | None = None
    high: float | None = None
    spots: Sequence[Spot] = ()


@dataclass(frozen=True)
class Curve:
    """Values over one axis, such as a pseudo-spectrum over angle; spots are upright lines."""

    title: str
    words: str
    x: Axis
    values: Sequence[float]
    unit: str = ""
    spots: Sequence[Spot] = ()


@dataclass(frozen=True)
class Picture:
    """A PNG, JPEG or WebP file in the folder of the example."""

    title: str
    words: str
    file: str


Item = Map | Curve | Picture
KINDS: dict[str, type[Map] | type[Curve] | type[Picture]] = {
    "map": Map,
    "curve": Curve,
    "picture": Picture,
}


@dataclass(frozen=True)
class Exhibit:
    """What one example shows, under a title; `caption` says what is to be seen."""

    title: str
    caption: str
    items: Sequence[Item]


def write_exhibit(folder: Path, exhibit: Exhibit) -> Path:
    """Write `folder`/exhibit.json, making the folder; the path. A value that is not finite is null.

    Raises:
        ValueError: a map or curve whose values do not fit its axes, or an axis that does not rise.
        RunError: the file cannot be written.
    """
    for item in exhibit.items:
        _require_fit(item)
    names = {kind: name for name, kind in KINDS.items()}
    content = {
        "title": exhibit.title,
        "caption": exhibit.caption,
        "items": [{"kind": names[type(item)], **_plain(asdict(item))} for item in exhibit.items],
    }
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(json.dumps(content, allow_nan=False, separators=(",", ":")).encode())
    except OSError as error:
        raise RunError(f"{path}: not written: {explain(error, folder)}") from error
    return path


def read_exhibit(path: Path) -> Exhibit:
    """The exhibit of a file of `write_exhibit`.

    Raises RunError: the file is no such exhibit; it says what was found.
    """
    try:
        content = json.loads(path.read_bytes())
        items = [_item(entry) for entry in content["items"]]
        return Exhibit(str(content["title"]), str(content["caption"]), items)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: is no exhibit of an example: {error!r}. Write it anew.") from error


def _item(entry: dict[str, Any]) -> Item:
    given = dict(entry)
    kind = KINDS[given.pop("kind")]
    for name in ("x", "y"):
        if name in given:
            given[name] = Axis(**given[name])
    if "spots" in given:
        given["spots"] = [Spot(**spot) for spot in given["spots"]]
    if "values" in given:
        given["values"] = _heard(given["values"])
    item = kind(**given)
    _require_fit(item)
    return item


def _require_fit(item: Item) -> None:
    if isinstance(item, Picture):
        if Path(item.file).name != item.file:
            raise ValueError(f"{item.title}: {item.file!r} is no name of a file beside it")
        return
    for axis in (item.x, item.y) if isinstance(item, Map) else (item.x,):
        pairs = zip(axis.values, axis.values[1:], strict=False)
        if len(axis.values) < 2 or not all(low < high for low, high in pairs):
            raise ValueError(f"{item.title}: the values of axis {axis.name!r} do not rise")
    rows = item.values if isinstance(item, Map) else [item.values]
    shape = {len(row) for row in rows if isinstance(row, Sequence)}
    wanted = {len(item.x.values)}
    if shape != wanted or (isinstance(item, Map) and len(rows) != len(item.y.values)):
        raise ValueError(f"{item.title}: values of {len(rows)} x {shape} do not fit the axes")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _heard(values: Any) -> Any:
    if isinstance(values, list):
        return [_heard(value) for value in values]
    return math.nan if values is None else float(values)
