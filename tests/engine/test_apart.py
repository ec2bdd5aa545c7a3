"""Where two networks part, and whose scores are better, against closed forms."""

import copy
import math

import pytest
import torch
from torch import nn

from wellposed.engine.inside.apart import Pairing, alike, linear_cka, neighbour, paired, walk_apart
from wellposed.engine.inside.compare import Comparison, Measure
from wellposed.engine.inside.versus import versus


def net(width: int = 8, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 3))


def inputs(count: int = 8) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(1, 6, 4, generator=generator) for _ in range(count)]


@torch.no_grad()
def test_a_known_gain_is_the_difference_that_is_told_and_the_layer_is_found():
    first = net()
    other = copy.deepcopy(first)
    last = other[2]
    assert isinstance(last, nn.Linear)
    last.weight.mul_(1.1)
    last.bias.mul_(1.1)
    (made,) = walk_apart(first, [other], [Pairing("name")], inputs())
    assert made.weights == (2, 4)
    assert made.changed == "2.weight"
    assert made.first_parted is not None
    assert made.first_parted.label == "2"
    layers = {layer.label: layer for layer in made.layers}
    assert layers["1"].distances.equal == 8
    assert layers["2"].distances.each == pytest.approx([-20.0] * 8, abs=1e-4)
    assert layers["2"].likeness == pytest.approx([1.0] * 8)
    assert list(layers)[-1] == "output"
    assert not made.equal


def test_a_copy_is_equal_bit_for_bit():
    first = net()
    (made,) = walk_apart(first, [copy.deepcopy(first)], [Pairing("name")], inputs(2))
    assert made.equal
    assert made.first_parted is None


def test_another_neighbour_is_not_apart_beyond_rounding():
    first = net()
    (made,) = walk_apart(first, [neighbour(first, seed=9)], [Pairing("name")], inputs())
    assert not made.equal
    assert made.first_parted is None


@torch.no_grad()
def test_a_neighbour_differs_by_one_unit_in_the_last_place():
    first = net()
    for a, b in zip(first.parameters(), neighbour(first).parameters(), strict=True):
        assert not torch.equal(a, b)
        torch.testing.assert_close(a, b, rtol=2.0**-22, atol=0)


@torch.no_grad()
def test_a_network_that_is_not_finite_is_apart():
    other = net()
    first_layer = other[0]
    assert isinstance(first_layer, nn.Linear)
    first_layer.bias[0] = math.nan
    (made,) = walk_apart(net(), [other], [Pairing("name")], inputs(3))
    assert made.first_parted is not None
    assert made.first_parted.label == "0"
    assert made.layers[0].distances.text() == "not finite on 3 of 3"


def test_networks_of_other_shapes_are_matched_by_role():
    first, other = net(), net(width=16, seed=1)
    roles = {"hidden": "1", "output": "output"}
    pairing = paired(first, other, roles, roles | {"more": "0"})
    assert pairing.by == "role"
    assert not alike(first, other)
    (made,) = walk_apart(first, [other], [pairing], inputs(5))
    layers = {layer.label: layer for layer in made.layers}
    assert list(layers) == ["hidden", "more", "output"]
    # Of other shapes: no difference, but features of the same places can be set side by side.
    assert layers["hidden"].apart == []
    assert 0 < layers["hidden"].cka < 1
    assert layers["more"].shapes[0] is None
    assert len(layers["output"].apart) == 5
    assert made.weights is None


def test_cka_does_not_see_rotation_and_scale_and_is_low_for_what_is_unrelated():
    torch.manual_seed(0)
    x = torch.randn(500, 6)
    rotation, _ = torch.linalg.qr(torch.randn(6, 6))
    assert linear_cka(x, 3 * x @ rotation + 1) == pytest.approx(1.0, abs=1e-6)
    assert linear_cka(x, torch.randn(500, 4)) < 0.1
    assert math.isnan(linear_cka(x, torch.ones(500, 2)))


def test_scores_are_paired_counted_and_tested():
    made = versus("si", "higher", [1.0, 2.0, 3.0, None, 5.0], [2.0, 3.0, 3.0, 9.0, 6.0])
    assert (made.wins, made.losses, made.ties, made.undefined) == (3, 0, 1, 1)
    assert made.means == (2.75, 3.5)
    assert made.difference.mean == pytest.approx(0.75)
    # Three of three, both sides: 2 / 2^3.
    assert made.chance == pytest.approx(0.25)


@pytest.mark.parametrize(("better", "wins"), [("higher", 1), ("lower", 2), ("none", 3)])
def test_what_is_better_is_the_metrics_to_say(better, wins):
    assert versus("m", better, [-1.0, 1.0, 2.0], [-0.5, 0.5, 1.0]).wins == wins


def test_no_common_item_is_undefined_and_says_so():
    made = versus("m", "higher", [None], [1.0])
    assert made.difference.n == 0
    assert math.isnan(made.means[0])
    assert made.chance == 1.0


def test_three_models_have_a_table_each_and_lines_in_the_csv(tmp_path):
    first = net()
    others = [copy.deepcopy(first), net(seed=1)]
    apart = walk_apart(first, others, [Pairing("name")] * 2, inputs(2))
    measures = {"m": Measure("some score", "higher", [[1.0, 2.0], [1.0, 2.0], [3.0, None]])}
    made = Comparison(
        ("one", "same", "else"), (9, 9, 9), ("x", "y"), "two inputs", 2, tuple(apart), measures,
        ({}, {"model.width": (1, 2)}),
    )  # fmt: skip
    text = made.text()
    assert "B against A, layer by layer, matched by name, 2 items" in text
    assert "equal bit for bit: every weight, every layer, every output" in text
    assert "C against A" in text
    assert "recipes differ in model.width 1 | 2" in text
    assert "first apart beyond rounding: 0" in text
    assert "1 of 2 items have no some score with A or C" in text
    made.write_tables(tmp_path)
    assert (tmp_path / "items.csv").read_text().splitlines() == [
        "item,metric,one,same,else", "x,m,1.0,1.0,3.0", "y,m,2.0,2.0,",
    ]  # fmt: skip
    lines = (tmp_path / "layers.csv").read_text().splitlines()
    assert lines[0] == "item,model,layer,difference_db"
    assert len(lines) == 1 + 2 * 2 * 4
    assert made.report()["against_the_first"][0]["equal_bit_for_bit"]
