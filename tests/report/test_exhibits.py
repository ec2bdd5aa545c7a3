"""What a system shows beside sounds is on the page, with words, and stays inside it."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from wellposed.engine.telling.exhibit import Axis, Curve, Exhibit, Map, Picture, Spot, write_exhibit
from wellposed.report.page import render

ANGLE = Axis("azimuth", "deg", [float(angle) for angle in range(-60, 61, 5)])
DEPTH = Axis("range", "m", [float(x) for x in np.linspace(1, 8, 15)])
SPOTS = (Spot(10.0, 4.0, "true", "1"), Spot(12.0, 4.5, "estimated"))


def bump(x: float, y: float) -> float:
    return -((x - 10) ** 2) / 100 - (y - 4) ** 2


def source_map() -> Map:
    values = [[bump(x, y) for x in ANGLE.values] for y in DEPTH.values]
    return Map("Source map", "one peak at 10 deg, 4 m", ANGLE, DEPTH, values, "dB", spots=SPOTS)


def shown(run: Path, *items: Map | Curve | Picture) -> str:
    folder = run / "examples" / "02-sources"
    write_exhibit(folder, Exhibit("Two sources", "at 5 dB", items))
    return render(run)


def test_a_map_is_drawn_into_the_page_with_its_places_and_words(run_folder: Path):
    html = shown(run_folder, source_map())
    drawing = re.search(r'<svg[^>]*aria-label="Source map[^"]*".*?</svg>', html, re.S)
    assert drawing is not None
    assert "one peak at 10 deg, 4 m" in drawing[0]
    assert 'href="data:image/png;base64,' in drawing[0]
    assert "azimuth [deg]" in drawing[0]
    assert "circle, whole line: where it is; cross, dashed line" in html
    assert "<h3>Two sources</h3>" in html
    assert "Not in this folder" not in html


def test_a_curve_has_upright_lines_in_the_colours_of_the_page(run_folder: Path):
    values = [bump(x, 4.0) for x in ANGLE.values]
    html = shown(run_folder, Curve("Spectrum", "a peak", ANGLE, values, "dB", spots=SPOTS))
    drawing = re.search(r'<svg[^>]*aria-label="Spectrum.*?</svg>', html, re.S)
    assert drawing is not None
    assert {"var(--best)", "var(--alarm)", "var(--series-1)"} <= set(
        re.findall(r"var\([^)]+\)", drawing[0])
    )


def test_a_picture_is_embedded_with_its_words(run_folder: Path):
    folder = run_folder / "examples" / "02-sources"
    folder.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(folder / "array.png")
    html = shown(run_folder, Picture("Array", "four in a line", "array.png"))
    assert 'src="data:image/png;base64,' in html
    assert 'alt="four in a line"' in html


def test_a_picture_that_is_a_link_to_elsewhere_is_not_read(run_folder: Path, tmp_path: Path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    folder = run_folder / "examples" / "02-sources"
    folder.mkdir(parents=True)
    (folder / "array.png").symlink_to(secret)
    assert "wanted a file beside exhibit.json" in shown(run_folder, Picture("A", "w", "array.png"))


def test_a_damaged_exhibit_is_named_and_the_page_still_appears(run_folder: Path):
    folder = run_folder / "examples" / "02-sources"
    folder.mkdir(parents=True)
    (folder / "exhibit.json").write_text("{")
    assert "exhibit.json: is no exhibit of an example" in render(run_folder)
