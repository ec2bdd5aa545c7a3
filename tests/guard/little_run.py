"""A little denoiser in a loop as anybody would write it, watched by the public guard.

Scenes are three tones under noise; the network is a filter of two layers. Every fault that a
validation can show is one argument of `Little`.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from wellposed.guard import Finding, Guard, Severity
from wellposed.guard.plan import Criterion, Plan

ITEMS = 16
SAMPLES = 96
BETTER = {"snr_db": "higher", "si_sdr_db": "higher", "error": "lower", "loud_db": "lower"}
SOUND = ("snr_db", "si_sdr_db", "error")
"""Metrics worth having; by `loud_db` less is better, and silence best."""
Scores = dict[str, list[float | None]]
MINE = {f"WP{n}" for n in (401, 402, 403, 404, 405, 407, 408, 212, 319)}


def scenes(seed: int, count: int = ITEMS) -> tuple[Tensor, Tensor]:
    """Noisy and clean, `(count, 1, SAMPLES)`."""
    draws = torch.Generator().manual_seed(seed)
    time = torch.arange(SAMPLES) / SAMPLES
    clean = torch.zeros(count, 1, SAMPLES)
    for _ in range(3):
        cycles = 2 + 6 * torch.rand(count, 1, 1, generator=draws)
        phase = 6.28 * torch.rand(count, 1, 1, generator=draws)
        clean += torch.sin(6.28 * cycles * time + phase) / 3
    level = 0.1 + 0.2 * torch.rand(count, 1, 1, generator=draws)
    return clean + level * torch.randn(clean.shape, generator=draws), clean


def scores(estimate: Tensor, clean: Tensor, silence: float | None = None) -> Scores:
    """Score each item; SI-SDR of silence is `silence` (undefined, as it should be, or a number)."""
    found: Scores = {name: [] for name in BETTER}
    for e, c in zip(estimate.double()[:, 0], clean.double()[:, 0], strict=True):
        gap, energy = (e - c).square().sum(), e.square().sum()
        found["snr_db"].append(float(10 * (c.square().sum() / gap).log10()))
        found["error"].append(float(gap / SAMPLES))
        found["loud_db"].append(float(10 * (energy + 1e-8).log10()))
        target = (e @ c) / (c @ c) * c
        ratio = target.square().sum() / (e - target).square().sum()
        found["si_sdr_db"].append(float(10 * ratio.log10()) if energy > 0 else silence)
    return found


def gain_db(estimate: Tensor, clean: Tensor) -> list[float | None]:
    """Gain of each estimate over its reference."""
    ratio = estimate.square().mean((1, 2)) / clean.square().mean((1, 2))
    return [float(each) for each in 10 * ratio.log10()]


def plain_loss(estimate: Tensor, clean: Tensor) -> Tensor:
    """Mean squared error: it knows the level."""
    return (estimate - clean).square().mean()


def paid_for_quiet(estimate: Tensor, clean: Tensor, pay: float = 0.3) -> Tensor:
    """SI-SDR, which is blind to the level, and a term that falls with the energy without end."""
    target = (estimate * clean).sum(-1, True) / clean.square().sum(-1, True) * clean
    ratio = target.square().sum(-1) / (estimate - target).square().sum(-1)
    energy_db = 10 * estimate.square().mean(-1).log10()
    return (-10 * ratio.log10() + pay * energy_db).mean()


@dataclass
class Little:
    """One run; `train` returns the findings of a validation's checks."""

    seed: int = 0
    rate: float = 3e-3
    steps: int = 120
    every: int = 10
    loss: Callable[[Tensor, Tensor], Tensor] = plain_loss
    metrics: tuple[str, ...] = SOUND
    select: str = "snr_db"
    reference: bool = False
    criteria: tuple[Criterion, ...] = ()
    fresh_items: bool = False
    resting: bool = True
    silence_db: float | None = None
    silent_target: bool = False
    keep_live: bool = False
    average: float = 0.9
    findings: list[Finding] = field(default_factory=list)

    def train(self) -> list[Finding]:
        """Train, validate the average of the weights, and keep it when it is the best."""
        torch.manual_seed(self.seed)
        layers = [nn.Conv1d(1, 8, 17, padding=8), nn.Dropout(0.1), nn.Tanh()]
        model = nn.Sequential(*layers, nn.Conv1d(8, 1, 17, padding=8))
        averaged = copy.deepcopy(model).requires_grad_(False)
        optimizer = torch.optim.Adam(model.parameters(), self.rate)
        plan = Plan(steps=self.steps, validate_every=self.every, criteria=self.criteria)
        guard = Guard(model, optimizer, plan=plan, remember=False)
        for step in range(self.steps):
            noisy, clean = scenes(1000 + self.seed * self.steps + step, 8)
            estimate = model(noisy)
            loss = self.loss(estimate, clean)
            optimizer.zero_grad()
            loss.backward()
            if guard.step(step, {"loss": loss}, estimate=estimate, reference=clean):
                optimizer.step()
            with torch.no_grad():
                for mean, live in zip(averaged.parameters(), model.parameters(), strict=True):
                    mean.lerp_(live, 1 - self.average)
            if (step + 1) % self.every == 0:
                self._validate(guard, model, averaged, step)
        self.findings = [each for each in guard.read() if each.code in MINE]
        return self.findings

    def _validate(self, guard: Guard, model: nn.Module, averaged: nn.Module, step: int) -> None:
        live = {key: value.clone() for key, value in model.state_dict().items()}
        model.load_state_dict(averaged.state_dict())
        model.train(not self.resting)
        noisy, clean = scenes(7 + self.fresh_items * step)
        if self.silent_target:
            noisy[3], clean[3] = 0, 0
        with torch.no_grad():
            estimate, again = model(noisy), model(noisy[:2])
        rivals = {"silence": torch.zeros_like(clean), "input": noisy}
        if self.reference:
            rivals["reference"] = clean
        guard.validate(
            step,
            self._scores(estimate, clean),
            better={name: BETTER[name] for name in self.metrics},
            select=self.select,
            trivial={name: self._scores(each, clean) for name, each in rivals.items()},
            again=self._scores(again, clean[:2]),
            items=f"list {self.fresh_items * step}",
            levels_db=gain_db(estimate, clean),
        )
        guard.kept(step, live if self.keep_live else model.state_dict())
        model.load_state_dict(live)
        model.train()

    def _scores(self, estimate: Tensor, clean: Tensor) -> Scores:
        found = scores(estimate, clean, self.silence_db)
        return {name: found[name] for name in self.metrics}


def codes(findings: list[Finding], *severities: Severity) -> set[str]:
    """Codes of the findings of these severities; WARN and FAIL unless said."""
    wanted = severities or (Severity.WARN, Severity.FAIL)
    return {each.code for each in findings if each.severity in wanted}
