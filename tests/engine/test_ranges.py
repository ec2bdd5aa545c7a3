"""Ranges, growth with length and clamps, against closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from wellposed.engine.inside.clamp_effects import Trial
from wellposed.engine.inside.clamping import Clamp, clamped, require_points
from wellposed.engine.inside.distance import Distances, relative_db
from wellposed.engine.inside.ranges import joined, observe
from wellposed.engine.inside.ranges_text import effects_text, ranges_report, ranges_table
from wellposed.errors import RecipeError
from wellposed.guard.quantiles import ERROR
from wellposed.nn.statespace import Mamba


class Summing(nn.Module):
    """A sum that never forgets: of ones, it grows as the sequence does."""

    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(-1)


class Scaling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def network(part: nn.Module) -> nn.Module:
    return nn.Sequential(part, nn.Identity())


def keep(point: str) -> bool:
    return True


def test_a_sum_over_time_grows_tenfold_on_tenfold_sequences():
    groups = list(joined([torch.full((10, 1000), 1.0 + n) for n in range(5)]))
    seen = observe(network(Summing()), groups)
    growth = seen.points["0"].growth
    assert growth.mean == pytest.approx(10, rel=3 * ERROR)
    assert seen.points["0"].grows
    # The input does not; what the part gives is what the whole gives.
    assert "2 of 3 points grow with length (marked *): 0, output." in ranges_table(seen, keep)


def test_what_has_no_memory_does_not_grow_at_all():
    torch.manual_seed(0)
    seen = observe(network(Scaling()), list(joined([torch.randn(10, 100) for _ in range(5)])))
    assert seen.points["0"].growth.mean == 1.0
    assert not seen.points["0"].grows


def test_quantiles_of_known_values_are_known():
    values = torch.linspace(-1, 1, 20_001).reshape(1, -1)
    seen = observe(network(Scaling()), list(joined([values])))
    found = seen.points["0"].short.quantiles([0.001, 0.5, 0.999])
    np.testing.assert_allclose(found, [-1.996, 0, 1.996], rtol=ERROR, atol=1e-6)
    report = ranges_report(seen, [])["points"][1]
    assert (report["point"], report["short"]["max"]) == ("0", 2.0)


def test_nan_and_infinities_are_told():
    values = torch.tensor([[1.0, math.nan, math.inf, 2.0]])
    text = ranges_table(observe(network(Scaling()), list(joined([values]))), keep)
    assert "0: 1 NaN and 1 infinite values on short sequences" in text


def test_the_effect_of_a_clamp_is_the_one_of_the_formula():
    # Of uniform values up to 2 in magnitude half lies beyond 1; what is cut off has the energy
    # of the integral of (x - 1)^2 over that half, 1/3, against that of x^2 over all, 8/3.
    values = torch.linspace(-1, 1, 100_001).reshape(1, -1)
    groups = list(joined([values]))
    net = network(Scaling())
    clamps = [Clamp.parse(text) for text in ("0=-1:1", "0=-5:5", "output=-1:1")]
    seen = observe(net, groups, clamps=clamps)

    def score(output: Tensor, group: int) -> dict[str, list[float | None]]:
        return {"mean magnitude": output.abs().mean(-1).tolist(), "none": [None]}

    bites, idle, last, both = Trial(net, groups, seen, score).effects()
    assert bites.shares is not None
    assert bites.shares[0] == pytest.approx(0.5, abs=1e-4)
    assert bites.short.each[0] == pytest.approx(10 * math.log10(1 / 8), abs=1e-3)
    assert bites.figures["mean magnitude"].mean == pytest.approx(0.75 - 1.0, abs=1e-4)
    assert bites.figures["none"].n == 0
    assert idle.shares == (0, 0)
    assert idle.short.each == (-math.inf,)
    assert idle.figures["mean magnitude"].mean == 0
    # What one has cut off is nothing to the other.
    assert both.short == bites.short == last.short
    assert "changes nothing, bit for bit" in effects_text([idle])


def test_a_clamp_reaches_the_decays_inside_a_scan():
    torch.manual_seed(0)
    block, x = Mamba(8, states=4), torch.randn(1, 50, 8)
    with torch.no_grad():
        free = block(x)
        with clamped(block, [Clamp("forth:A_bar", high=0.0), Clamp("forth:h", -1e9, 1e9)]):
            # Without any memory a frame depends on the taps of the convolution before it alone.
            forgetful = block(x)
            beyond = block(x[:, 30:])
        assert torch.equal(block(x), free)
    torch.testing.assert_close(forgetful[:, 40:], beyond[:, 10:])
    assert relative_db(free, forgetful) > -60


@pytest.mark.parametrize("text", ["0", "0=1", "=1:2", "0=2:1", "0=a:1", "0=nan:1"])
def test_a_clamp_that_cannot_be_read_says_what_is_wanted(text: str):
    with pytest.raises(RecipeError, match="wanted PATTERN=LOW:HIGH"):
        Clamp.parse(text)


def test_a_clamp_is_written_as_it_was_given():
    assert str(Clamp.parse("*:A_bar=:0.999")) == "*:A_bar=:0.999"
    assert str(Clamp.parse("a=-1:2")) == "a=-1:2"


def test_a_clamp_that_applies_nowhere_names_near_points():
    with pytest.raises(RecipeError, match="near: taps"):
        require_points([Clamp("tasp", 0, 1)], ["split", "taps"])


def test_complex_values_are_clamped_by_their_parts():
    values = torch.tensor([3 + 0.5j, -2 - 4j])
    clamp = Clamp("x", -1, 1)
    assert clamp.outside(values) == 3
    assert torch.equal(clamp.applied(values), torch.tensor([1 + 0.5j, -1 - 1j]))


@pytest.mark.parametrize(
    ("first", "other", "db"),
    [
        ([1.0, 2.0], [1.0, 2.0], -math.inf),
        ([1.0, 2.0], [1.1, 2.2], -20.0),
        ([0.0, 0.0], [0.0, 1.0], math.inf),
    ],
)
def test_relative_differences_are_energies_in_db(first, other, db):
    wide = torch.float64
    found = relative_db(torch.tensor(first, dtype=wide), torch.tensor(other, dtype=wide))
    assert found == pytest.approx(db)


def test_items_that_are_equal_or_not_finite_are_counted_beside_the_mean():
    made = Distances((-math.inf, -10.0, -20.0, math.nan, math.inf))
    assert (made.equal, made.broken) == (1, 2)
    assert made.interval().mean == -15
    assert made.text().endswith("dB, equal on 1 of 5, not finite on 2 of 5")
