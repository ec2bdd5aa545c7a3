"""A little denoiser in a plain loop: what its signals, terms and clamps tell the guard."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from wellposed.guard import Finding, Guard, Severity
from wellposed.guard.checks import all_checks
from wellposed.guard.evidence import Evidence
from wellposed.guard.plan import Plan
from wellposed.guard.rows import Row

ITEMS, SAMPLES = 8, 256
Loss = Callable[[Tensor, Tensor], Tensor]
"""Estimate and reference, `(items, samples)`, to one value an item."""


def absolute(estimate: Tensor, reference: Tensor) -> Tensor:
    return (estimate - reference).abs().mean(1)


def square(estimate: Tensor, reference: Tensor) -> Tensor:
    return (estimate - reference).square().mean(1)


def rms(signal: Tensor) -> Tensor:
    return (signal.square().mean(1) + 1e-12).sqrt()


def level(estimate: Tensor, reference: Tensor) -> Tensor:
    """Distance of the levels: all that it knows of the estimate."""
    return (rms(estimate) - rms(reference)).abs()


def scene(seed: int, items: int = ITEMS, spread_db: float = 10.0) -> tuple[Tensor, Tensor]:
    """Noisy and clean: coloured noise with pauses, of different levels, under white noise."""
    draws = torch.Generator().manual_seed(seed)
    white = torch.randn(items, SAMPLES + 8, generator=draws)
    clean = white.unfold(1, 9, 1).mean(-1)
    loud = torch.rand(items, 8, generator=draws) > 0.3
    loud[:, 0] = True
    clean = clean * loud.repeat_interleave(SAMPLES // 8, 1)
    gain = 10 ** (-spread_db / 20 * torch.rand(items, 1, generator=draws))
    clean = gain * clean * 0.5
    noise = torch.randn(items, SAMPLES, generator=draws) * rms(clean)[:, None] * 0.5
    return clean + noise, clean


def network(seed: int = 0, last: Iterable[nn.Module] = ()) -> nn.Sequential:
    torch.manual_seed(seed)
    convolutions = [nn.Conv1d(1, 8, 9, padding=4), nn.Tanh(), nn.Conv1d(8, 1, 9, padding=4)]
    return nn.Sequential(nn.Unflatten(1, (1, -1)), *convolutions, nn.Flatten(1), *last)


@dataclass
class Denoising:
    """One run; every fault of the signals is one argument."""

    terms: Mapping[str, tuple[Loss, float]] = field(default_factory=lambda: {"l1": (absolute, 1.0)})
    """Loss and weight of each term."""
    spoil: Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]] = lambda x, c, step: (x, c)
    """Noisy and clean of a step to what the loop trains with."""
    shape: Callable[[Tensor], Tensor] = lambda estimate: estimate
    """What happens to the network's output."""
    last: tuple[nn.Module, ...] = ()
    rate: float = 1e-2
    seed: int = 0
    steps: int = 80
    look_every: int = 8
    plan: Plan | None = None
    items: int = ITEMS
    spread_db: float = 10.0

    def train(self) -> list[Finding]:
        """Findings of the checks in `MINE`."""
        model = network(self.seed, self.last)
        optimizer = torch.optim.Adam(model.parameters(), self.rate)
        guard = Guard(
            model, optimizer, veto=True, plan=self.plan, look_every=self.look_every, remember=False
        )
        for step in range(self.steps):
            drawn = scene(self.seed * 10_000 + step, self.items, self.spread_db)
            noisy, clean = self.spoil(*drawn, step)
            estimate = self.shape(model(noisy))
            items = {name: loss(estimate, clean) for name, (loss, _) in self.terms.items()}
            weighted = {name: self.terms[name][1] * each.mean() for name, each in items.items()}
            guard.forces(step, weighted, estimate)
            optimizer.zero_grad()
            torch.stack(list(weighted.values())).sum().backward()
            detached = {name: each.detach() for name, each in items.items()}
            if guard.step(step, detached, estimate.detach(), clean, source=noisy):
                optimizer.step()
        return [each for each in guard.read() if each.code in MINE]


MINE = {f"WP{n}" for n in (105, 106, 118, 204, 305, 306, 308, 309, 311, 314, 316, 414, 415)}


def grave(findings: Iterable[Finding]) -> list[str]:
    """Codes above INFO."""
    return [each.code for each in findings if each.severity is not Severity.INFO]


def row(step: int, terms: Mapping[str, float] | None = None, **values: float) -> Row:
    """A healthy row; what is not given is that of a sound little run."""
    sound = {
        "terms_finite": 1.0,
        "gradients_finite": 1.0,
        "gradient_norm": 1.0,
        "items": 8.0,
        "estimate_rms": 0.1,
        "reference_rms": 0.1,
        "error_rms": 0.05,
        "estimate_mean": 0.0,
        "reference_mean": 0.0,
        "estimate_full": 0.0,
        "reference_full": 0.0,
        "silent_estimates": 0.0,
        "silent_references": 0.0,
        "lost_estimates": 0.0,
    }
    terms = terms or {"loss": 1.0}
    named = {f"term/{name}": value for name, value in terms.items()}
    shares = {f"share/{name}": values.pop("share", 0.3) for name in terms}
    items = {f"item/{name}": values.pop("item", 0.0) for name in terms}
    return Row(step, {**sound, **values, **named, **shares, **items})


def judged(name: str, rows: Iterable[Row], plan: Plan) -> list[Finding]:
    """What the check in file `name` says of the rows, read one by one."""
    (check,) = (each for each in all_checks() if each.name == name)
    evidence = Evidence(plan)
    found = []
    for each in rows:
        evidence.rows.append(each)
        evidence.step, evidence.fresh = each.step, 1
        finding = check.look(evidence)
        found += [] if finding is None else [finding]
    return found
