"""Numbers as people and programs write them into logs: "-23.8 dB", "1,234", "200K (best)", "nan".

The promise: NaN, infinities, nothing and text are four different things. A cell that is empty was
not logged (None); a cell that says `nan` was logged and is not a number (a float).
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

Cell = float | str | None
"""A number (NaN and infinities included), a text, or nothing."""

_NOTHING = {"", "-", "--", "–", "—", "n/a", "na", "null", "none", "<na>", "?"}
_TRUTH = {"true": 1.0, "false": 0.0}
_TIMES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9}
_SPECIAL = re.compile(r"(?P<sign>[+-]?)(?P<what>nan|inf|infinity)(?:\([a-z]*\))?", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?P<label>[A-Za-z][A-Za-z ]*[ :=#]+)?"
    r"(?P<number>[+-]?(?:\d[\d,'_\u202f\xa0]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"(?P<times>[kKMBG](?![A-Za-z]))?"
    r"\s*(?P<unit>%|°|[A-Za-zµΩ]+(?:/[A-Za-z]+)?)?"
    r"\s*(?P<remark>\(.*\)|[*+✓✔★←!].*|±.*|\[.*\])?",
    re.ASCII,
)
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_EMPHASIS = re.compile(r"(\*{1,3}|_{1,2}|`)([^*_`].*?)\1")
_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?")


@dataclass(frozen=True)
class Written:
    """What stands in a cell: its value, unit and whatever else was noted there."""

    value: Cell
    unit: str = ""
    remark: str = ""
    digits: int = 0
    """Significant digits that were written; 0 of a zero."""
    decimals: int | None = None
    """Digits after the point; None with an exponent, where any number can be told from 0."""


_EMPTY = Written(None)


def read_cell(text: str, decimal_comma: bool = False) -> Written:
    """What a cell says. Never raises: what is no number is its own text."""
    if not text:
        return _EMPTY
    if _PLAIN.fullmatch(text):
        return Written(float(text), digits=_digits(text), decimals=_decimals(text))
    bare = plain_text(text).replace("−", "-")
    lower = bare.lower()
    if lower in _NOTHING:
        return Written(None)
    if lower in _TRUTH:
        return Written(_TRUTH[lower], digits=1)
    if special := _SPECIAL.fullmatch(bare):
        value = math.nan if special["what"].lower() == "nan" else math.inf
        return Written(-value if special["sign"] == "-" else value)
    found = _NUMBER.fullmatch(bare)
    number = found and _plain(found["number"], decimal_comma)
    if not found or number is None:
        return Written(bare)
    label, times = (found["label"] or "").strip(" :=#"), _TIMES.get(found["times"] or "", 1.0)
    remark = " ".join(filter(None, [label, (found["remark"] or "").strip("() ")]))
    return Written(
        float(number) * times,
        found["unit"] or "",
        remark,
        _digits(number),
        _decimals(number) if times == 1 else None,
    )


def plain_text(text: str) -> str:
    """A cell without its Markdown emphasis; a lone star stays, it is a mark."""
    bare = text.strip()
    while found := _EMPHASIS.fullmatch(bare):
        bare = found[2].strip()
    return bare


def uses_decimal_comma(cells: Iterable[str]) -> bool:
    """Whether a comma in these cells of one column stands before decimals, not thousands."""
    commas = [cell.strip().replace("−", "-") for cell in cells if "," in cell]
    numbers = [found["number"] for cell in commas if (found := _NUMBER.fullmatch(cell))]
    return any(not _GROUPS.fullmatch(number) for number in numbers)


def _plain(number: str, decimal_comma: bool) -> str | None:
    """A number as Python reads it, or None where its commas make no sense."""
    number = re.sub(r"['_\u202f\xa0]", "", number)
    if "," not in number:
        return number
    if decimal_comma:
        return number.replace(",", ".") if number.count(",") == 1 and "." not in number else None
    return number.replace(",", "") if _GROUPS.fullmatch(number) else None


def _digits(number: str) -> int:
    mantissa = number.lstrip("+-").lower().partition("e")[0]
    return len(mantissa.replace(".", "").lstrip("0"))


def _decimals(number: str) -> int | None:
    return None if "e" in number.lower() else len(number.partition(".")[2])
