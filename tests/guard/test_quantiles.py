"""The quantile sketch against NumPy's exact quantiles: heavy tails, merging, what is not finite."""

import math

import numpy as np
import pytest
import torch

from wellposed.guard.quantiles import ERROR, Sketch

SHARES = [0.0, 0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0]


def heavy(kind: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    drawn = {
        "normal": rng.normal(size=100_003),
        "cauchy": rng.standard_cauchy(100_003),
        "pareto": rng.pareto(0.5, 100_003),
        "lognormal": np.exp(rng.normal(0, 8, 100_003)) * rng.choice([-1, 1], 100_003),
        "few": rng.normal(size=7),
        "ties": rng.integers(-3, 4, 10_000).astype(float),
    }
    return drawn[kind].astype(np.float32)


@pytest.mark.parametrize("kind", ["normal", "cauchy", "pareto", "lognormal", "few", "ties"])
def test_quantiles_are_numpys_within_the_stated_error(kind: str):
    values = heavy(kind)
    sketch = Sketch()
    for piece in np.array_split(values, 5):
        sketch.add(torch.from_numpy(piece))
    exact = np.quantile(values, SHARES, method="inverted_cdf")
    np.testing.assert_allclose(sketch.quantiles(SHARES), exact, rtol=ERROR)
    exact = np.quantile(np.abs(values), SHARES, method="inverted_cdf")
    np.testing.assert_allclose(sketch.magnitudes(SHARES), exact, rtol=ERROR)
    assert sketch.largest == np.abs(values).max()
    assert sketch.count == len(values)


def test_merged_sketches_are_the_sketch_of_everything():
    values = torch.from_numpy(heavy("cauchy"))
    whole, parts = Sketch(), [Sketch(), Sketch()]
    whole.add(values)
    parts[0].add(values[:10])
    parts[1].add(values[10:])
    parts[1].merge(parts[0])
    assert parts[1].quantiles(SHARES) == whole.quantiles(SHARES)
    assert (parts[1].low, parts[1].high) == (whole.low, whole.high)


def test_nan_has_no_rank_and_infinities_have_theirs():
    # A NaN whose payload lies in the lower bits must not pass for an infinity.
    odd = torch.tensor([0x7F800001, -1], dtype=torch.int32).view(torch.float32)
    sketch = Sketch()
    sketch.add(torch.cat([torch.tensor([1.0, 2.0, math.inf, -math.inf]), odd]))
    assert (sketch.nan, sketch.infinite, sketch.count) == (2, 2, 4)
    assert sketch.quantile(0.0) == -math.inf
    assert sketch.quantile(0.5) == pytest.approx(1.0, rel=ERROR)
    assert sketch.quantile(1.0) == math.inf


def test_nothing_has_no_quantile():
    sketch = Sketch()
    sketch.add(torch.zeros(0))
    sketch.add(torch.tensor([math.nan]))
    assert math.isnan(sketch.quantile(0.5))
    assert math.isnan(sketch.largest)


def test_zeros_and_the_smallest_numbers_keep_their_order():
    sketch = Sketch()
    sketch.add(torch.tensor([-0.0, 0.0, 1e-45, -1e-45, 3e38, -3e38]))
    assert sketch.quantile(0.5) == pytest.approx(0.0, abs=2**-133)
    assert sketch.quantile(1.0) == pytest.approx(3e38, rel=ERROR)
    assert sketch.quantile(0.0) == pytest.approx(-3e38, rel=ERROR)


def test_both_parts_of_complex_numbers_and_all_types_are_counted():
    sketch = Sketch()
    sketch.add(torch.tensor([1 + 2j, 3 + 4j]).conj())
    sketch.add(torch.tensor([5.0], dtype=torch.bfloat16))
    sketch.add(torch.tensor([6]))
    assert (sketch.count, sketch.low, sketch.high) == (6, -4.0, 6.0)
