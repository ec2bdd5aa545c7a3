"""The row of a step: exact flags, and a norm equal to the one on paper."""

import math

import pytest
import torch
from torch import Tensor

from wellposed.guard.finite import COLUMNS, bad_gradients, columns, measure


def parameter(gradient: Tensor | None) -> Tensor:
    shape = (2,) if gradient is None else gradient.shape
    dtype = torch.float32 if gradient is None else gradient.dtype
    made = torch.zeros(shape, dtype=dtype, requires_grad=True)
    made.grad = gradient
    return made


def row(*gradients: Tensor | None, terms: dict | None = None) -> dict[str, float]:
    given = terms or {}
    values = measure(given, [parameter(g) for g in gradients]).tolist()
    return dict(zip(columns(given), values, strict=True))


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


def signals(estimate: Tensor | None, reference: Tensor | None = None) -> dict[str, float]:
    return dict(zip(COLUMNS, measure({}, [], estimate, reference).tolist(), strict=True))


def test_both_signals_are_measured_as_on_paper():
    estimate = torch.tensor([[1.0, -1.0, 0.5, -0.5], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]])
    reference = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0]])
    found = signals(estimate, reference)
    assert found["items"] == 3
    assert found["estimate_rms"] == pytest.approx((6.5 / 12) ** 0.5)
    assert found["error_rms"] == pytest.approx((4.75 / 12) ** 0.5)
    assert found["estimate_mean"] == pytest.approx(2 / 12)
    assert found["reference_mean"] == pytest.approx(0.5 / 12)
    assert (found["estimate_full"], found["reference_full"]) == pytest.approx((3 / 12, 2 / 12))
    assert (found["silent_estimates"], found["silent_references"]) == (1, 1)
    assert found["lost_estimates"] == 1


def test_signals_of_any_shape_and_type_have_items_along_the_first_axis():
    for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.complex64):
        found = signals(torch.full((2, 3, 4), 3.0, dtype=dtype))
        assert found["items"] == 2
        assert found["estimate_full"] in (1, 0.5)  # half of a complex signal is its zeros
    assert signals(torch.tensor(2.0))["items"] == 1
    assert signals(torch.ones(2, 6), torch.ones(2, 2, 3))["error_rms"] == 0
    assert signals(torch.zeros(0, 4))["items"] == 0
    assert signals(None)["items"] == 0


def test_a_signal_with_a_nan_is_neither_silent_nor_full():
    found = signals(torch.tensor([[math.nan, 0.0], [0.0, 0.0]]))
    assert (found["silent_estimates"], math.isnan(found["estimate_rms"])) == (1, True)


def test_the_largest_item_of_each_term_is_named_with_its_share_of_sizes():
    terms = {
        "mean": torch.tensor(5.0),
        "first": torch.tensor([1.0, -2.0, 1.0]),
        "second": torch.tensor([0.0, -0.5, 9.5]),
        "other": torch.tensor([3.0, 1.0]),
        "nothing": torch.zeros(3),
    }
    found = row(torch.ones(1), terms=terms)
    assert [found[f"term/{name}"] for name in terms] == [5, 0, 3, 2, 0]
    shares = [found[f"share/{name}"] for name in terms]
    assert shares == pytest.approx([0, 0.5, 0.95, 0.75, 0])
    assert [found[f"item/{name}"] for name in terms] == [0, 1, 2, 0, 0]
