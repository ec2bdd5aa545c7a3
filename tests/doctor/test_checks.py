"""Each check on a log that has the fault, and beside it on one that has not."""

import math

import numpy as np
import pytest

from wellposed.doctor import Asked, Diagnosis

NOISE = np.random.default_rng(7)


def csv(**columns: object) -> str:
    names = [name.replace("__", "/") for name in columns]
    rows = zip(*columns.values(), strict=True)  # type: ignore[call-overload]
    return "\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]) + "\n"


def severity(diagnosis: Diagnosis, code: str) -> str | None:
    return next((f.severity.value for f in diagnosis.findings if f.code == code), None)


def steps(n: int, every: int = 100) -> list[int]:
    return [every * (i + 1) for i in range(n)]


def falling(n: int, spread: float = 0.05) -> list[float]:
    """A loss that settles, with noise."""
    draw = np.random.default_rng(n)
    return [(0.2 + math.exp(-3 * i / n)) * (1 + spread * draw.normal()) for i in range(n)]


# Non-finite ---------------------------------------------------------------------------------


def test_a_loss_that_is_nan_now_and_then_is_a_warning(diagnosed):
    loss = falling(40)
    loss[11] = loss[25] = math.nan
    found = diagnosed(csv(step=steps(40), loss=loss))
    assert severity(found, "WP301") == "WARN"
    assert found.findings[0].evidence["times"] == 2


def test_a_term_that_turns_infinite_first_is_named(diagnosed):
    total, term = falling(30), falling(30)
    term[10:] = [math.inf] * 20
    total[12:] = [math.nan] * 18
    found = diagnosed(csv(step=steps(30), loss=total, loss__phase=term))
    assert found.findings[0].evidence["subject"] == "loss/phase"
    assert found.findings[0].since_step == 1100
    assert found.findings[0].evidence["also"] == "loss"


def test_a_validation_that_is_nan_beside_a_finite_loss_is_told_apart(diagnosed):
    pesq = [1.5, math.nan, 1.7, 1.8, math.nan, 1.9]
    found = diagnosed(csv(step=steps(6), loss=falling(6), val_pesq=pesq))
    assert severity(found, "WP405") == "WARN"
    assert severity(found, "WP301") is None


def test_a_validation_that_is_nan_because_the_run_is_says_so_once(diagnosed):
    loss, pesq = falling(8), [1.5, 1.6, 1.7, 1.7] + [math.nan] * 4
    loss[4:] = [math.nan] * 4
    assert [f.code for f in diagnosed(csv(step=steps(8), loss=loss, val_pesq=pesq)).findings] == [
        "WP301"
    ]


# Level --------------------------------------------------------------------------------------


def test_a_level_in_db_that_runs_away_upwards_is_a_drift(diagnosed):
    level = [0.1 * i + 0.05 * NOISE.normal() for i in range(40)]
    found = diagnosed(csv(step=steps(40), level_error_db=level))
    assert severity(found, "WP319") == "WARN"
    assert found.findings[0].evidence["twice_the_level_at_step"] > 4000


def test_a_level_that_drifts_by_little_is_worth_knowing_only(diagnosed):
    level = [-0.5 - 0.01 * i + 0.01 * NOISE.normal() for i in range(40)]
    assert severity(diagnosed(csv(step=steps(40), level_error_db=level)), "WP319") == "INFO"


def test_a_level_that_rises_towards_the_reference_is_no_drift(diagnosed):
    ratio = [0.1, 0.2, 0.3, 0.42, 0.55, 0.6, 0.75, 0.8]
    assert severity(diagnosed(csv(step=steps(8), rms_ratio=ratio)), "WP319") is None


def test_silence_is_a_collapse_and_no_error(diagnosed):
    found = diagnosed(csv(step=steps(4), rms_ratio=[0.4, 0.1, 0.0, 0.0]))
    assert severity(found, "WP319") == "FAIL"


# Trivial ------------------------------------------------------------------------------------


def test_snr_that_gets_above_silence_soon_is_a_warning_until_then(diagnosed):
    assert severity(diagnosed(csv(step=steps(3), snr=[-5, -3, -1.5])), "WP401") == "WARN"
    assert severity(diagnosed(csv(step=steps(3), snr=[-5, -3, 0.5])), "WP401") is None


def test_snr_that_fell_below_silence_again_is_a_warning(diagnosed):
    snr = [2, 4, 5, 5, 3, 1, -1, -2, -2.1, -1.9, -2.2, -2]
    assert severity(diagnosed(csv(step=steps(12), snr=snr)), "WP401") == "WARN"


def test_a_score_below_that_of_the_input_for_long_is_a_warning(diagnosed):
    own = [1.55 + 0.01 * (i % 3) for i in range(10)]
    text = csv(step=steps(10), val__pesq=own, val__noisy__pesq=[1.7] * 10)
    found = diagnosed(text)
    assert severity(found, "WP401") == "WARN"
    assert found.findings[0].evidence["trivial"] == "the untreated input"


def test_a_score_whose_own_interval_holds_that_of_the_input_is_no_warning(diagnosed):
    own = [1.65 + 0.01 * (i % 3) for i in range(10)]
    text = csv(
        step=steps(10), val__pesq=own, val__pesq__low=[1.4] * 10, val__pesq__high=[1.9] * 10,
        val__noisy__pesq=[1.7] * 10,
    )  # fmt: skip
    assert severity(diagnosed(text), "WP401") == "INFO"


def test_a_lower_metric_is_compared_with_its_own_end_better(diagnosed):
    text = csv(step=steps(10), val__snr_improvement=[3 + 0.1 * i for i in range(10)])
    assert severity(diagnosed(text), "WP401") is None


# Choice of the best ---------------------------------------------------------------------------


def test_a_metric_that_follows_the_drift_is_named_when_the_best_is_not_the_last(diagnosed):
    ratio = [1.0 * 0.93**i for i in range(9)] + [0.55]
    score = [0.3 * i for i in range(9)] + [2.3]
    found = diagnosed(csv(step=steps(10), rms_ratio=ratio, val_pesq=score))
    assert severity(found, "WP319") == "WARN"
    assert severity(found, "WP402") == "WARN"


def test_a_best_that_is_lowest_by_chance_is_no_finding_without_a_drift(diagnosed):
    ratio = [0.97, 0.98, 0.93, 0.96, 0.97]
    found = diagnosed(csv(step=steps(5), rms_ratio=ratio, val_pesq=[1, 2, 4, 3, 2]))
    assert severity(found, "WP402") is None


# Resolution -----------------------------------------------------------------------------------


def test_a_minimum_that_is_below_the_resolution_is_a_warning(diagnosed):
    score = [10 + 0.1 * i + 0.5 * NOISE.normal() for i in range(30)]
    text = csv(step=steps(30), val_si_sdr=score)
    assert severity(diagnosed(text, asked=Asked(minimum=0.1)), "WP404") == "WARN"
    assert severity(diagnosed(text, asked=Asked(minimum=5.0)), "WP404") is None


def test_the_best_of_equal_checkpoints_is_worth_knowing(diagnosed):
    score = [0.7 + 0.01 * NOISE.normal() for _ in range(30)]
    assert severity(diagnosed(csv(step=steps(30), val_loss=score)), "WP404") == "INFO"


# Spikes ---------------------------------------------------------------------------------------


def test_spikes_of_a_loss_around_zero_are_found(diagnosed):
    loss = [-5 + NOISE.normal() for _ in range(1000)]
    where = (400, 600, 800)
    for index in where:
        loss[index] = 60.0
    found = diagnosed(csv(step=steps(1000), loss=loss))
    assert severity(found, "WP311") == "WARN"
    assert found.findings[0].evidence["at"] == "40100, 60100, 80100"


def test_one_spike_that_comes_back_is_worth_knowing(diagnosed):
    loss = falling(600)
    loss[500] = 3.0
    assert severity(diagnosed(csv(step=steps(600), loss=loss)), "WP311") == "INFO"


# Divergence -----------------------------------------------------------------------------------


def test_a_loss_that_falls_while_a_score_gets_worse_is_a_warning(diagnosed):
    score = [2.5 + 0.4 * math.sin(math.pi * (i + 6) / 30) + 0.005 * NOISE.normal()
             for i in range(30)]  # fmt: skip
    loss = [math.exp(-i / 15) for i in range(30)]
    found = diagnosed(csv(step=steps(30), loss=loss, val_pesq=score))
    assert severity(found, "WP407") == "WARN"
    assert found.findings[0].evidence["subject"] == "val_pesq"


def test_the_loss_between_validations_is_what_counts(diagnosed):
    pesq = [2.5 - 0.1 * (i // 10) if i % 10 == 9 else "" for i in range(80)]
    text = csv(step=steps(80), loss=falling(80, 0.01), val_pesq=pesq)
    assert severity(diagnosed(text), "WP407") == "WARN"


def test_a_plateau_of_the_score_is_no_divergence(diagnosed):
    score = [2.5 - math.exp(-i / 4) + 0.02 * NOISE.normal() for i in range(30)]
    assert (
        severity(diagnosed(csv(step=steps(30), loss=falling(30), val_pesq=score)), "WP407") is None
    )


# Nothing moves --------------------------------------------------------------------------------


def test_a_rate_of_zero_is_found_where_the_log_can_show_it(diagnosed):
    rate = [1e-3] * 5 + [0.0] * 5
    assert severity(diagnosed(csv(step=steps(10), loss=falling(10), lr=rate)), "WP104") == "WARN"
    coarse = [f"{value:.4f}" for value in [1e-4] * 5 + [3e-5] * 5]
    found = diagnosed(csv(step=steps(10), loss=falling(10), lr=coarse))
    assert severity(found, "WP104") is None


def test_a_schedule_that_begins_and_ends_at_zero_is_healthy(diagnosed):
    rate = [0.0, 5e-4, 1e-3, 5e-4, 0.0]
    assert severity(diagnosed(csv(step=steps(5), loss=falling(5), lr=rate)), "WP104") is None


def test_a_loss_at_the_floor_of_its_formula_does_not_move(diagnosed):
    loss = [12.31, 9.274, 14.22, 11.5, 10.9, 9.8, *[80.0] * 8]
    found = diagnosed(csv(step=steps(14), loss=loss))
    assert severity(found, "WP114") == "FAIL"
    assert found.findings[0].since_step == 700
    never = diagnosed(csv(step=steps(6), loss=[0.6931] * 6))
    assert severity(never, "WP114") == "FAIL"
    rounded = [0.12, 0.11, 0.11, 0.1, 0.11, 0.1, 0.1, 0.1, 0.1, 0.1]
    assert severity(diagnosed(csv(step=steps(10), loss=rounded)), "WP114") is None


# Critic ---------------------------------------------------------------------------------------


def test_a_critic_whose_loss_never_changes_is_constant(diagnosed):
    found = diagnosed(csv(step=steps(8), loss=falling(8), d_loss=[0.6931] * 8))
    assert severity(found, "WP108") == "WARN"
    alive = [0.69, 0.68, 0.66, 0.7, 0.65, 0.66, 0.64, 0.66]
    assert severity(diagnosed(csv(step=steps(8), loss=falling(8), d_loss=alive)), "WP108") is None


# Going back, progress bars --------------------------------------------------------------------


def test_a_log_that_goes_back_is_worth_knowing_with_what_differs(diagnosed):
    step = [100, 200, 300, 400, 200, 300, 400, 500]
    loss = [5.1, 4.2, -2.65, 3.1, 4.2, 3.59, 3.3, 3.1]
    found = diagnosed(csv(step=step, loss=loss))
    assert severity(found, "WP312") == "INFO"
    evidence = found.findings[0].evidence
    assert (evidence["rows_left_out"], evidence["with_other_numbers"]) == (3, 2)


def test_a_progress_bar_in_the_log_is_noticed(diagnosed):
    text = csv(step=steps(3), loss=[3.1, 2.2, 1.3]).replace("\n100,", "\n50%\r\n100,", 1)
    assert severity(diagnosed(text), "WP410") is None
    bar = csv(step=steps(3), loss=[3.1, 2.2, 1.3]) + "# 10%|#   |\r# 20%|##  |\r\n"
    assert severity(diagnosed(bar), "WP410") == "INFO"


def test_what_lacks_a_column_is_listed_with_what_it_needs(diagnosed):
    unjudged = dict(diagnosed("step,loss\n1,0.5\n2,0.4\n").unjudged)
    assert "rms_ratio" in unjudged["does the output's level drift or collapse?"]
    assert unjudged["does the training loss jump?"].endswith("there are 2")


@pytest.mark.parametrize("seed", range(5))
def test_numbers_of_a_log_alone_decide_not_its_format(diagnosed, seed):
    draw = np.random.default_rng(seed)
    ratio = [round(float(1.2 * 0.9**i * math.exp(0.02 * draw.normal())), 4) for i in range(8)]
    as_csv = diagnosed(csv(step=steps(8), rms_ratio=ratio))
    lines = [f'{{"step": {s}, "rms_ratio": {r}}}' for s, r in zip(steps(8), ratio, strict=True)]
    as_json = diagnosed("\n".join(lines), "log.jsonl")
    assert [f.evidence for f in as_csv.findings] == [f.evidence for f in as_json.findings]
