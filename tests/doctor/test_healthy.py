"""Healthy logs raise nothing above INFO; `docs/doctor.md` has the count of a larger draw."""

import pytest


@pytest.mark.parametrize("first", range(0, 60, 15))
def test_drawn_healthy_logs_raise_no_alarm(diagnosed, drawn_log, first):
    for seed in range(first, first + 15):
        diagnosis = diagnosed(drawn_log(seed))
        assert not diagnosis.alarmed, (seed, [each.title for each in diagnosis.findings])
        assert not diagnosis.run.table.problems


def test_a_short_run_that_is_still_near_its_start_raises_no_alarm(diagnosed):
    # An enhancer after 60 steps: the input unchanged, nearly, and on its way.
    text = (
        "step,loss,val/si_sdr_improvement_db,val/estoi,noisy/estoi\n"
        "20,0.219,-0.177,0.692,0.694\n40,0.244,-0.115,0.693,0.694\n60,0.237,-0.025,0.692,0.694\n"
    )
    diagnosis = diagnosed(text)
    assert {each.code for each in diagnosis.findings} == {"WP401"}
    assert not diagnosis.alarmed


def test_a_level_that_settles_below_the_reference_is_no_drift(diagnosed):
    levels = (3.0, 1.6, 1.2, 1.02, 0.97, 0.94, 0.93, 0.93, 0.925, 0.93, 0.93, 0.925)
    text = "step,rms_ratio\n" + "".join(f"{i},{value}\n" for i, value in enumerate(levels))
    assert diagnosed(text).findings == ()
