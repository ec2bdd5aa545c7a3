"""How a codebook is used: exact counts, windows, and what a collapse looks like."""

import math
from itertools import count

import pytest
import torch
from torch import Tensor, nn

from wellposed.guard import Finding, Guard, Severity
from wellposed.guard.instruments.codes import code_use, draws_needed
from wellposed.guard.plan import Plan


def codes(guard: Guard) -> list[Finding]:
    return [each for each in guard.read() if each.code == "WP119"]


def windows(guard: Guard) -> list[dict[str, float]]:
    records = guard._examiner.evidence.of("codes")
    return [dict(table) for record in records for table in record.table.values()]


def watching(steps: int = 1000, every: int = 8) -> Guard:
    return Guard(nn.Linear(1, 1), plan=Plan(steps=steps), look_every=every)


class Quantizer(nn.Module):
    """Nearest code, straight through; codes follow the mean of what they stand for."""

    def __init__(self, size: int, width: int, revive_every: int = 0) -> None:
        super().__init__()
        self.codes = torch.randn(size, width)
        self.seen = torch.zeros(size)
        self.revive_every = revive_every

    def k_means(self, latents: Tensor) -> None:
        order = torch.randperm(len(latents))[: len(self.codes)]
        self.codes = latents[order].clone()
        for _ in range(5):
            self.move(latents, self.nearest(latents), 0.0)

    def nearest(self, latents: Tensor) -> Tensor:
        return torch.cdist(latents, self.codes).argmin(1)

    @torch.no_grad()
    def move(self, latents: Tensor, indices: Tensor, keep: float) -> None:
        counts = torch.bincount(indices, minlength=len(self.codes))
        means = torch.zeros_like(self.codes).index_add_(0, indices, latents)
        used = counts > 0
        fresh = means[used] / counts[used, None]
        self.codes[used] = keep * self.codes[used] + (1 - keep) * fresh
        self.seen += counts

    @torch.no_grad()
    def revive(self, latents: Tensor) -> None:
        dead = self.seen == 0
        self.codes[dead] = latents[torch.randint(len(latents), (int(dead.sum()),))]
        self.seen.zero_()

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        indices = self.nearest(latents.detach())
        return latents + (self.codes[indices] - latents).detach(), indices


def train(seed: int, size: int = 32, revive_every: int = 20, spread: float = 1.0) -> Guard:
    """An autoencoder of Gaussian data; `spread` scales what reaches the quantizer, from step 10."""
    torch.manual_seed(seed)
    encoder, decoder = nn.Linear(4, 4), nn.Linear(4, 4)
    quantizer = Quantizer(size, 4)
    model = nn.ModuleDict({"encoder": encoder, "decoder": decoder, "quantizer": quantizer})
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    guard = Guard(model, optimizer, veto=True, plan=Plan(steps=100), look_every=8)
    for step in range(80):
        x = torch.randn(64, 4)
        latents = encoder(x) * (spread if step >= 10 else 1.0)
        if step == 0:
            quantizer.k_means(latents.detach())
        quantized, indices = quantizer(latents)
        guard.codes(step, indices, size)
        if spread == 1.0:
            quantizer.move(latents.detach(), indices, 0.99)
        if revive_every and step % revive_every == revive_every - 1:
            quantizer.revive(latents.detach())
        commit = (latents - quantized.detach()).square().mean()
        terms = {"mse": (decoder(quantized) - x).square().mean(), "commit": 0.25 * commit}
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        if guard.step(step, terms):
            optimizer.step()
    return guard


def test_entropy_and_perplexity_are_those_of_the_formula():
    use = code_use(torch.tensor([4, 2, 1, 1, 0, 0, 0, 0]))
    assert use["bits"] == pytest.approx(1.75)
    assert use["perplexity"] == pytest.approx(2**1.75)
    assert (use["used"], use["draws"], use["nominal_bits"], use["largest"]) == (4, 8, 3, 0.5)


def test_even_use_reaches_the_nominal_rate_exactly():
    assert code_use(torch.full((64,), 5))["bits"] == 6


def test_after_the_draws_needed_an_unseen_even_code_is_as_rare_as_the_level():
    size, plan = 4, Plan(steps=1, false_alarms=0.05)
    draws = math.ceil(draws_needed(size, plan, 1))
    generator = torch.Generator().manual_seed(0)
    runs = torch.randint(size, (4000, draws), generator=generator)
    missing = sum(len(run.unique()) < size for run in runs)
    # Level 0.05 a window: the bound of the union is nearly reached, never passed by chance.
    assert 0.02 * 4000 < missing < 0.06 * 4000


def test_a_window_holds_the_counts_of_both_its_halves():
    guard, generator = watching(), torch.Generator().manual_seed(1)
    drawn = []
    for step in range(40):
        indices = torch.randint(16, (2, 25), generator=generator)
        drawn.append(indices)
        guard.codes(step, indices, 16)
    half, first, second, *_ = windows(guard)
    assert (half["halves"], half["draws"], half["since"]) == (1, 450, 0)
    # A half ends with the ninth step: eight steps after the first.
    assert (first["since"], second["since"]) == (0, 9)
    everything = torch.stack(drawn[:18]).flatten()
    expected = code_use(torch.bincount(everything, minlength=16))
    assert {key: first[key] for key in expected} == pytest.approx(expected)


def test_masked_indices_count_nowhere():
    guard = watching()
    for step in range(20):
        guard.codes(step, torch.tensor([-1, 0, 1, 2, 3] * 20), 4)
    assert windows(guard)[1]["draws"] == 18 * 80
    assert windows(guard)[1]["bits"] == 2


def test_a_code_beyond_the_codebook_is_refused_with_what_to_do():
    guard = watching()
    for step in range(8):
        guard.codes(step, torch.arange(5).repeat(20), 4)
    with pytest.raises(ValueError, match=r"180 indices of 'codebook' are 4 or more.*as `size`"):
        guard.codes(8, torch.arange(5).repeat(20), 4)


def test_what_is_no_index_is_refused():
    with pytest.raises(ValueError, match="float32"):
        watching().codes(0, torch.zeros(3), 4)


def test_one_code_in_a_whole_window_fails():
    guard = watching()
    for step in range(40):
        guard.codes(step, torch.full((100,), 7), 64)
    (finding,) = codes(guard)
    assert finding.severity is Severity.FAIL
    assert (finding.evidence["perplexity"], finding.evidence["bits"]) == (1, 0)
    # The first half ends eight steps after its first.
    assert (finding.step, finding.since_step) == (8, 0)


def test_a_few_steps_of_silence_with_one_code_are_no_collapse():
    guard, generator = watching(), torch.Generator().manual_seed(2)
    for step in range(60):
        indices = torch.randint(64, (200,), generator=generator)
        guard.codes(step, indices * (step > 6), 64)
    assert codes(guard) == []


@pytest.mark.parametrize("used", [16, 32])
def test_half_of_the_codes_unused_is_a_warning_that_says_since_when(used):
    guard, generator = watching(), torch.Generator().manual_seed(3)
    for step in range(60):
        guard.codes(step, torch.randint(used, (200,), generator=generator), 64)
    (finding,) = codes(guard)
    assert finding.severity is Severity.WARN
    assert finding.evidence["used"] == used
    assert finding.title.startswith(f"codebook uses {used} of 64 codes and sends {math.log2(used)}")
    assert finding.since_step == 0


def test_just_more_than_half_is_no_finding_and_uneven_use_is_a_remark():
    even, uneven = watching(), watching()
    generator = torch.Generator().manual_seed(4)
    share = 1.0 / torch.arange(1, 65) ** 1.5
    for step in range(60):
        even.codes(step, torch.randint(40, (300,), generator=generator), 64)
        draws = torch.multinomial(share, 300, replacement=True, generator=generator)
        uneven.codes(step, draws, 64)
    assert codes(even) == []
    assert [each.severity for each in codes(uneven)] == [Severity.INFO]


def test_a_codebook_that_recovers_is_left_in_peace():
    guard, generator = watching(), torch.Generator().manual_seed(5)
    for step in range(80):
        indices = torch.randint(min(2 + step, 64), (200,), generator=generator)
        guard.codes(step, indices, 64)
    assert codes(guard) == []


def test_scenes_that_each_use_a_few_codes_are_no_collapse():
    # Ten codes a scene, another ten for every scene: within a step, draws resemble each other.
    guard, generator = watching(), torch.Generator().manual_seed(6)
    for step in range(120):
        own = torch.randperm(256, generator=generator)[:10]
        guard.codes(step, own[torch.randint(10, (1000,), generator=generator)], 256)
    assert codes(guard) == []


def test_several_codebooks_are_judged_apart():
    guard, generator = watching(), torch.Generator().manual_seed(7)
    for step in range(60):
        for stage in range(4):
            used = 1 if stage == 2 else 64
            indices = torch.randint(used, (200,), generator=generator)
            guard.codes(step, indices, 64, name=f"stage {stage}")
    assert [each.evidence["subject"] for each in codes(guard)] == ["stage 2"]


def test_no_finding_in_many_healthy_codebooks():
    generator = torch.Generator().manual_seed(8)
    found = []
    for run in range(60):
        guard = watching(steps=100)
        # Even, Zipf's law, and a Gaussian cut into cells of equal width.
        share = (torch.ones(64), 1.0 / torch.arange(1, 65), torch.linspace(-3, 3, 64).square())
        share = share[run % 3] if run % 3 < 2 else (-0.5 * share[2]).exp()
        for step in range(50):
            draws = torch.multinomial(share, 128, replacement=True, generator=generator)
            guard.codes(step, draws, 64)
        found += [each for each in codes(guard) if each.severity is not Severity.INFO]
    assert found == []


@pytest.mark.parametrize("seed", range(3))
def test_vector_quantization_with_k_means_and_revival_is_healthy(seed):
    assert codes(train(seed)) == []


def test_an_encoder_that_collapses_is_found():
    findings = codes(train(0, spread=0.0, revive_every=0))
    assert [each.severity for each in findings] == [Severity.FAIL]


def test_an_encoder_that_shrinks_is_found_before_it_is_dead():
    *_, last = codes(train(0, spread=0.1, revive_every=0))
    assert last.severity is Severity.WARN


def test_a_resumed_run_closes_the_windows_of_an_uninterrupted_one():
    whole, first, second = watching(), watching(), watching()
    generator = torch.Generator().manual_seed(9)
    for step, guard in zip(count(), [first] * 23 + [second] * 40, strict=False):
        if step == 23:
            second.load_state_dict(first.state_dict())
        indices = torch.randint(20, (200,), generator=generator)
        guard.codes(step, indices, 64)
        whole.codes(step, indices, 64)
    assert windows(second) == windows(whole)
    assert [each.to_json() for each in codes(second)] == [each.to_json() for each in codes(whole)]
