"""Four states of a critic that its loss does not tell apart: waiting, constant, sure, undefined."""

import json
import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn.functional import softplus

from wellposed.guard import Finding, Guard, Severity
from wellposed.guard.checks import critic_saturated
from wellposed.guard.evidence import Evidence, Record
from wellposed.guard.instruments.critics import Look, critic_scores, delong
from wellposed.guard.plan import Plan


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def scores(real: Tensor, fake: Tensor, term: str = "") -> dict[str, float]:
    return critic_scores(Look(0, "critic", True, term, real, fake))


def critics(guard: Guard) -> list[Finding]:
    return [each for each in guard.read() if each.code in {"WP107", "WP108", "WP109", "WP110"}]


def told(guard: Guard) -> list[tuple[str, str]]:
    return [(each.code, each.severity.value) for each in critics(guard)]


def listen(guard: Guard, looks: int, score: Callable[[int], tuple[Tensor, Tensor]]) -> None:
    for step in range(looks):
        guard.critic(step, *score(step))


class Duel:
    """A generator of numbers against a critic; the truth is N(3, spread)."""

    def __init__(self, seed: int, rate: float, critic_rate: float, spread: float) -> None:
        torch.manual_seed(seed)
        slope = nn.LeakyReLU(0.2)
        self.made = nn.Sequential(nn.Linear(2, 16), slope, nn.Linear(16, 1))
        layers = (nn.Linear(1, 16), slope, nn.Linear(16, 16), slope, nn.Linear(16, 1))
        self.critic = nn.Sequential(*layers)
        nets, rates = (self.made, self.critic), (rate, critic_rate)
        self.optimizers = [
            torch.optim.Adam(net.parameters(), lr, betas=(0.5, 0.9))
            for net, lr in zip(nets, rates, strict=True)
        ]
        self.spread = spread

    def train(self, steps: int, saturating: bool, term: str = "fool", forces: bool = True) -> Guard:
        networks = {"made": self.made, "critic": self.critic}
        guard = Guard(networks, veto=True, plan=Plan(steps=steps), look_every=8)
        for step in range(steps):
            real = 3 + self.spread * torch.randn(32, 1)
            made = self.made(torch.randn(32, 2))
            told_real, told_made = self.critic(real), self.critic(made.detach())
            guard.critic(step, told_real, told_made, term=term)
            loss = softplus(-told_real).mean() + softplus(told_made).mean()
            self.move(guard, step, 1, {"judge": loss})
            said = self.critic(made)
            fool = -softplus(said).mean() if saturating else softplus(-said).mean()
            if forces:
                guard.forces(step, {"fool": fool}, made)
            self.move(guard, step, 0, {"fool": fool})
        return guard

    def move(self, guard: Guard, step: int, player: int, terms: dict[str, Tensor]) -> None:
        self.optimizers[player].zero_grad()
        next(iter(terms.values())).backward()
        if guard.step(step, terms):
            self.optimizers[player].step()


def test_the_area_is_that_of_mann_and_whitney_and_ties_count_half():
    real, fake = (
        (normal(17, seed=1) * 3).round().tolist(),
        (normal(11, seed=2) * 3).round().tolist(),
    )
    u = stats.mannwhitneyu(real, fake).statistic
    assert delong(real, fake)[0] == pytest.approx(u / (17 * 11))


def test_the_variance_is_that_of_the_placements_pair_by_pair():
    real, fake = normal(9, seed=3).double() + 0.5, normal(7, seed=4).double()
    wins = (real[:, None] > fake[None, :]).double()
    expected = wins.mean(1).var() / 9 + wins.mean(0).var() / 7
    assert delong(real.tolist(), fake.tolist())[1] == pytest.approx(float(expected))


def test_the_variance_agrees_with_that_of_many_repetitions():
    areas, variances = [], []
    for seed in range(400):
        both = normal(50, seed=seed)
        area, variance = delong((both[:25] + 1).tolist(), both[25:].tolist())
        areas.append(area)
        variances.append(variance)
    # 400 repetitions know a variance to 7 %; DeLong's is unbiased but for 1/n.
    assert torch.tensor(variances).mean() == pytest.approx(
        float(torch.tensor(areas).var()), rel=0.2
    )


def test_of_a_single_score_the_largest_possible_variance_is_taken():
    area, variance = delong([0.5], [0.0, 1.0, 0.1, 0.2])
    assert area == 0.75
    assert variance == 0.75 * 0.25


def test_patches_of_one_example_are_one_score_and_undefined_ones_never_become_zero():
    real, fake = torch.ones(3, 1, 50), torch.zeros(3, 1, 50)
    fake[1, 0, 7] = math.nan
    guard = Guard(nn.Linear(1, 1))
    guard.critic(4, real, fake)
    (finding,) = critics(guard)
    assert (finding.code, finding.severity) == ("WP110", Severity.WARN)
    assert finding.evidence["undefined_made"] == 1
    assert finding.evidence["undefined_real"] == 0
    assert finding.evidence["examples"] == 6
    assert finding.title == "1 of 6 scores of critic are undefined"


def test_a_metric_that_sometimes_fails_is_counted_over_the_looks():
    guard = Guard(nn.Linear(1, 1))
    listen(guard, 5, lambda step: (normal(4, seed=step), normal(4) * (math.nan if step > 2 else 1)))
    assert [each.step for each in critics(guard)] == [3]


def test_a_critic_that_waits_by_schedule_is_said_once_and_never_judged():
    guard = Guard(nn.Linear(1, 1), plan=Plan(steps=100))
    for step in range(60):
        guard.critic(step, torch.zeros(4), torch.full((4,), math.nan), active=False)
    assert told(guard) == [("WP107", "INFO")]
    assert critics(guard)[0].evidence["planned_steps"] == 100


def test_a_critic_whose_input_was_cut_off_is_constant():
    guard = Guard(nn.Linear(1, 1), plan=Plan(steps=100))
    listen(guard, 40, lambda step: (torch.full((4, 3), 0.1 * step), torch.full((4, 3), 0.1 * step)))
    (finding,) = critics(guard)
    assert (finding.code, finding.severity) == ("WP108", Severity.WARN)
    # log2(1 / level) looks, level = 0.01 / 100.
    assert finding.evidence["looks"] == 14
    assert finding.since_step == finding.step - 13


@pytest.mark.parametrize("ulps", [0, 4])
def test_one_unit_in_the_last_place_is_no_range_but_four_are(ulps):
    guard = Guard(nn.Linear(1, 1), plan=Plan(steps=100))
    real = torch.tensor([1.5, 1.5])
    listen(guard, 40, lambda step: (real, real + ulps * 2.0**-23))
    assert ("WP108" in {code for code, _ in told(guard)}) == (ulps == 0)


def test_a_fresh_critic_with_a_last_layer_of_zeros_is_no_constant_critic():
    guard = Guard(nn.Linear(1, 1), plan=Plan(steps=100))
    listen(guard, 60, lambda step: (normal(4, seed=step) * (step > 3), normal(4) * (step > 3)))
    assert told(guard) == []


@pytest.mark.parametrize("seed", [0, 1])
def test_a_critic_that_learns_a_hundred_times_too_fast_is_saturated(seed):
    guard = Duel(seed, 2e-3, 0.2, spread=0.1).train(60, saturating=True)
    (finding,) = critics(guard)
    assert (finding.code, finding.severity) == ("WP109", Severity.WARN)
    assert finding.evidence["auc"] == pytest.approx(1, abs=1e-3)
    assert finding.step < 40
    assert "fool no longer pulls" in finding.title


def test_without_the_gradient_at_the_output_perfection_is_a_remark_that_says_so():
    guard = Duel(0, 2e-3, 0.2, spread=0.1).train(60, saturating=True, forces=False)
    assert told(guard) == [("WP109", "INFO")]
    assert "not measured" in critics(guard)[0].title


def test_without_the_name_of_the_term_what_has_faded_is_a_remark():
    guard = Duel(0, 2e-3, 0.2, spread=0.1).train(60, saturating=True, term="")
    assert told(guard) == [("WP109", "INFO")]
    assert "nobody said" in critics(guard)[0].title


@pytest.mark.parametrize("saturating", [False, True])
@pytest.mark.parametrize("rate", [6e-4, 2e-3, 6e-3])
def test_a_healthy_duel_is_silent(saturating, rate):
    for seed in range(2):
        guard = Duel(seed, rate, rate, spread=1).train(100, saturating)
        assert told(guard) == []


def test_a_remark_becomes_a_warning_when_the_gradient_fades_and_each_is_said_once():
    guard = Guard(nn.Linear(1, 1), plan=Plan(steps=1000), look_every=1)
    output = torch.ones(4, 1, requires_grad=True)
    for step in range(120):
        guard.critic(step, 9 + normal(16, seed=step), normal(16, seed=1000 + step))
        guard.critic(step, 9 + normal(16, seed=step), normal(16, seed=step), term="fool", name="b")
        if step > 60:
            pull = (1e-9 if step > 90 else 1.0) * output.sum()
            guard.forces(step, {"fool": pull, "l1": output.sum()}, output)
    guard.read()
    heard = [(each.severity.value, each.evidence["subject"]) for each in critics(guard)]
    assert sorted(heard) == [("INFO", "b"), ("INFO", "critic"), ("WARN", "b")]


def test_scores_upside_down_separate_as_well():
    guard = Guard(nn.Linear(1, 1), plan=Plan(steps=100))
    listen(guard, 40, lambda step: (normal(16, seed=step) - 9, normal(16, seed=100 + step)))
    assert told(guard) == [("WP109", "INFO")]


@pytest.mark.parametrize(("batch", "looks"), [(1, 60), (4, 40), (16, 30)])
def test_the_rate_of_false_alarms_stays_within_the_level(batch, looks):
    plan = Plan(steps=1, false_alarms=0.05)
    n = max(batch, critic_saturated.telling(plan.level(1) / 2))
    # Two normal distributions so far apart that the AUC is exactly the limit: the hardest case.
    apart = math.sqrt(2) * float(stats.norm.ppf(1 - 1 / n))
    alarms = 0
    for run in range(200):
        evidence = Evidence(plan)
        draws = normal(2, looks, batch, seed=run)
        for step in range(looks):
            table = scores(draws[0, step] + apart, draws[1, step])
            evidence.add("critics", Record(step, {"critic": table}))
        name, last = "critic", evidence.of("critics")[-1].table["critic"]
        alarms += critic_saturated.separated(evidence, name, last) is not None
    # 200 looks at the level 0.05: more than 18 have a chance below 1 %.
    assert alarms <= 18


def test_a_batch_of_one_says_nothing_before_many_looks():
    evidence = Evidence(Plan(steps=100))
    for step in range(30):
        evidence.add("critics", Record(step, {"critic": scores(torch.ones(1), torch.zeros(1))}))
    assert critic_saturated.check(evidence) is None


def test_scores_without_a_batch_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match="before its mean is taken"):
        Guard(nn.Linear(1, 1)).critic(0, torch.tensor(1.0), None)


def test_a_resumed_run_finds_what_an_uninterrupted_one_finds():
    def hear(guard: Guard, steps: range) -> None:
        for step in steps:
            guard.critic(step, 9 + normal(16, seed=step), normal(16, seed=step + 500))

    whole, first, second = (Guard(nn.Linear(1, 1), plan=Plan(steps=300)) for _ in range(3))
    hear(whole, range(20))
    hear(first, range(7))
    state = first.state_dict()
    state["history"] = []
    second.load_state_dict(json.loads(json.dumps(state, allow_nan=False)))
    hear(second, range(7, 20))
    assert [each.to_json() for each in second.read()] == [each.to_json() for each in whole.read()]
