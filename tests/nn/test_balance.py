"""The balancer: what flows back is the formula, whatever the units of the terms."""

import torch
from torch import Tensor

from wellposed.nn.balance import MEMORY, TOTAL, Balancer

WEIGHTS = {"near": 1.0, "far": 3.0, "aside": 5.0}


def terms(wave: Tensor, aside: Tensor) -> dict[str, Tensor]:
    """Two terms on the estimate in very different units, and one on something else."""
    return {
        "near": 1e3 * wave.abs().mean(1),
        "far": 1e-3 * (wave - 2).square().mean(1),
        "aside": aside.square(),
    }


def given(seed: int) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    wave = torch.randn(4, 50, generator=draws).requires_grad_()
    return wave, torch.randn(4, generator=draws).requires_grad_()


def pull(values: dict[str, Tensor], wave: Tensor) -> Tensor:
    total = torch.stack([WEIGHTS[name] * value.mean() for name, value in values.items()]).sum()
    return torch.autograd.grad(total, wave, retain_graph=True)[0]


def test_what_flows_back_is_the_formula_with_running_means_of_the_norms():
    balancer = Balancer(["near", "far", "aside"]).train()
    norms: dict[str, list[float]] = {"near": [], "far": []}
    for step in range(4):
        wave, aside = given(step)
        plain = terms(wave, aside)
        wanted = torch.zeros_like(wave)
        for name, seen in norms.items():
            (each,) = torch.autograd.grad(plain[name].mean(), wave, retain_graph=True)
            seen.append(float(each.norm()))
            decays = [MEMORY ** (len(seen) - 1 - n) for n in range(len(seen))]
            mean = sum(d * norm for d, norm in zip(decays, seen, strict=True)) / sum(decays)
            wanted += TOTAL * WEIGHTS[name] / 4.0 * each / mean
        torch.testing.assert_close(
            pull(balancer(plain, WEIGHTS, wave), wave), wanted, rtol=1e-3, atol=1e-6
        )


def test_values_stay_and_what_does_not_depend_on_the_estimate_keeps_its_gradient():
    wave, aside = given(0)
    plain = terms(wave, aside)
    made = Balancer(list(plain)).train()(plain, WEIGHTS, wave)
    for name, value in plain.items():
        torch.testing.assert_close(made[name], value)
    (before,) = torch.autograd.grad(plain["aside"].sum(), aside, retain_graph=True)
    (after,) = torch.autograd.grad(made["aside"].sum(), aside)
    assert torch.equal(before, after)


def test_a_term_a_million_times_larger_pulls_the_same():
    wave, aside = given(0)
    plain = terms(wave, aside)
    larger = plain | {"near": 1e6 * plain["near"]}
    first = pull(Balancer(list(plain)).train()(plain, WEIGHTS, wave), wave)
    second = pull(Balancer(list(plain)).train()(larger, WEIGHTS, wave), wave)
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-7)


def test_a_term_without_any_pull_and_one_that_is_not_finite_leave_no_trace():
    balancer = Balancer(["flat", "broken"]).train()
    wave, _ = given(0)
    given_terms = {"flat": 0.0 * wave.sum(1), "broken": (wave / 0.0).sum(1)}
    made = balancer(given_terms, {"flat": 1.0, "broken": 1.0}, wave)
    assert torch.equal(made["flat"], given_terms["flat"])
    assert balancer.average.isfinite().all()
    assert float(balancer.average[0]) == 0.0


def test_norms_are_remembered_in_training_alone_and_are_all_state():
    balancer = Balancer(["near", "far", "aside"])
    wave, aside = given(0)
    balancer.eval()(terms(wave, aside), WEIGHTS, wave)
    assert not balancer.weight.any()
    balancer.train()(terms(wave, aside), WEIGHTS, wave)
    again = Balancer(["near", "far", "aside"]).train()
    again.load_state_dict(balancer.state_dict())
    wave, aside = given(1)
    plain = terms(wave, aside)
    first = pull(balancer(plain, WEIGHTS, wave), wave)
    assert torch.equal(first, pull(again(plain, WEIGHTS, wave), wave))
