"""The maps of an example have the places where they are, and read back as they were written."""

from pathlib import Path

import torch
from little_locator import TINY, line_system, network_of, system

from wellposed.engine.telling.exhibit import Curve, Map, read_exhibit


def test_an_example_shows_both_maps_with_true_and_found_places(tmp_path: Path):
    made = system(scenes__sources=(2, 2))
    made.show_examples({"model": network_of(made)}, tmp_path)
    folder = tmp_path / "00-validation-scene"
    shown = read_exhibit(folder / "exhibit.json")
    heard, proposed = shown.items
    assert isinstance(heard, Map)
    assert isinstance(proposed, Map)
    columns, rows = TINY.directions or (0, 0)
    assert (len(heard.x.values), len(heard.y.values)) == (columns, rows)
    assert max(max(row) for row in heard.values) == 0.0
    item = made.item("valid", 0)
    azimuth, elevation = item["places"][: int(item["count"]), :2].double().unbind(-1)
    true = torch.tensor([(spot.x, spot.y) for spot in heard.spots if spot.kind == "true"])
    expected = torch.stack((azimuth.sin() * elevation.cos(), elevation.sin()), -1)
    torch.testing.assert_close(true.double(), expected, atol=1e-6, rtol=0)


def test_an_example_before_a_line_shows_curves_over_azimuth(tmp_path: Path):
    made = line_system(scenes__sources=(2, 2))
    made.show_examples({"model": network_of(made)}, tmp_path)
    shown = read_exhibit(tmp_path / "00-validation-scene" / "exhibit.json")
    for curve in shown.items:
        assert isinstance(curve, Curve)
        assert len(curve.values) == len(curve.x.values)
    heard = shown.items[0]
    assert isinstance(heard, Curve)
    assert max(heard.values) == 0.0
    true = sorted(spot.x for spot in heard.spots if spot.kind == "true")
    expected = made.item("valid", 0)["places"][:2, 0].sin().sort().values
    torch.testing.assert_close(torch.tensor(true), expected, atol=1e-6, rtol=0)
    assert "m;" not in shown.caption
