"""Numbers and times as people read them: short, of even precision, with their unit."""

import math

_SUFFIXES = {"_db": "dB", "_hz": "Hz", "_ms": "ms", "_percent": "%"}


def number(value: float, unit: str = "", digits: int = 3) -> str:
    """Write `value` with `digits` significant digits and its unit, as in "-9.8 dB".

    Levels in dB have one decimal, which is as fine as anybody hears. Below 0.001 and from
    100000 on it is in powers of ten.
    """
    space = f" {unit}" if unit else ""
    if not math.isfinite(value):
        return f"{value}{space}"
    if unit == "dB":
        # Adding zero turns the -0.0 that rounding may leave into 0.0.
        return f"{round(value, 1) + 0.0:.1f}{space}"
    size = abs(value)
    if size == 0:
        return f"0{space}"
    if not 1e-3 <= size < 1e5:
        return f"{value:.{max(digits - 2, 0)}e}{space}"
    decimals = max(digits - 1 - math.floor(math.log10(size)), 0)
    return f"{value:.{decimals}f}{space}"


def clock(seconds: float) -> str:
    """Write a duration [s] as hours, minutes and seconds, "--:--:--" if it is not known."""
    if not math.isfinite(seconds):
        return "--:--:--"
    whole = max(int(seconds), 0)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def split_unit(name: str) -> tuple[str, str]:
    """Split the unit off the end of a name: "si_sdr_db" gives ("si_sdr", "dB")."""
    for suffix, unit in _SUFFIXES.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), unit
    return name, ""


def counted(number: int, one: str, many: str = "") -> str:
    """Write how many there are: "1 replay", "2 processes"."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
