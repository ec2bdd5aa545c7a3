"""What the audit says of the items themselves: broken, clipped, offset, twice, silent, late."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from little_problem import problem
from torch import Tensor

from wellposed.guard.audit.problem import audit_problem
from wellposed.guard.audit.problem.questions.scenes_looked_at import measured
from wellposed.guard.audit.verdict import Answer

SAMPLES = 512


def batch(number: int) -> dict[str, Tensor]:
    """Noise at a tenth of full scale in noise."""
    draws = torch.Generator().manual_seed(number)
    clean = 0.1 * torch.randn(8, SAMPLES, generator=draws)
    return {"noisy": clean + 0.02 * torch.randn(8, SAMPLES, generator=draws), "clean": clean}


def asked(change: Any = None, **fields: Any) -> list[Answer]:
    """The answers of the question for batches that are changed."""

    def changed(number: int) -> dict[str, Tensor]:
        made = batch(number)
        if change is not None:
            change(made)
        return made

    given = {"batch": changed, "waveforms": ("noisy",), **fields}
    return list(audit_problem(problem(**given), only=("scenes_looked_at",)).answers)


def found(answers: list[Answer]) -> dict[str, tuple[str, str]]:
    return {each.finding.code: (each.word, each.text) for each in answers if each.finding}


def test_sound_items_are_told_with_their_levels():
    (answer,) = asked()
    assert answer.word == "ok"
    assert "128 waves looked at: inputs at -2" in answer.text
    assert "in step with their labels; none broken" in answer.text


def test_a_nan_is_a_failure():
    def broken(made: dict[str, Tensor]) -> None:
        made["noisy"][3, 5] = math.nan

    assert found(asked(broken)) == {
        "WP417": ("FAIL", "8 of 128 waves hold NaN or infinity: noisy of train")
    }


def test_flat_tops_and_offsets_are_told():
    def clipped(made: dict[str, Tensor]) -> None:
        made["noisy"][0, 40:48] = made["noisy"][0].abs().max() * 1.1
        made["clean"][1] += 0.2

    texts = [text for _, text in [(e.word, e.text) for e in asked(clipped)]]
    assert "8 of 128 waves have flat tops: noisy of train" in texts
    assert "8 of 128 waves hold a constant of over a tenth of their power: clean of train" in texts


def test_silent_labels_beyond_what_was_declared_are_told():
    def silent(made: dict[str, Tensor]) -> None:
        made["clean"][:2] = 0

    told = found(asked(silent))
    assert told["WP105"][1] == "16 of 64 labels are exactly silent; declared are 0.00%"
    plan = problem().plan
    declared = type(plan)(steps=1000, silent_targets=0.25)
    assert "WP105" not in found(asked(silent, plan=declared))


def test_an_input_of_validation_that_is_in_training_is_a_failure():
    told = found(asked(validation=[batch(1)]))
    assert told["WP416"] == ("FAIL", "8 inputs of validation are in training too, to the bit")
    assert "WP416" not in found(asked(validation=[batch(99)]))


def test_labels_that_are_late_are_told_by_the_sample():
    def late(made: dict[str, Tensor]) -> None:
        made["clean"] = made["clean"].roll(7, -1)

    told = found(asked(late))
    assert told["WP414"][0] == "FAIL"
    assert "7 samples later" in told["WP414"][1]


def test_without_a_waveform_it_is_not_asked():
    (answer,) = audit_problem(problem(), only=("scenes_looked_at",)).answers
    assert answer.word == "--"


@pytest.mark.parametrize(("kept", "wanted"), [(256, 0.5), (512, 1.0)])
def test_the_content_of_a_wave_ends_where_its_band_ends(kept, wanted):
    draws = torch.Generator().manual_seed(0)
    spectrum = torch.fft.rfft(torch.randn(1024, generator=draws, dtype=torch.float64))
    spectrum[kept:] = 0
    wave = torch.fft.irfft(spectrum)
    assert measured(wave, "x", "train").highest == pytest.approx(wanted, abs=0.01)


def test_a_constant_is_all_offset_and_one_flat_top():
    looked = measured(torch.full((100,), 0.5), "x", "train")
    assert looked.offset_share == pytest.approx(1.0)
    assert looked.flat == 100
    assert looked.level_db == pytest.approx(-6.02, abs=0.01)
    assert measured(torch.zeros(100), "x", "train").silent


def error(estimate: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    return (estimate - batch["clean"]).square().mean(-1)


def resolved(smallest_gain: float) -> Answer:
    made = problem(
        validation=[batch(100 + number) for number in range(4)],
        yardsticks={"error": (error, "lower")},
        select="error",
        smallest_gain=smallest_gain,
    )
    (answer,) = audit_problem(made, only=("validation_resolves",)).answers
    return answer


def test_what_the_validation_sees_is_told_and_compared_with_what_counts():
    answer = resolved(0.0)
    assert answer.text.startswith("32 validation items see a gain of ")
    assert answer.text.endswith("no smallest gain that counts is stated")
    assert resolved(1.0).word == "ok"


def test_a_gain_that_nobody_can_see_is_told_with_the_items_it_needs():
    answer = resolved(1e-9)
    assert answer.finding is not None
    assert (answer.finding.code, answer.finding.severity) == ("WP404", "WARN")
    needed = int(answer.finding.evidence["items_needed"])
    seen = float(answer.finding.evidence["resolution"])
    assert needed == math.ceil(32 * (seen / 1e-9) ** 2)


def test_without_a_yardstick_or_items_the_resolution_is_not_asked():
    (answer,) = audit_problem(problem(), only=("validation_resolves",)).answers
    assert answer.word == "--"
