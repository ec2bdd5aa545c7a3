"""Lines for people, as programs print them on a terminal: not read, but known for what they are."""

import re

_PAIR = re.compile(r"[A-Za-z]\w*\s*[=: ]\s*[-+]?\d")
_SHOWN = 60


def hint(text: str) -> str:
    """What to do about a text whose numbers stand between words; "" for any other."""
    spoken = next((line for line in text.splitlines() if len(_PAIR.findall(line)) > 1), None)
    if spoken is None:
        return ""
    return (
        f"Lines for people, such as {spoken.strip()[:_SHOWN]!r}, are not read: give the file or "
        "folder in which the same program keeps its numbers. "
    )
