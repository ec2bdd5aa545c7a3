"""Numbers out of real reports of failed runs: each must yield its findings, and no wrong ones."""

import pytest

from wellposed.doctor import Asked, Diagnosis, parse_criterion
from wellposed.guard import rule_codes

# Speaker extraction: validations after the second phase began at step 200K. The checkpoint of
# 220K was kept as the best, by a validation loss that is not in the table.
FIRST = """Step,Val rms_ratio,Val ta_energy,Val SI-SDR
200K,1.327,-23.8 dB,-4.32 dB
210K,1.038,-25.9 dB,-3.72 dB
220K (best),0.746,-30.6 dB,-2.83 dB
230K,0.633,-30.6 dB,-3.74 dB
"""
# The same after a first repair, with another metric to choose by.
SECOND = """Val step,SI-SDR,rms_ratio,ta_energy
200K (resume),-3.87 dB,1.180,-23.8 dB
210K,-3.67 dB,1.038,-25.5 dB
225K (best),-2.88 dB,0.906,-29.3 dB
235K,-2.98 dB,0.738,-28.6 dB
240K,-4.12 dB,0.752,-30.7 dB
"""
# Codec: the loss falls, the output gets quieter, and silence would score better.
CODEC = """Epoch,Loss,recon,vq,SNR,output amp
1,5.17,0.255,0.444,,
5,4.04,0.173,,-0.89 dB,47.5%
10,3.38,0.152,,-0.46 dB,34.8%
"""
# Enhancement: NaN in epoch 2 of 120, seen 14 hours later; the critic's loss ends at 0.0000.
ENHANCER = """epoch,step,hours,gen_loss,disc_loss
1,500,0.5,0.4121,0.0213
1,1000,1.0,0.3911,0.0123
2,500,1.5,0.3702,0.0102
2,1000,2.0,nan,0.0077
2,1500,2.5,nan,0.0054
5,1500,7.0,nan,0.0000
9,1500,16.0,nan,0.0000
"""


def told(diagnosis: Diagnosis) -> dict[str, str]:
    """Severity by code."""
    return {each.code: each.severity.value for each in diagnosis.findings}


def test_the_first_table_shows_the_drift_and_that_the_best_is_the_most_suppressed(diagnosed):
    diagnosis = diagnosed(FIRST)
    assert told(diagnosis) == {"WP319": "WARN", "WP402": "WARN", "WP401": "INFO"}
    drift, chosen, silence = diagnosis.findings
    assert drift.evidence["last_ratio"] == pytest.approx(0.633)
    assert 235_000 < drift.evidence["half_the_level_at_step"] < 240_000
    assert chosen.step == 220_000
    assert chosen.evidence["Val rms_ratio"] == 0.746
    assert "torchmetrics" in silence.title
    assert diagnosis.run.selecting is not None
    assert diagnosis.run.selecting.name == "Val SI-SDR"


def test_the_table_as_typed_in_markdown_says_the_same(diagnosed):
    lines = [line.replace(",", " | ") for line in FIRST.splitlines()]
    text = "\n".join(f"| {line} |" for line in [lines[0], "---|---|---|---", *lines[1:]])
    assert told(diagnosed(text, "report.md")) == told(diagnosed(FIRST))


def test_the_second_table_drifts_but_its_best_is_not_the_most_suppressed(diagnosed):
    assert told(diagnosed(SECOND)) == {"WP319": "WARN", "WP401": "INFO"}


def test_the_criterion_of_the_repair_was_held_and_lost(diagnosed):
    asked = Asked(criteria=(parse_criterion("rms_ratio in 0.9..1.1 from 205K"),))
    (unmet,) = (each for each in diagnosed(SECOND, asked=asked).findings if each.code == "WP408")
    assert (unmet.severity.value, unmet.since_step) == ("WARN", 225_000)
    assert "last at step 225000; at the end it is 0.752" in unmet.title


def test_a_criterion_that_was_never_met_fails(diagnosed):
    # 1.5 M steps later the ratio had settled between 0.876 and 0.909 and ended at 0.881.
    text = "step,rms_ratio\n" + "".join(
        f"{1_300_000 + 10_000 * index},{ratio}\n"
        for index, ratio in enumerate((0.889, 0.879, 0.876, 0.89, 0.884, 0.881))
    )
    asked = Asked(criteria=(parse_criterion("rms_ratio in 0.9..1.1"),))
    assert told(diagnosed(text, asked=asked)) == {"WP408": "FAIL"}
    assert told(diagnosed(text)) == {}


def test_validation_that_swings_by_more_than_it_has_to_show_cannot_choose(diagnosed):
    # Every 5K steps on fresh mixtures; neighbours swing between -1.97 and -4.96 dB.
    scores = (-3.1, -2.4, -4.1, -3.6, -1.97, -4.96, -2.9, -3.3, -2.2, -4.4, -3.0, -3.9, -2.6, -3.5)
    lines = [f"{425_000 + 5000 * i},{score} dB" for i, score in enumerate(scores)]
    diagnosis = diagnosed("\n".join(["step,val SI-SDR", *lines]))
    assert told(diagnosis) == {"WP404": "WARN", "WP401": "INFO"}
    evidence = diagnosis.findings[0].evidence
    assert evidence["largest_swing"] == pytest.approx(2.99)
    assert evidence["largest_swing_at_step"] == 450_000
    assert evidence["resolution"] > 1.5


def test_the_same_validation_on_a_frozen_list_is_no_alarm(diagnosed):
    # The noise of one validation was 0.007 dB after the seed was fixed.
    scores = [-2.00 + 0.007 * (-1) ** i * (1 + i % 3) / 2 for i in range(14)]
    lines = [f"{500_000 + 5000 * i},{score:.4f}" for i, score in enumerate(scores)]
    assert not diagnosed("\n".join(["step,val SI-SDR", *lines])).alarmed


def test_the_codec_is_below_silence_and_its_level_has_collapsed(diagnosed):
    diagnosis = diagnosed(CODEC)
    assert told(diagnosis) == {"WP319": "FAIL", "WP401": "FAIL"}
    assert diagnosis.findings[1].evidence["best_lead"] == -0.46
    assert diagnosis.findings[1].step == 10


def test_one_row_below_silence_is_enough_to_ask(diagnosed):
    assert told(diagnosed("epoch,snr_db\n10,-0.46\n")) == {"WP401": "WARN"}


def test_the_enhancer_trained_on_nan_for_fourteen_hours(diagnosed):
    diagnosis = diagnosed(ENHANCER)
    assert told(diagnosis) == {"WP301": "FAIL", "WP110": "WARN"}
    nan, critic = diagnosis.findings
    assert nan.evidence["hours_spent_after_it"] == pytest.approx(14)
    assert nan.evidence["last_finite"] == 0.3702
    assert str(nan.evidence["first_row"]).endswith("log.csv:5")
    assert "14 hours for nothing" in nan.title
    assert critic.evidence["last_before"] == 0.0054
    assert critic.evidence["written_as_0_below"] == pytest.approx(5e-5)


@pytest.mark.parametrize("text", [FIRST, SECOND, CODEC, ENHANCER])
def test_every_finding_has_a_page_numbers_and_a_suspect_with_its_experiment(diagnosed, text):
    for finding in diagnosed(text).findings:
        assert finding.code in rule_codes()
        assert any(isinstance(value, float) for value in finding.evidence.values())
        assert all(each.intervention for each in finding.suspects)
        assert "cause" not in finding.title
