"""A plot of what was heard over time."""

import math
from pathlib import Path

from matplotlib.figure import Figure

from wellposed.engine.storage.atomic import replacing
from wellposed.errors import DataError
from wellposed.systems.locate.picture import KINDS
from wellposed.systems.locate.wideband import Talk


def draw(talk: Talk, path: Path) -> None:
    """Write azimuths over time as PNG or SVG. Raises DataError: another ending."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path}: plots are written as {' or '.join(KINDS)}")
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    canvas = kind(figure)
    axes = figure.add_subplot()
    heard = [piece for piece in talk.pieces if piece.heard is not None]
    told = [piece.heard for piece in heard if piece.heard is not None]
    shown = axes.scatter(
        [piece.seconds for piece in heard],
        [math.degrees(each.azimuth) for each in told],
        c=[each.agreement for each in told],
        vmin=0,
        vmax=1,
        cmap="viridis",
    )
    axes.axhline(math.degrees(talk.heard.azimuth), color="#b3541e", linewidth=1)
    figure.colorbar(shown, label="agreement")
    axes.set(xlabel="time [s]", ylabel="azimuth [deg]", title="line: the whole recording")
    axes.grid(alpha=0.3)
    with replacing(path) as sink:
        canvas.print_figure(sink, format=path.suffix[1:].lower())
