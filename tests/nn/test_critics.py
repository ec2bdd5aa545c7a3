"""Critics of waveforms, and the least-squares terms."""

import torch

from wellposed.nn.critics import PEAK, WaveCritic, prepared
from wellposed.nn.critics.least_squares import fake_term, fooling_term, matching_term, real_term


def critic(rate: int = 16000) -> WaveCritic:
    torch.manual_seed(0)
    return WaveCritic(rate, (2, 3), (32.0,), (4, 8, 8), 4)


def waves(samples: int = 4000) -> torch.Tensor:
    return 0.1 * torch.randn(3, samples, generator=torch.Generator().manual_seed(0))


def test_every_part_scores_every_item_and_shows_its_layers():
    said = critic()(waves())
    assert len(said) == 3
    for part in said:
        assert part.scores.shape[0] == 3
        assert all(len(layer) == 3 for layer in part.layers)
    assert len(said[0].layers) == 3
    assert len(said[2].layers) == 5 * 5


def test_an_item_is_scored_as_alone():
    made, heard = critic(), waves()
    for item, wave in enumerate(heard):
        for whole, alone in zip(made(heard), made(wave[None]), strict=True):
            assert torch.allclose(whole.scores[item], alone.scores[0], atol=1e-5)


def test_what_is_heard_has_neither_level_nor_offset():
    wave = waves()
    heard = prepared(10 * wave + 0.3)
    assert torch.allclose(heard, prepared(wave), atol=1e-4)
    assert torch.allclose(heard.abs().amax(-1), torch.full((3,), PEAK), atol=1e-4)
    assert prepared(torch.zeros(1, 9)).isfinite().all()


def test_every_weight_of_a_critic_gets_a_gradient():
    made = critic()
    torch.stack([part.scores.square().mean() for part in made(waves())]).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in made.parameters())


def test_least_squares_terms_are_their_formulas():
    scores = [torch.tensor([[0.0, 1.0], [2.0, 2.0]]), torch.tensor([[1.0], [-1.0]])]
    assert real_term(scores).tolist() == [0.5 + 0.0, 1.0 + 4.0]
    assert fake_term(scores).tolist() == [0.5 + 1.0, 4.0 + 1.0]
    assert torch.equal(fooling_term(scores), real_term(scores))


def test_matching_sums_the_mean_differences_of_layers_and_spares_the_real_side():
    fake = [[torch.zeros(2, 3, requires_grad=True)], [torch.ones(2, 4)]]
    real = [[torch.full((2, 3), 2.0, requires_grad=True)], [torch.zeros(2, 4)]]
    told = matching_term(fake, real)
    assert told.tolist() == [3.0, 3.0]
    told.sum().backward()
    assert fake[0][0].grad is not None
    assert real[0][0].grad is None
