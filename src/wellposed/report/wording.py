"""How the page says numbers, times and names.

One home for the form of a number, so that the verdict, the tables, the axes and the texts for
screen readers agree.
"""

import math

MINUS = "\N{MINUS SIGN}"

SCALES = ("MOS-LQO",)

# Named by the engine in every training row; the catalogue knows metrics only.
TRAINING_TITLES = {
    "loss": ("Loss", ""),
    "gradient_norm": ("Gradient norm", ""),
    "learning_rate": ("Learning rate", ""),
    "items_per_s": ("Speed", "items/s"),
}


SUFFIXES = {
    "_kbit_s": "kbit/s",
    "_kbps": "kbit/s",
    "_db": "dB",
    "_deg": "deg",
    "_hz": "Hz",
    "_ms": "ms",
    "_m": "m",
}
"""How names of values end that say their unit."""


def with_unit(name: str) -> tuple[str, str]:
    """Split the unit off a name: `range_error_m` gives `range_error` and m."""
    for suffix, unit in SUFFIXES.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), unit
    return name, ""


def figure(value: float) -> str:
    """A number with three digits that count: 2.50, 14.6, 12,000, 0.0300, 3.00e-4."""
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "infinite" if value > 0 else f"{MINUS}infinite"
    size = abs(value)
    if size and not 1e-3 <= size < 1e6:
        mantissa, exponent = f"{size:.2e}".split("e")
        text = f"{mantissa}e{int(exponent)}".replace("e-", f"e{MINUS}")
    elif size >= 999.5:
        text = f"{size:,.0f}"
    else:
        text = f"{size:#.3g}".removesuffix(".") if size else "0"
    return f"{MINUS}{text}" if value < 0 else text


def tick(value: float) -> str:
    """A number of an axis, where zeros at the end say nothing."""
    text = figure(float(f"{value:.6g}"))
    head, e, exponent = text.partition("e")
    return (head.rstrip("0").rstrip(".") if "." in head else head) + e + exponent


def quantity(value: float, unit: str) -> str:
    """A number with its unit; the name of a scale is for axes and tables only."""
    return f"{figure(value)} {unit}" if unit and unit not in SCALES else figure(value)


def signed(value: float, unit: str = "") -> str:
    """A difference: the sign is always said."""
    return ("+" if value > 0 else "") + quantity(value, unit)


def count(n: int, one: str, many: str | None = None) -> str:
    """`3 scenes`, `1 scene`, `no scenes`."""
    noun = one if n == 1 else many or f"{one}s"
    return f"{n:,} {noun}" if n else f"no {noun}"


def duration(seconds: float) -> str:
    """Time as a person says it: 45 s, 12 min, 3 h 05 min."""
    if not math.isfinite(seconds):
        return "unknown time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def plain(name: str) -> str:
    """A key as words: `loss/complex_part` is `loss, complex part`."""
    return name.replace("/", ", ").replace("_", " ")
