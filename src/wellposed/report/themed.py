"""A drawing of matplotlib as part of a page: scalable, small, in the colours of the page.

Colours are stand-ins here and become CSS variables in `for_page`, so that one drawing serves the
dark and the light page. Ids become unique in the page, and nothing of matplotlib's own style
sheet, fonts or metadata is left.
"""

import re
from xml.etree import ElementTree

SERIES = tuple(f"#00a0{i:02x}" for i in range(4))
INK, SOFT, GRID, ALARM, EVENT, BEST = (f"#00b0{i:02x}" for i in range(6))
VARIABLES = {
    **{colour: f"var(--series-{i + 1})" for i, colour in enumerate(SERIES)},
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    GRID: "var(--grid)",
    ALARM: "var(--alarm)",
    EVENT: "var(--event)",
    BEST: "var(--best)",
}
SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"


def for_page(svg: bytes, name: str, description: str) -> str:
    """Matplotlib's file as an element of an HTML page: scalable, unique ids, theme colours."""
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(svg)
    own = {element.get("id", "") for element in root.iter()}
    used = {hit.decode() for hit in re.findall(rb'(?:url\(#|xlink:href="#)([\w-]+)', svg)} & own
    _drop(root, "metadata", "style")  # matplotlib's style would reach the whole page
    ids = {key: f"{name}-{i}" for i, key in enumerate(sorted(used))}
    for element in root.iter():
        _clean(element, ids)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.attrib |= {"role": "img", "aria-label": description, "class": "chart"}
    text = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r"\n\s*", "\n", text).strip()


def _drop(root: ElementTree.Element, *tags: str) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in [f"{{{SVG}}}{tag}" for tag in tags]:
                parent.remove(child)


def _clean(element: ElementTree.Element, ids: dict[str, str]) -> None:
    gid = element.attrib.pop("id", None)
    if gid in ids:
        element.set("id", ids[gid])
    elif gid == "not-finite":
        element.set("class", gid)
    target = element.attrib.pop(XLINK, None)
    if target is not None and target.startswith("data:"):
        element.set("href", target)  # a raster inside the drawing
    elif target is not None:
        element.set("href", f"#{ids.get(target[1:], target[1:])}")
        if element.tag == f"{{{SVG}}}a":  # the same links stand in the text, once, for the keyboard
            element.set("tabindex", "-1")
            element.attrib.pop("target", None)  # matplotlib's "_blank": another tab
    for key, value in list(element.attrib.items()):
        value = re.sub(r"url\(#([\w-]+)\)", lambda hit: f"url(#{ids[hit[1]]})", value)
        value = re.sub(r"#00[ab]0[0-9a-f]{2}", lambda hit: VARIABLES[hit[0]], value)
        value = re.sub(r"font-family:[^;]*;?", "", value)
        if key in ("d", "x", "y"):
            value = re.sub(r"-?\d+\.\d+", lambda hit: f"{float(hit[0]):.1f}", value)
        element.set(key, value)
