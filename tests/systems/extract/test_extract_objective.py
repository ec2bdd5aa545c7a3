"""The objective: class means that no split changes, segments, levels, and pathological batches."""

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.stft import Stft
from wellposed.engine.recipe import changed
from wellposed.losses.extraction import squared_log_gain
from wellposed.systems.extract.model import Extracted
from wellposed.systems.extract.objective import Wanted, extract_terms, speaking, terms_of
from wellposed.systems.extract.recipe import ExtractRecipe

RECIPE = changed(
    ExtractRecipe(curriculum=()),
    {"scenes.present": 2, "scenes.partial": 1, "scenes.absent": 1, "scenes.rate": 8000,
     "training.batch_size": 8},
    "test",
)  # fmt: skip
STFT = Stft.of_duration(8000, 32.0, 16.0)
SPANS = torch.tensor([[0, 4000], [1000, 3000], [0, 4000], [0, 0]]).repeat(4, 1)
TIME = torch.arange(4000)
MADE = torch.Generator().manual_seed(0)
INSIDE = (SPANS[:, :1] <= TIME) & (SPANS[:, 1:] > TIME)
TARGET = torch.randn(16, 4000, generator=MADE) * INSIDE
MIXTURE = TARGET + torch.randn(16, 4000, generator=MADE)
ESTIMATE = 0.7 * TARGET + 0.2 * torch.randn(16, 4000, generator=MADE)
FRAMES = torch.randn(16, STFT.frames(4000), generator=MADE)


def terms(
    rows: slice | torch.Tensor | list[int], estimate=ESTIMATE, mixture=MIXTURE, target=TARGET
):
    made = Extracted(estimate[rows], FRAMES[rows], FRAMES[rows].mean(1))
    return extract_terms(made, Wanted(mixture[rows], target[rows], SPANS[rows]), RECIPE)


def total(values) -> torch.Tensor:
    weights = terms_of(RECIPE)
    return torch.stack([weights[name] * value.mean() for name, value in values.items()]).sum()


@pytest.mark.parametrize("size", [1, 2, 4, 16])
def test_how_a_batch_is_divided_changes_neither_loss_nor_gradient(size):
    whole = ESTIMATE.clone().requires_grad_()
    total(terms(slice(None), whole)).backward()
    pieces = ESTIMATE.clone().requires_grad_()
    parts = [total(terms(slice(at, at + size), pieces)) for at in range(0, 16, size)]
    torch.stack(parts).mean().backward()
    assert_close(torch.stack(parts).mean(), total(terms(slice(None))))
    assert_close(pieces.grad, whole.grad)


def test_the_size_of_a_batch_changes_nothing_either():
    small = {name: value.mean() for name, value in terms(slice(0, 4)).items()}
    twice = [0, 1, 2, 3, 0, 1, 2, 3]
    for name, value in terms(twice).items():
        assert_close(value.mean(), small[name])


def test_a_term_is_the_mean_over_its_class():
    values = terms(slice(None))
    has = SPANS[:, 1] > 0
    speech = ESTIMATE * INSIDE
    assert_close(values["anchor"].mean(), squared_log_gain(speech, TARGET)[has].mean())
    assert not values["snr"][~has].any()
    assert not values["absent"][SPANS[:, 1] == 4000].any()


def test_everything_scales_together():
    quiet = terms(slice(None), 1e-2 * ESTIMATE, 1e-2 * MIXTURE, 1e-2 * TARGET)
    for name, value in terms(slice(None)).items():
        assert_close(quiet[name], value, rtol=1e-4, atol=1e-4)


def test_in_a_partly_present_scene_only_the_silent_part_must_be_silent():
    row = slice(1, 2)
    perfect = terms(row, TARGET)
    leak = TARGET.clone()
    leak[1, 3500:] = MIXTURE[1, 3500:]
    assert perfect["absent"].item() == 0
    assert terms(row, leak)["absent"].item() > 20
    assert_close(terms(row, leak)["snr"], perfect["snr"])


def test_what_a_window_smears_over_the_edge_counts_little_where_nobody_else_speaks():
    row = slice(1, 2)
    alone, smeared = TARGET.clone(), TARGET.clone()
    smeared[1, 3500:] = 0.003 * alone[1].std()
    values = terms(row, smeared, alone)
    assert 0 < values["absent"].item() < 1
    # Relative to the rest of the mixture alone, which is exactly silent, it would be endless.
    assert not alone[1, 3500:].any()


def test_silence_does_not_pay_and_passing_costs_where_nobody_is_wanted():
    passed = terms(slice(None), MIXTURE)["absent"][SPANS[:, 1] == 0]
    assert (passed > 59).all()  # 30 dB, times four scenes for two with silence
    silent = total(terms(slice(None), 0 * ESTIMATE))
    assert total(terms(slice(None), TARGET)) < total(terms(slice(None))) < silent


def test_a_batch_of_absent_scenes_and_silent_mixtures_is_finite():
    rows = SPANS[:, 1] == 0
    estimate = ESTIMATE.clone().requires_grad_()
    values = terms(rows, estimate, 0 * MIXTURE)
    total(values).backward()
    assert all(value.isfinite().all() for value in values.values())
    assert estimate.grad is not None
    assert estimate.grad.isfinite().all()


def test_phases_without_absent_scenes_have_no_terms_about_them():
    recipe = ExtractRecipe()
    whole = changed(recipe, {"scenes.present": 8, "scenes.partial": 0}, "test")
    assert {"absent", "presence"}.isdisjoint(terms_of(whole))
    # A part without the target is silence to be kept, but no scene lacks the target.
    assert {"absent", "presence"} & set(terms_of(recipe)) == {"absent"}
    assert {"absent", "presence"} <= set(terms_of(recipe.at_step(2000)[1]))


def test_presence_of_frames_follows_the_target():
    heard = speaking(TARGET, STFT)
    assert heard[0].all()
    assert not heard[3].any()
    assert heard[1, 10:20].all()
    assert not heard[1, :5].any()
