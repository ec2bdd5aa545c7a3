"""The network: sizes, levels, filling up, causality, silence, and what an enrolment does."""

import pytest
import torch
from torch.testing import assert_close

from wellposed.nn.cues import Cue, PresenceHead
from wellposed.systems.extract.model import Extract
from wellposed.systems.extract.recipe import SIZES, Model


def built(rate: int = 8000, **changes) -> Extract:
    torch.manual_seed(0)
    network = Extract(SIZES["tiny"].model_copy(update=changes), rate).eval()
    with torch.no_grad():  # cues that start at nothing would make tests of them empty
        for cue in network.cues:
            assert isinstance(cue, Cue)
            cue.film.weight.normal_(0, 0.1)
    return network.requires_grad_(False)


NETWORK = built()
MADE = torch.Generator().manual_seed(1)
MIXTURE = torch.randn(2, 6000, generator=MADE) * 0.1
ENROLMENT = torch.randn(2, 5000, generator=MADE) * 0.1


def count(model: Model, rate: int) -> int:
    return sum(p.numel() for p in Extract(model, rate).parameters())


@pytest.mark.parametrize("size", ["medium", "medium-causal", "mamba"])
def test_the_presets_have_at_most_two_million_parameters(size):
    assert count(SIZES[size], 16000) <= 2_000_000
    assert Model() == SIZES["medium"]


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_the_estimate_has_the_shape_of_the_mixture_at_every_rate(rate):
    made = built(rate)(MIXTURE, ENROLMENT)
    assert made.estimate.shape == MIXTURE.shape
    assert made.whole.shape == (2,)
    assert made.frames.shape == (2, built(rate).stft.frames(6000))


def test_the_output_follows_the_mixtures_level_and_ignores_the_enrolments():
    made = NETWORK(MIXTURE, ENROLMENT)
    louder, other = NETWORK(8 * MIXTURE, ENROLMENT), NETWORK(MIXTURE, 8 * ENROLMENT)
    assert_close(louder.estimate, 8 * made.estimate, rtol=1e-3, atol=1e-4)
    assert_close(other.estimate, made.estimate, rtol=1e-3, atol=1e-5)


def test_another_enrolment_gives_another_estimate():
    made, other = NETWORK(MIXTURE, ENROLMENT), NETWORK(MIXTURE, ENROLMENT.flip(-1))
    assert (made.estimate - other.estimate).abs().max() > 1e-4


def test_filling_up_a_shorter_enrolment_changes_nothing():
    alone = NETWORK(MIXTURE[:1], ENROLMENT[:1, :3001])
    filled = ENROLMENT.clone()
    filled[0, 3001:] = 0
    together = NETWORK(MIXTURE, filled)
    assert_close(together.estimate[:1], alone.estimate, rtol=1e-4, atol=1e-6)
    assert_close(together.whole[:1], alone.whole, rtol=1e-4, atol=1e-5)


def test_a_silent_mixture_and_an_empty_enrolment_give_exact_silence():
    assert not NETWORK(0 * MIXTURE, ENROLMENT).estimate.any()
    nobody = ENROLMENT.clone()
    nobody[1] = 0
    made = NETWORK(MIXTURE, nobody)
    assert made.estimate[0].any()
    assert not made.estimate[1].any()
    assert torch.stack((made.whole, made.frames.sum(1))).isfinite().all()
    assert made.whole[1] < -10 < made.whole[0]
    assert (made.frames[1] < -10).all()


@pytest.mark.parametrize("block", ["lstm", "mamba"])
def test_the_causal_network_does_not_see_beyond_its_window(block):
    network = built(causal=True, block=block)
    assert network.latency_samples == 255
    other = MIXTURE.clone()
    other[:, 4000:] = 0.3
    first, second = network(MIXTURE, ENROLMENT), network(other, ENROLMENT)
    untouched = 4000 - 255
    assert torch.equal(first.estimate[:, :untouched], second.estimate[:, :untouched])
    assert not torch.equal(first.estimate[:, untouched:], second.estimate[:, untouched:])
    frames = 4000 // network.stft.hop
    assert torch.equal(first.frames[:, :frames], second.frames[:, :frames])


def test_the_presence_of_a_scene_lies_between_mean_and_maximum_whatever_its_length():
    head = PresenceHead(4, 4)
    logits = torch.tensor([[-3.0, 1.0, 5.0, -2.0]])
    whole = head.whole(logits)
    assert logits.mean() < whole < logits.max()
    assert_close(head.whole(logits.repeat(1, 7)), whole)


def test_every_parameter_gets_a_gradient():
    network = built().train().requires_grad_(True)
    made = network(MIXTURE, ENROLMENT)
    (made.estimate.square().sum() + made.frames.square().sum() + made.whole.sum()).backward()
    unmoved = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert unmoved == []
