"""How help reads: whole sentences, defaults that say something, lines no wider than the terminal.

tyro keeps the line breaks of a docstring, shows `(default: None)` where the text says what happens
without the option, and prints what stands above its boxes as one long line. This mends the three.
"""

import ast
import inspect
import io
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import tyro

METAVARS = {
    "run": "RUN",
    "model": "MODEL",
    "device": "DEVICE",
    "licence": "LICENCE",
    "storage": "URL",
    "host": "ADDRESS",
    "metrics": "NAME ...",
    "only": "NAME ...",
    "log_to": "TRACKER ...",
}
"""What stands for the value of an option that means the same in every command."""
_TYPES = {str: "TEXT", Path: "PATH", int: "INT", float: "FLOAT"}
_MORE = " ..."
_INDENT = 7
_KEPT = "\xa0"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def one_paragraph(text: str) -> str:
    """The text without the line breaks of its source."""
    return " ".join(text.split())


def paragraphs(text: str) -> str:
    """The text with the line breaks between its paragraphs alone."""
    return "\n\n".join(one_paragraph(each) for each in re.split(r"\n\s*\n", text.strip()))


def field_texts(kind: type) -> dict[str, str]:
    """What stands below the fields of a dataclass and of those it is made from, by field."""
    texts: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if is_dataclass(each):
            texts |= dict(_below(each))
    return texts


def _below(kind: type) -> Iterator[tuple[str, str]]:
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            yield field.target.id, one_paragraph(text.value.value)


def shown(name: str, kind: Any, *, is_flag: bool) -> Any:
    """The type of a field, annotated with how its value and its default are shown.

    `is_flag`: a truth value is set by naming it, and its default needs no word.
    """
    plain, notes = kind, ()
    if get_origin(kind) is Annotated:
        plain, *notes = get_args(kind)
    appended = tyro.conf.UseAppendAction in notes
    hint = "(repeatable)" if appended else _silent if is_flag and plain is bool else _default
    argument = tyro.conf.arg(
        metavar=_metavar(name, plain, one_each=appended), help_behavior_hint=hint
    )
    # What a field says of itself comes later, and wins.
    return Annotated[(plain, argument, *notes)]


def _metavar(name: str, kind: Any, *, one_each: bool) -> str | None:
    union = get_origin(kind) in (Union, UnionType)
    held = [each for each in get_args(kind) if each is not NoneType] if union else [kind]
    words = _words(held[0]) if len(held) == 1 else None
    if words is None or one_each:
        return words and words.removesuffix(_MORE)
    return METAVARS.get(name, words) if words.removesuffix(_MORE) in ("TEXT", "PATH") else words


def _words(kind: Any) -> str | None:
    """What is written for a value of that type; None where tyro knows better."""
    origin, held = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _words(held[0])
    if origin is not tuple:
        return _TYPES.get(kind)
    more = _MORE if held[-1] is ... else ""
    inside = [_words(each) for each in held if each is not ...]
    known = [each for each in inside if each is not None]
    return " ".join(known) + more if len(known) == len(inside) else None


def _silent(_default: str) -> str:
    return ""


def _default(told: str) -> str:
    return f"(default: {told})" if set(told.split()) - {"None"} else ""


class _Page(io.TextIOWrapper):
    """Takes what is printed, and is a terminal where the standard output is one."""

    def isatty(self) -> bool:
        return sys.__stdout__ is not None and sys.__stdout__.isatty()


@contextmanager
def wrapped() -> Iterator[None]:
    """Print what the body prints, with no line wider than the terminal."""
    out, held = sys.stdout, io.BytesIO()
    page = _Page(held, encoding=getattr(out, "encoding", None) or "ascii", newline="\n")
    try:
        with redirect_stdout(page):
            yield
    finally:
        page.flush()
        width = shutil.get_terminal_size().columns
        told = re.sub(r"\n{3,}", "\n\n", held.getvalue().decode(page.encoding))
        lines = told.splitlines(keepends=True)
        out.write("".join(_wrapped_line(line, width) for line in lines))


def _wrapped_line(line: str, width: int) -> str:
    bare = _COLOUR.sub("", line.rstrip("\n"))
    if len(bare) <= width:
        return line
    usage = bare.startswith("usage:")
    # An option and its value stay together: textwrap breaks at ASCII white space alone.
    whole = re.sub(r"\[[^]]*\]", lambda it: it[0].replace(" ", _KEPT), line) if usage else line
    filled = textwrap.fill(
        whole,
        width,
        subsequent_indent=" " * _INDENT if usage else "",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(_KEPT, " ") + "\n"
