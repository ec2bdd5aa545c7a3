"""The losses of public reports, sound and unsound: what the audit says of each."""

import math
from functools import cache

import pytest
from reported_losses import mel_bank, random_bank, reported, softmax_bank

from wellposed.guard import Audit, Severity, audit_loss, rule
from wellposed.guard.audit.filterbank import measure_bank

# Where it can be said on paper: what a loss pays for silence, and what must be a FAIL.
VERDICTS = {
    "si_sdr": {"WP202"},
    "l1": set(),
    "mse": set(),
    "thresholded_snr": set(),
    "rms_only": {"WP112", "WP201", "WP302"},
    "raw_energy": {"WP101", "WP112", "WP201", "WP211"},
    "relu_energy": {"WP101", "WP102", "WP112", "WP201", "WP211"},
    "log_amplitude": {"WP103", "WP112", "WP201", "WP302"},
    "angle_phase": {"WP202", "WP307"},
    "angle_phase_shifted": {"WP202", "WP307"},
    "complex_l1": set(),
    "multi_resolution": set(),
    "si_sdr_and_energy": {"WP101", "WP211"},
    "rms_and_l1": {"WP302"},
    "l1_and_multi_resolution": set(),
    "negated_l1": {"WP101", "WP111", "WP112", "WP201", "WP211"},
    "detached": {"WP103"},
    "fake_mel_random": {"WP205"},
    "fake_mel_softmax": {"WP205"},
    "real_mel": set(),
}


@cache
def audited(name: str) -> Audit:
    return audit_loss(reported()[name], name=name)


@pytest.mark.parametrize("name", VERDICTS)
def test_every_fault_is_a_fail_by_its_code_and_no_sound_loss_has_one(name: str):
    assert audited(name).codes(Severity.FAIL) == VERDICTS[name]


def test_every_verdict_was_asked_for():
    assert set(VERDICTS) == set(reported())


@pytest.mark.parametrize("name", VERDICTS)
def test_no_audit_takes_more_calls_than_200(name: str):
    # The time of an audit is that of its calls.
    assert audited(name).numbers["calls"] <= 200


def worth(name: str, of: str) -> float:
    return audited(name).numbers[f"worth_of_{of}_db"]


def test_silence_is_worth_zero_decibels_under_squares_and_ratios_of_squares():
    # |0 - s|^2 = |s|^2: noise as loud as the reference. SI-SDR of silence: eps / eps.
    for name in ("mse", "thresholded_snr", "si_sdr"):
        assert worth(name, "silence") == pytest.approx(0, abs=0.05)


def test_a_constant_at_the_level_of_the_reference_is_worth_minus_three_decibels_under_squares():
    # |c - s|^2 = 2 |s|^2, but for the mean of s: 10 log10(1/2) = -3.01.
    for name in ("mse", "thresholded_snr"):
        assert worth(name, "constant") == pytest.approx(-3.01, abs=0.1)
        assert worth(name, "noise") == pytest.approx(-3.01, abs=0.1)


def test_silence_under_a_level_term_is_worth_what_its_formula_says():
    # sqrt(1 + x) - 1 = 1: x = 3, -4.77 dB. ln(0.05)^2 = ln(sqrt(1 + x))^2: x = 399, -26.0 dB.
    assert worth("rms_only", "silence") == pytest.approx(-4.77, abs=0.1)
    assert worth("log_amplitude", "silence") == pytest.approx(-26.0, abs=0.2)


def test_silence_is_cheaper_than_noise_under_absolute_values_of_peaked_sounds():
    # Mean |s| of speech is less than that of Gaussian noise of the same power.
    assert worth("l1", "silence") > 2
    assert worth("complex_l1", "silence") > 4


def test_energy_alone_pays_for_silence_without_end():
    for name in ("raw_energy", "relu_energy", "negated_l1"):
        assert worth(name, "silence") == math.inf


def test_level_terms_take_any_sound_of_the_right_level_for_the_reference():
    for name in ("rms_only", "log_amplitude"):
        for sound in ("constant", "tone", "noise", "reversed", "unrelated"):
            assert worth(name, sound) > 40


def test_the_clamp_of_the_amplitude_holds_the_estimate_at_the_square_of_its_logarithm():
    stuck = next(f for f in audited("log_amplitude").findings if f.code == "WP103")
    assert stuck.evidence["to_db"] == -30  # 20 log10(0.05) = -26.0 lies between two levels
    assert stuck.evidence["loss_there"] == pytest.approx(math.log(0.05) ** 2)


def test_the_hinge_of_the_energy_is_flat_below_its_threshold():
    # The reference has -20 dB, the hinge opens at -30: from -10 dB down, and -10 itself is open
    # by the noise of the estimate, 0.04 dB.
    flat = next(f for f in audited("relu_energy").findings if f.code == "WP102")
    assert flat.evidence["to_db"] == -20
    assert float(flat.evidence["from_db"]) < -70


def test_the_best_gain_of_a_good_estimate_is_one_or_tells_the_bias():
    gains = {name: audited(name).numbers["best_gain"] for name in VERDICTS}
    for name in ("l1", "mse", "thresholded_snr", "complex_l1", "multi_resolution"):
        assert gains[name] == pytest.approx(1)
    assert 0.7 < gains["real_mel"] < 1
    assert gains["raw_energy"] == pytest.approx(1e-6)
    assert gains["si_sdr_and_energy"] < 1e-2
    assert gains["negated_l1"] == pytest.approx(1e3)
    assert math.isnan(gains["si_sdr"])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("mse", 40), ("rms_only", 40), ("l1", 0), ("complex_l1", 0), ("si_sdr", -40)],
)
def test_how_much_louder_items_count_more_follows_from_the_power_of_the_level(name, wanted):
    # The gradient goes as level ** 1, 0 or -1; the levels are 40 dB apart.
    assert audited(name).numbers["loud_over_quiet_db"] == pytest.approx(wanted, abs=0.1)


def test_shifting_an_angle_makes_its_gradient_at_silence_worse():
    shifted = audited("angle_phase_shifted").numbers
    plain = audited("angle_phase").numbers
    assert plain["gradient_at_an_estimate_at_-120_dB"] > 1e5
    assert shifted["gradient_at_a_silent_estimate"] > plain["gradient_at_a_silent_estimate"]
    assert shifted["gradient_at_a_silent_estimate"] > 1e6


def test_one_silent_target_outweighs_a_batch_where_its_level_divides():
    for name, least in (("multi_resolution", 100), ("log_amplitude", 100)):
        found = next(f for f in audited(name).findings if f.code == "WP314")
        assert float(found.evidence["ratio"]) > least
        assert found.severity == Severity.WARN


def test_a_term_may_ignore_content_and_level_and_a_declared_blindness_is_no_fault():
    as_term = audit_loss(reported()["si_sdr"], role="term")
    declared = audit_loss(reported()["si_sdr"], invariances=("gain", "offset", "polarity"))
    assert not as_term.codes(Severity.FAIL)
    assert not declared.codes() & {"WP202", "WP201"}
    term = audit_loss(reported()["log_amplitude"], role="term")
    assert term.codes(Severity.FAIL) == {"WP302"}  # not finite is not finite


def test_a_start_at_silence_turns_no_escape_from_silence_into_a_fail():
    said = audit_loss(reported()["real_mel"], quietest_db=-math.inf)
    assert "WP103" in said.codes(Severity.FAIL)


def test_a_mel_bank_is_told_from_random_numbers_by_the_order_of_its_rows():
    real, random, soft = (
        measure_bank(each) for each in (mel_bank(), random_bank(), softmax_bank())
    )
    # All 80 centres rise: rank correlation 1, z = sqrt(79).
    assert real.order == pytest.approx(math.sqrt(79))
    assert (real.negative, real.empty) == (0, 0)
    assert real.width < 0.03
    assert max(random.order, soft.order) < 3.3
    assert random.negative == pytest.approx(0.5, abs=0.02)
    assert soft.width > 0.9


def test_random_banks_pass_for_filterbanks_less_than_once_in_a_hundred():
    passed = sum(measure_bank(softmax_bank(seed)).order > 3.29 for seed in range(300))
    assert passed <= 3


def test_every_code_that_the_audit_can_give_has_a_page():
    codes = {code for name in VERDICTS for code in audited(name).codes()}
    for code in codes:
        assert rule(code).startswith(f"# {code} ")
