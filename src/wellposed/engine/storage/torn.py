"""What a killed writer leaves of a line of JSON, told from anything else that may stand there.

A kill, a full disk or a power cut can end a line early; what is there then begins as an object
does and breaks off. That may be dropped, since nothing else was lost. Any other text was never
written by us: it is damage, or somebody's edit, and whoever reads the file has to hear of it.
"""

import json
import re

# Unfinished when the text ends: a string, an escape within one, a number, a word.
_OPEN = re.compile(r'"(?:[^"\\]|\\.)*\\?|u[0-9a-fA-F]{0,4}|[-+.eE0-9]*', re.DOTALL)
_WORDS = ("true", "false", "null")


def is_torn(line: bytes) -> bool:
    """Whether `line`, which no newline ends, is the beginning of a JSON object.

    So is a whole object, whose newline is what was torn off.
    """
    text = line.decode("utf-8", errors="replace")
    try:
        return isinstance(json.loads(text), dict)
    except json.JSONDecodeError as error:
        rest = text[error.pos :]
        # Where the parser gave up, everything up to the end may still be in the making.
        unfinished = _OPEN.fullmatch(rest) or any(word.startswith(rest) for word in _WORDS)
        return text.startswith("{") and bool(unfinished)
