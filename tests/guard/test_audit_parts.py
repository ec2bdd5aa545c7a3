"""The pieces of the audit: probes, SNR-equivalents, what a loss may return, what is printed."""

import json
import math

import pytest
import torch
from reported_losses import l1, mse, raw_energy, si_sdr
from torch import Tensor

from wellposed.dsp.stft import Stft
from wellposed.guard import Severity, audit_loss
from wellposed.guard.audit import Probes
from wellposed.guard.audit.asked import Asked, spectrum
from wellposed.guard.audit.ladder import Ladder
from wellposed.guard.audit.probes import rms
from wellposed.guard.audit.verdict import QUESTIONS

PROBES = Probes.synthetic(0)


def test_probes_have_the_level_asked_for_silent_pauses_and_no_two_alike():
    assert torch.allclose(PROBES.level, torch.tensor(0.1))
    assert ((PROBES.reference == 0).float().mean(-1) > 0.05).all()
    everything = torch.cat((PROBES.reference, PROBES.unrelated))
    alike = torch.corrcoef(everything).fill_diagonal_(0).abs()
    assert alike.max() < 0.5


def test_probes_depend_on_the_seed_alone():
    assert torch.equal(Probes.synthetic(3).reference, Probes.synthetic(3).reference)
    assert not torch.equal(Probes.synthetic(3).reference, Probes.synthetic(4).reference)


def test_noisy_probes_have_the_snr_asked_for_and_noise_that_holds_nothing_of_the_reference():
    for snr_db in (-10.0, 0.0, 20.0):
        error = PROBES.noisy(snr_db) - PROBES.reference
        assert torch.allclose(
            20 * torch.log10(PROBES.level / rms(error)), torch.tensor(snr_db), atol=1e-5
        )
        inner = (error * PROBES.reference).sum(-1) / (error.norm(dim=-1) * 10)
        assert inner.abs().max() < 1e-5


@pytest.mark.parametrize(
    "given",
    [torch.zeros(4, 100), torch.randn(1, 100), torch.randn(100), torch.full((2, 9), math.nan)],
)
def test_probes_that_cannot_be_asked_with_are_refused(given: Tensor):
    with pytest.raises(ValueError, match="probe"):
        Probes.given(given)


def test_an_estimate_is_worth_its_own_snr():
    # The ladder holds multiples of 5 dB; these lie between.
    for loss in (mse, l1, si_sdr):
        ladder = Ladder(Asked(loss), PROBES)
        for snr_db in (31.7, 12.3, -3.3, -22.2):
            price = ladder.price(snr_db)
            del ladder.prices[snr_db]
            assert ladder.worth(price) == pytest.approx(snr_db, abs=0.1)


def test_beyond_the_ladder_a_worth_is_infinite_and_of_no_number_none():
    ladder = Ladder(Asked(mse), PROBES)
    assert ladder.worth(-1.0) == math.inf
    assert ladder.worth(1e9) == -math.inf
    assert math.isnan(ladder.worth(math.nan))


def test_the_spectra_that_a_loss_is_given_are_those_of_our_own_transform():
    wave = PROBES.reference[:, :5000].double()
    ours = Stft.of_duration(16000, 32, 8).forward(wave)
    assert torch.allclose(spectrum(wave, 16000), ours)


def test_a_loss_per_item_and_its_mean_are_the_same_to_the_audit():
    per_item = audit_loss(lambda e, r: (e - r).square().mean(-1)).numbers
    mean = audit_loss(mse).numbers
    for key in ("worth_of_silence_db", "best_gain", "change_by_polarity"):
        assert per_item[key] == pytest.approx(mean[key], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("loss", "error", "words"),
    [
        (lambda e, r: (e - r).abs(), ValueError, "one per item"),
        (lambda e, r: 1.0, TypeError, "returned a float"),
    ],
)
def test_a_loss_that_returns_something_else_is_told_so(loss, error, words):
    with pytest.raises(error, match=words):
        audit_loss(loss)


@pytest.mark.parametrize("wrong", [{"role": "part"}, {"domain": "mel"}, {"invariances": ("time",)}])
def test_unknown_words_are_refused_with_the_known_ones(wrong):
    with pytest.raises(ValueError, match="known"):
        audit_loss(mse, **wrong)


def test_a_loss_that_ignores_high_frequencies_is_told_of_the_band():
    def low_only(estimate: Tensor, reference: Tensor) -> Tensor:
        gap = torch.fft.rfft(estimate - reference)
        return gap[:, :100].abs().square().mean()

    found = audit_loss(low_only)
    blind = next(f for f in found.findings if f.evidence.get("subject") == "invariance")
    assert "of the voice" in str(blind.evidence["transforms"])
    declared = audit_loss(low_only, invariances=("band",))
    assert all(f.evidence.get("subject") != "invariance" for f in declared.findings)


def test_a_loss_whose_floor_is_lost_in_half_precision_is_told():
    def rooted(estimate: Tensor, reference: Tensor) -> Tensor:
        return ((estimate - reference).square() + 1e-9).sqrt().mean() + (
            estimate**2 + 1e-9
        ).sqrt().mean()

    found = audit_loss(rooted, role="term")
    assert any(f.code == "WP321" and "float16" in f.title for f in found.findings)


def test_a_difference_of_large_numbers_is_told_from_its_float64_value():
    def cancelling(estimate: Tensor, reference: Tensor) -> Tensor:
        large = 1e6 + (estimate - reference).square().mean()
        return large - 1e6

    assert audit_loss(cancelling).codes() & {"WP321", "WP202", "WP103"}


def test_the_text_asks_three_questions_and_answers_each_with_a_measurement():
    made = audit_loss(raw_energy, name="mine:energy")
    text = made.text()
    assert text.startswith(
        "mine:energy\n  total on waveforms; 4 x 0.6 s of synthetic speech, seed 0"
    )
    positions = [text.index(question.upper()) for question in list(QUESTIONS)[:3]]
    assert positions == sorted(positions)
    assert "silence costs as much as an estimate of over 60 dB SNR" in text
    assert len(text.splitlines()) < 40
    assert text.splitlines()[-1].startswith(f"{sum(f.severity == 'FAIL' for f in made.findings)} ")


def test_the_json_is_strict_and_holds_answers_findings_and_numbers():
    made = audit_loss(raw_energy)
    record = json.loads(made.to_json(), parse_constant=pytest.fail)
    assert record["numbers"]["worth_of_silence_db"] == "inf"
    assert len(record["answers"]) == len(made.answers)
    assert {each["code"] for each in record["findings"]} == made.codes()
    assert made.worst == Severity.FAIL


def test_two_audits_with_one_seed_say_the_same():
    first, second = audit_loss(l1, seed=5), audit_loss(l1, seed=5)
    assert first.text() == second.text()
