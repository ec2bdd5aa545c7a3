"""Numbers and times as a person reads them."""

import math

import pytest

from wellposed.report.charts import letter
from wellposed.report.wording import count, duration, figure, quantity, signed, tick


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.5, "2.50"),
        (14.62, "14.6"),
        (118.2, "118"),
        (12_000, "12,000"),
        (-0.03, "−0.0300"),
        (3e-4, "3.00e−4"),
        (1.2e7, "1.20e7"),
        (0, "0"),
        (math.nan, "not a number"),
        (-math.inf, "−infinite"),
    ],
)
def test_three_digits_count(value: float, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(2.5, "2.5"), (100, "100"), (20, "20"), (3e-4, "3e−4"), (0.30000001, "0.3")]
)
def test_ticks_have_no_zeros_at_their_end(value: float, text: str) -> None:
    assert tick(value) == text


def test_a_difference_says_its_sign_and_a_scale_is_no_unit() -> None:
    assert signed(1.5, "dB") == "+1.50 dB"
    assert signed(-1.5, "dB") == "−1.50 dB"
    assert quantity(2.5, "MOS-LQO") == "2.50"


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (720, "12 min"), (11_100, "3 h 05 min")]
)
def test_times_have_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counting_words_follow_the_number() -> None:
    assert [count(n, "scene") for n in (0, 1, 2000)] == ["no scenes", "1 scene", "2,000 scenes"]


def test_letters_go_on_after_z() -> None:
    assert [letter(i) for i in (1, 26, 27, 53)] == ["a", "z", "aa", "ba"]
