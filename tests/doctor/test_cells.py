"""Numbers as people write them, against what they mean."""

import math

import pytest

from wellposed.doctor.cells import read_cell, uses_decimal_comma


@pytest.mark.parametrize(
    ("text", "value", "unit", "remark"),
    [
        ("0.746", 0.746, "", ""),
        ("-23.8 dB", -23.8, "dB", ""),
        ("−4.32 dB", -4.32, "dB", ""),
        ("47.5%", 47.5, "%", ""),
        ("1,234", 1234.0, "", ""),
        ("1,234,567.5", 1234567.5, "", ""),
        ("12'500", 12500.0, "", ""),
        ("200K", 200_000.0, "", ""),
        ("1.5M", 1_500_000.0, "", ""),
        ("220K (best)", 220_000.0, "", "best"),
        ("2.83 *", 2.83, "", "*"),
        ("**0.746**", 0.746, "", ""),
        ("`3e-4`", 3e-4, "", ""),
        ("Epoch 10", 10.0, "", "Epoch"),
        ("2.31 ± 0.05", 2.31, "", "± 0.05"),
        ("350 ms", 350.0, "ms", ""),
        ("True", 1.0, "", ""),
    ],
)
def test_a_number_is_read_with_its_unit_and_remark(text, value, unit, remark):
    written = read_cell(text)
    assert written.value == pytest.approx(value, rel=1e-12)
    assert (written.unit, written.remark) == (unit, remark)


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan", "NAN(ind)"])
def test_nan_is_a_number_that_was_logged(text):
    value = read_cell(text).value
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("text", "value"), [("inf", math.inf), ("-inf", -math.inf), ("Infinity", math.inf)]
)
def test_infinities_keep_their_sign(text, value):
    assert read_cell(text).value == value


@pytest.mark.parametrize("text", ["", "  ", "-", "—", "N/A", "null", "None"])
def test_an_empty_cell_was_not_logged(text):
    assert read_cell(text).value is None


@pytest.mark.parametrize("text", ["hello", "12 34", "1,23,4", "v1.2.3", "0x10", "2026-01-05"])
def test_what_is_no_number_stays_its_own_text(text):
    assert read_cell(text).value == text


def test_a_comma_is_read_as_the_whole_column_writes_it():
    assert uses_decimal_comma(["0,746", "1,234"])
    assert read_cell("1,234", decimal_comma=True).value == 1.234
    assert not uses_decimal_comma(["1,234", "12,500", "7"])


def test_significant_digits_and_decimals_are_counted():
    assert (read_cell("0.0050").digits, read_cell("0.0050").decimals) == (2, 4)
    assert (read_cell("0.0000").digits, read_cell("0.0000").decimals) == (0, 4)
    assert (read_cell("3.20e-5").digits, read_cell("3.20e-5").decimals) == (3, None)
