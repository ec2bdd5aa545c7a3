"""Criteria as a person states them: "rms_ratio in 0.9..1.1 from 20K", "snr_db >= 0"."""

import math
import re

from wellposed.doctor.cells import read_cell
from wellposed.errors import RecipeError
from wellposed.guard.plan import Criterion

_STATED = re.compile(
    r"\s*(?P<metric>.+?)\s*"
    r"(?:\bin\s+(?P<low>\S+?)\s*(?:\.\.|\bto\b)\s*(?P<high>\S+)"
    r"|(?P<sign>>=|<=|>|<)\s*(?P<bound>\S+))"
    r"(?:\s+(?:from|at|after)\s+(?:step\s+|epoch\s+)?(?P<step>\S+))?\s*"
)


def parse_criterion(text: str) -> Criterion:
    """A criterion in words as one that code can check.

    Raises RecipeError: not like `NAME in LOW..HIGH [from STEP]` or `NAME >= NUMBER [from STEP]`.
    """
    found = _STATED.fullmatch(text)
    if found is None:
        raise RecipeError(
            f"criterion {text!r}: wanted 'NAME in LOW..HIGH' or 'NAME >= NUMBER' (>, <=, <), "
            "and, if it holds only from a step on, 'from STEP'."
        )
    step = int(_number(found["step"], text)) if found["step"] else 0
    if found["sign"] is None:
        low, high = _number(found["low"], text), _number(found["high"], text)
        if low > high:
            raise RecipeError(f"criterion {text!r}: {low:g} is above {high:g}; no number fits.")
        return Criterion(found["metric"], low, high, step)
    bound = _number(found["bound"], text)
    if found["sign"].startswith(">"):
        low = bound if found["sign"] == ">=" else math.nextafter(bound, math.inf)
        return Criterion(found["metric"], low=low, step=step)
    high = bound if found["sign"] == "<=" else math.nextafter(bound, -math.inf)
    return Criterion(found["metric"], high=high, step=step)


def _number(text: str, criterion: str) -> float:
    value = read_cell(text).value
    if not isinstance(value, float) or math.isnan(value):
        raise RecipeError(f"criterion {criterion!r}: {text!r} is no number.")
    return value
