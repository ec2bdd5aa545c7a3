"""Curves: nothing is bridged, no extreme is lost, every mark leads to its text."""

import re

import numpy as np
import pytest

from wellposed.report.draw import Chart, Line, Mark, describe, draw_chart, has_trend, thin, trend

STEPS = np.arange(1.0, 11.0)
SPAN = (0.0, 10.0)


def chart(values: np.ndarray, **options: object) -> Chart:
    steps = np.arange(1.0, len(values) + 1)
    return Chart("Loss", "dB", (Line("total", steps, values),), **options)  # pyrefly: ignore


def curve(svg: str, colour: str = "series-1") -> str:
    paths = re.findall(rf'<path d="([^"]*)"[^>]*stroke: var\(--{colour}\)', svg)
    return max(paths, key=len)


def test_a_curve_has_one_stretch_without_gaps() -> None:
    assert curve(draw_chart(chart(STEPS), (), SPAN, "x")).count("M") == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_a_gap_with_a_cross(bad: float) -> None:
    values = STEPS.copy()
    values[4] = bad
    svg = draw_chart(chart(values), (), SPAN, "x")
    assert curve(svg).count("M") == 2
    crosses = re.search(r'class="not-finite".*?</g>\s*</g>', svg, re.DOTALL)
    assert crosses is not None
    assert crosses[0].count("<use") == 1
    assert "1 not finite" in describe(chart(values))


def test_a_curve_without_any_finite_value_says_so() -> None:
    svg = draw_chart(chart(np.full(10, np.nan)), (), SPAN, "x")
    assert ">no finite value<" in svg


def test_thinning_keeps_every_spike_and_every_gap_and_its_bound() -> None:
    values = np.zeros(100_000)
    values[12_345], values[67_890], values[50_000] = 5.0, -5.0, np.nan
    steps, thinned = thin(np.arange(100_000.0), values)
    assert len(steps) <= 2000
    assert (np.nanmax(thinned), np.nanmin(thinned)) == (5.0, -5.0)
    assert steps[np.isnan(thinned)].tolist() == [50_000.0]
    assert (np.diff(steps) > 0).all()


def test_two_thousand_points_are_left_alone() -> None:
    values = np.arange(2000.0)
    assert thin(values, values)[1] is values


def test_the_trend_is_the_median_of_its_stretch_and_breaks_where_a_value_is_bad() -> None:
    values = np.repeat(np.arange(80.0), 10)
    values[::10] += 1000  # one of ten: the median does not move
    values[55] = np.nan
    middles, medians = trend(np.arange(800.0), values)
    assert middles[0] == 4.5
    assert np.isnan(medians[5])
    assert np.delete(medians, 5).tolist() == [i for i in range(80) if i != 5]


def test_noise_gets_a_trend_and_a_schedule_does_not() -> None:
    noisy = chart(np.random.default_rng(1).normal(size=1000))
    smooth = chart(np.cos(np.linspace(0, 3, 1000)))
    assert has_trend(noisy, noisy.lines[0])
    assert not has_trend(smooth, smooth.lines[0])


def test_marks_lead_to_their_text_and_near_ones_share_a_label() -> None:
    marks = [
        Mark(2, "1", "#finding-1", alarm=True),
        Mark(8, "2", "#finding-2", alarm=True),
        Mark(8, "3", "#finding-3", alarm=True),
        Mark(5, "a", "#event-1", alarm=False),
    ]
    svg = draw_chart(chart(STEPS), marks, SPAN, "x")
    assert re.findall(r'<a [^>]*href="(#[\w-]+)"', svg) == ["#event-1", "#finding-1", "#finding-2"]
    assert ">2–3</text>" in svg


def test_colours_are_those_of_the_page_and_the_axis_names_its_unit() -> None:
    svg = draw_chart(chart(STEPS), (), SPAN, "x")
    assert not re.search(r"#[0-9a-f]{6}", svg)
    assert ">Loss [dB]</text>" in svg
    assert ">training step</text>" in svg
    assert "<style" not in svg


def test_titles_with_mathematical_signs_are_drawn_as_they_are() -> None:
    line = Line("a", STEPS, STEPS)
    assert "$x_1$" in draw_chart(Chart("$x_1$ & <b>", "", (line,)), (), SPAN, "x").replace("\\", "")


def test_the_same_chart_is_drawn_the_same() -> None:
    assert draw_chart(chart(STEPS), (), SPAN, "x") == draw_chart(chart(STEPS), (), SPAN, "x")
