"""The row of a step: exact flags, and a norm equal to the one on paper."""

import math

import pytest
import torch
from torch import Tensor

from wellposed.guard.finite import COLUMNS, bad_gradients, measure


def parameter(gradient: Tensor | None) -> Tensor:
    shape = (2,) if gradient is None else gradient.shape
    dtype = torch.float32 if gradient is None else gradient.dtype
    made = torch.zeros(shape, dtype=dtype, requires_grad=True)
    made.grad = gradient
    return made


def row(*gradients: Tensor | None, terms: dict | None = None) -> dict[str, float]:
    given = terms or {}
    names = [*COLUMNS, *given]
    values = measure(given, [parameter(g) for g in gradients]).tolist()
    return dict(zip(names, values, strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_norm_of_300_and_400_is_500_in_every_type(dtype):
    # 300 squared overflows float16; the sum is taken in float32
    measured = row(torch.tensor([300.0], dtype=dtype), None, torch.tensor([400.0], dtype=dtype))
    assert measured["gradient_norm"] == 500
    assert measured["gradients_finite"] == 1


def test_a_complex_gradient_counts_real_and_imaginary_parts():
    assert row(torch.tensor([3 + 4j]))["gradient_norm"] == 5
    assert row(torch.tensor([complex(0, math.nan)]))["gradients_finite"] == 0


def test_a_sparse_gradient_sums_entries_that_share_an_index():
    places, values = torch.tensor([[0, 0]]), torch.tensor([1.0, 2.0])
    gradient = torch.sparse_coo_tensor(places, values, (2,), check_invariants=True)
    assert row(gradient)["gradient_norm"] == 3


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_bad_entry_is_seen_and_the_last_bad_parameter_named_first(bad):
    good, wrong = torch.ones(2), torch.tensor([1.0, bad])
    measured = row(good, wrong, wrong.clone(), None, good)
    assert measured["gradients_finite"] == 0
    assert measured["bad_gradients"] == 2
    assert measured["first_bad_gradient"] == 2


def test_infinities_of_both_signs_do_not_cancel():
    assert row(torch.tensor([math.inf, -math.inf]))["gradients_finite"] == 0


def test_a_term_that_is_not_finite_is_seen_whatever_the_gradients():
    measured = row(torch.ones(1), terms={"a": torch.tensor(1.0), "b": torch.tensor(math.inf)})
    assert (measured["terms_finite"], measured["gradients_finite"]) == (0, 1)
    assert row(torch.ones(1), terms={"a": math.nan})["terms_finite"] == 0


def test_nothing_at_all_is_finite_with_norm_0():
    measured = row(None, torch.zeros(0))
    assert (measured["terms_finite"], measured["gradients_finite"]) == (1, 1)
    assert (measured["gradient_norm"], measured["first_bad_gradient"]) == (0, -1)


def test_estimate_and_reference_are_measured_by_their_rms():
    values = measure({}, [], torch.tensor([3.0, -3.0]), torch.tensor([0.0, math.nan])).tolist()
    assert values[COLUMNS.index("estimate_rms")] == 3
    assert math.isnan(values[COLUMNS.index("reference_rms")])


def test_a_huge_finite_gradient_has_no_finite_norm_but_is_no_bad_gradient():
    huge = parameter(torch.full((2,), 1e25))
    wrong = parameter(torch.tensor([math.nan]))
    assert measure({}, [huge])[COLUMNS.index("gradients_finite")] == 0
    assert bad_gradients({"huge": huge, "wrong": wrong}) == ["wrong"]
