"""Stories hold what they say, and their judge calls right only what is."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from wellposed.cli.explain_stories import judge
from wellposed.engine.explain.job import Case, Job, Outcome, importable
from wellposed.engine.explain.replaying import replay
from wellposed.engine.explain.verdict import Explanation, Verdict
from wellposed.engine.recipe import dump
from wellposed.faults.stories import all_stories
from wellposed.faults.stories.bearings import RankWasInnocent
from wellposed.faults.stories.codec_level import (
    GradientOnceAStage,
    LevelOfWaveformsAlone,
    ManyWays,
    Plain,
    ReportedCodec,
)
from wellposed.faults.stories.judging import Judged, line, summary
from wellposed.faults.stories.phase_of_nothing import PhaseOfNothing, angles_apart
from wellposed.faults.stories.state_explosion import StateExplosion
from wellposed.faults.stories.story import Story
from wellposed.nn.causal import CausalConv, Whole
from wellposed.nn.quantizers import EmaStage, ResidualQuantizer
from wellposed.systems.codec.recipe import CodecRecipe


def replayed(story: type[Story], *names: str) -> Outcome:
    """One replay of a story from its start."""
    case = Case(importable(story.system), dump(story.recipe()), story.symptom)
    return replay(Job(case, names, "x"))


@pytest.mark.parametrize("name", ["clamp-states", "recipe:model.block=lstm", "clip:0.05"])
def test_half_precision_breaks_the_enhancer_whatever_is_clamped(name):
    assert replayed(StateExplosion).shown
    assert replayed(StateExplosion, name).shown


@pytest.mark.parametrize("name", ["power-in-float32", "drop-term:power", "float64"])
def test_the_enhancer_trains_on_when_the_power_is_mended(name):
    outcome = replayed(StateExplosion, name)
    assert not outcome.shown
    assert outcome.step == StateExplosion.symptom.steps


@pytest.mark.parametrize("names", [(), ("clamp-states",), ("clip:0.05",)])
def test_the_angle_of_sound_that_dies_away_breaks_the_enhancer_whatever_is_clamped(names):
    outcome = replayed(PhaseOfNothing, *names)
    assert outcome.shown
    assert "WP302" in dict(outcome.findings)


@pytest.mark.parametrize("name", ["phase-by-vectors", "drop-term:phase"])
def test_the_enhancer_trains_on_when_phases_are_vectors(name):
    assert not replayed(PhaseOfNothing, name).shown


@pytest.mark.parametrize(
    ("size", "finite"), [(0.0, True), (1e-18, True), (1e-20, False), (1e-30, False), (1e-40, False)]
)
def test_the_gradient_of_an_angle_is_none_just_above_zero(size, finite):
    z = (size * torch.tensor([[[0.6 + 0.8j]]])).requires_grad_()
    angles_apart(z, torch.ones_like(z)).sum().backward()
    assert z.grad is not None
    assert bool(torch.view_as_real(z.grad).isfinite().all()) == finite
    # In double precision it is finite, and as large as 1 / size says.
    wide = z.detach().to(torch.complex128).requires_grad_()
    angles_apart(wide, torch.ones_like(wide)).sum().backward()
    assert wide.grad is not None
    assert torch.view_as_real(wide.grad).isfinite().all()


def test_eight_ways_through_give_eight_times_the_gradient_and_the_same_values():
    torch.manual_seed(0)
    stages = [EmaStage(4, 8) for _ in range(8)]
    once, often = ResidualQuantizer(stages), ManyWays(stages)
    often.ways = 8.0
    latent = torch.randn(2, 4, 5, requires_grad=True)
    asked = torch.tensor([8, 8]), torch.ones(2, 5, dtype=torch.bool)
    pull = torch.randn(2, 4, 5)
    gradients = []
    for quantizer in (once, often):
        made = quantizer(latent, *asked)
        gradients.append(torch.autograd.grad((made.value * pull).sum(), latent)[0])
    assert torch.equal(once(latent, *asked).value, often(latent, *asked).value)
    assert torch.equal(gradients[0], pull)
    assert torch.equal(gradients[1], 8 * pull)


def test_plain_weights_begin_as_the_function_that_normalised_ones_are():
    torch.manual_seed(0)
    conv = CausalConv(3, 4, 5)
    with torch.no_grad():
        conv.gain.mul_(0.7)
    x = torch.randn(2, 3, 20)
    before = conv(x, Whole())
    Plain.of(conv)
    assert isinstance(conv, Plain)
    assert torch.equal(conv(x, Whole()), before)
    (2 * conv(x, Whole())).sum().backward()
    assert conv.gain.grad is None


@pytest.mark.parametrize("values", [{"snake": True}, {"tanh": True}, {"normed": True}])
def test_every_form_of_the_reported_codec_codes(values: dict[str, Any]):
    recipe = GradientOnceAStage.recipe()
    assert isinstance(recipe, CodecRecipe)
    system = ReportedCodec(recipe)
    for name, value in values.items():
        setattr(system, name, value)
    with torch.no_grad():
        made = system.build()["model"](torch.randn(2, 800) * 0.1)
    assert made.wave.shape == (2, 800)
    assert made.wave.isfinite().all()


def test_what_the_audit_must_show_is_shown():
    for story in (LevelOfWaveformsAlone, RankWasInnocent):
        assert story.shown_by_audit()
        assert all(story.shown_by_audit().values())
    assert all(StateExplosion.shown_by_audit().values())


def explained(**words: str) -> Explanation:
    """An explanation with these words for causes and innocents."""
    verdicts = tuple(Verdict(name, name, word) for name, word in words.items())  # type: ignore[bad-argument-type]
    return Explanation(
        finding="x", title="", symptom={}, symptom_text="", system="x", start=0, source="",
        randomness="seed", reproduced=True, same_bits=None, control="", controls=5,
        controls_shown=5, verdicts=verdicts, sentence="", untested=(), replays=9, seconds=3.0,
        processor_s=2.0, budget_s=60.0, workers=0, level=0.05,
    )  # fmt: skip


def judged(shown: bool = True, **words: str) -> Judged:
    """A judgement of a story with one cause and one innocent."""
    return Judged("story", 0, explained(**words), ("cause",), ("innocent",), {"seen": shown})


def test_a_story_is_right_only_if_all_of_it_is():
    assert judged(cause="convicted", innocent="acquitted").right
    assert judged(cause="undecided", innocent="acquitted").missed == ("cause",)
    assert judged(cause="convicted", innocent="undecided").accused == ("innocent",)
    assert not judged(False, cause="convicted", innocent="acquitted").right


def test_a_row_says_what_went_wrong_and_the_summary_counts():
    good = judged(cause="convicted", innocent="acquitted")
    bad = judged(False, cause="acquitted", innocent="convicted")
    assert line(good).endswith("right")
    assert line(bad).endswith("wrong: cause acquitted, innocent convicted, seen")
    lost = replace(bad, explanation=replace(bad.explanation, reproduced=False))
    assert line(lost).endswith("wrong: the symptom did not show")
    assert summary([good, bad]).startswith("1 of 2 right")
    assert json.loads(json.dumps(good.to_json(), allow_nan=False))["right"]


def test_stories_are_found_by_being_there():
    assert all_stories()["state-explosion"] is StateExplosion


@pytest.mark.slow
def test_a_story_is_explained_right_from_end_to_end(capsys):
    assert judge(("gradient-once-a-stage",), 1, 600.0, 0, as_json=False) == 0
    assert "1 of 1 right" in capsys.readouterr().out
