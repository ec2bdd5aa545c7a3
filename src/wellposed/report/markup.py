"""The few pieces of HTML that all sections use.

Promise: what enters through `tag` content is already HTML, what enters through `text`, a cell or
an attribute is escaped. Nothing of a recipe, a finding or a file name becomes markup.
"""

from collections.abc import Iterable, Sequence
from html import escape

LONG = 40
"""Characters of a value that no longer fits beside others."""


def text(value: object) -> str:
    """`value` as HTML that shows exactly its characters."""
    return escape(str(value), quote=True)


def prose(value: object) -> str:
    """Words of the package as HTML, with `code` between backticks set as code."""
    parts = text(value).split("`")
    if len(parts) % 2 == 0:
        return "`".join(parts)
    return "".join(f"<code>{each}</code>" if i % 2 else each for i, each in enumerate(parts))


def tag(name: str, content: str, /, **attributes: str) -> str:
    """One element around HTML; `class_` and `aria_label` become `class` and `aria-label`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items()
    )
    return f"<{name}{given}>{content}</{name}>"


def bullets(items: Iterable[str], class_: str = "") -> str:
    """A list of HTML items."""
    return tag("ul", "".join(tag("li", item) for item in items), class_=class_)


def pairs(rows: Iterable[tuple[object, object]]) -> str:
    """Names with their values, as a description list; both are escaped, long ones get a row."""
    return tag("dl", "".join(_pair(str(key), str(value)) for key, value in rows))


def _pair(key: str, value: str) -> str:
    content = tag("dt", text(key)) + tag("dd", text(value))
    return tag("div", content, class_="long") if len(value) > LONG else tag("div", content)


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text cells whose first column names the row; scrolls sideways on a phone."""
    header = "".join(tag("th", text(cell), scope="col") for cell in head)
    body = "".join(
        tag(
            "tr",
            tag("th", text(row[0]), scope="row") + "".join(tag("td", text(c)) for c in row[1:]),
        )
        for row in rows
    )
    content = tag("caption", text(caption)) + tag("thead", tag("tr", header)) + tag("tbody", body)
    # Focus lets the keyboard scroll it; a name tells a screen reader what got the focus.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}">'
        f"{tag('table', content)}</div>"
    )
