"""What a loss does not notice, and what damage it prefers.

Every transform makes the good estimate worse. A change within rounding is an exact invariance,
a change within the spread over noise draws goes unseen, and a fall is a preference for damage.
"""

import math

import torch
from torch import Tensor

from ..findings import Severity
from .bench import Bench
from .ladder import GOOD_DB
from .verdict import Answer, Part, bad

DECLARABLE = ("gain", "offset", "polarity", "shift", "phase", "band")
"""What a loss may be declared blind to. "phase" includes polarity."""

BANDS = 4
"""Bands that hold equal shares of the references' power: each matters, whatever the voice."""


def transforms(bench: Bench, good: Tensor) -> dict[str, tuple[str, Tensor]]:
    """Name -> what it is an instance of, and the damaged estimate."""
    level, rate = bench.probes.level, bench.probes.rate
    made = {
        "half the level": ("gain", 0.5 * good),
        "a constant offset": ("offset", good + 0.5 * level),
        "polarity": ("polarity", -good),
        "a shift by 1 ms": ("shift", good.roll(max(1, rate // 1000), -1)),
        "a shift by 20 ms": ("shift", good.roll(max(1, rate // 50), -1)),
        "a turn by 90 degrees": ("phase", _turned(good)),
        "random phases": ("phase", _random_phases(good, bench.probes.generator(7))),
        "scrambled frequencies": ("content", _scrambled(good, bench.probes.generator(8))),
    }
    for number, lost in enumerate(_band_losses(bench.reference), start=1):
        made[f"part {number} of the voice 12 dB lower"] = ("band", good + lost)
    return made


def invariance_part(bench: Bench) -> Part:
    """Apply every transform to the good estimate."""
    changes: dict[str, float] = {}
    blind: dict[str, list[str]] = {}
    preferred: dict[str, float] = {}
    for name, (kind, damaged) in transforms(bench, bench.good).items():
        change = changes[name] = bench.change(damaged)
        if abs(change) <= 10 * bench.scale.ulp:
            blind.setdefault(kind, []).append(name)
        elif change < -bench.scale.tolerance:
            preferred[name] = change
    numbers = {
        f"change_by_{name.replace(' ', '_')}": change / bench.scale.unit
        for name, change in changes.items()
    }
    answers = [_blind(bench, blind), _preferred(bench, preferred), *_order(bench)]
    return Part(answers, numbers)


def declared_blind(declared: frozenset[str], kind: str) -> bool:
    """Whether blindness of a kind was declared, by name or as part of a larger one."""
    return kind in declared or (kind == "polarity" and "phase" in declared)


def _blind(bench: Bench, blind: dict[str, list[str]]) -> Answer:
    # Blindness to gain has its own answer, from many gains.
    kinds = {kind: names for kind, names in blind.items() if kind != "gain"}
    undeclared = [
        name
        for kind, names in kinds.items()
        if not declared_blind(bench.declared, kind)
        for name in names
    ]
    if undeclared:
        return bad(
            "uniqueness",
            "WP201",
            bench.severity(Severity.WARN, Severity.INFO),
            f"nothing but rounding tells a good estimate from one with: {_listed(undeclared)}",
            {"subject": "invariance", "transforms": ", ".join(undeclared)},
            suspects=(("magnitudes, levels or means removed", "compare waveforms instead"),),
            advice=f"declare what is meant: --invariances {' '.join(sorted(kinds))}",
        )
    if kinds:
        return Answer("uniqueness", f"blind to {', '.join(sorted(kinds))}, as declared")
    return Answer("uniqueness", "notices offset, polarity, shift, phase and every band")


def _preferred(bench: Bench, preferred: dict[str, float]) -> Answer:
    if not preferred:
        return Answer("uniqueness", "no damage to a good estimate lowers the loss")
    near = bench.asked.value(bench.near, bench.reference)
    again = transforms(bench, bench.near)
    lasting = [
        name
        for name in preferred
        if bench.asked.value(again[name][1], bench.reference) < near - bench.scale.tolerance
    ]
    worst = min(lasting or preferred, key=lambda name: preferred[name])
    evidence = {
        "subject": "damage",
        "worst": worst,
        "change": preferred[worst],
        "tolerance": bench.scale.tolerance,
        "also_at_60_db": ", ".join(lasting),
    }
    suspects = (
        ("a term that falls with the level", "audit the terms one by one"),
        ("wrong sign of a term", "negate it and audit again"),
    )
    if not lasting:
        return bad(
            "uniqueness",
            "WP211",
            bench.severity(Severity.WARN, Severity.INFO),
            f"at 20 dB SNR, not at 60, damage lowers the loss: {', '.join(preferred)}",
            evidence,
            suspects=suspects[:1],
        )
    return bad(
        "uniqueness",
        "WP211",
        bench.severity(Severity.FAIL, Severity.WARN),
        f"damage lowers the loss: {_listed(lasting)}",
        evidence,
        suspects=suspects,
        advice="leave out the term that prefers it, and audit the rest",
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _order(bench: Bench) -> list[Answer]:
    """Less noise must never cost more; and nothing may cost less than the reference."""
    rises = bench.ladder.rises(bench.scale.tolerance)
    if rises:
        worse, better = rises[0]
        return [
            bad(
                "uniqueness",
                "WP211",
                bench.severity(Severity.FAIL, Severity.WARN),
                f"less noise costs more: {better:.0f} dB SNR more than {worse:.0f} dB, on "
                f"{len(rises)} of {len(bench.ladder.prices) - 1} steps",
                {"subject": "order", "steps": len(rises), "from_db": worse, "to_db": better},
                suspects=(("wrong sign of a term", "negate it and audit again"),),
            )
        ]
    top, good = max(bench.ladder.prices), GOOD_DB
    reference = bench.asked.value(bench.reference, bench.reference)
    least = min(bench.ladder.prices.values())
    if reference > least + bench.scale.tolerance:
        return [
            bad(
                "uniqueness",
                "WP111",
                bench.severity(Severity.FAIL, Severity.WARN),
                f"the reference itself costs {reference:.3g}, a noisy estimate {least:.3g}",
                {"subject": "reference", "loss": reference, "least": least},
                suspects=(("a target other than the reference", "audit with that as reference"),),
            )
        ]
    seen = bench.ladder.prices[good] > bench.ladder.prices[0.0] + bench.scale.tolerance
    if not seen:
        return [Answer("uniqueness", f"less noise never costs more, from -40 to {top:.0f} dB SNR")]
    return [Answer("uniqueness", f"less noise costs less, from -40 to {top:.0f} dB SNR")]


def _turned(signal: Tensor) -> Tensor:
    """Every frequency by 90 degrees: the Hilbert transform."""
    return torch.fft.irfft(torch.fft.rfft(signal) * -1j, n=signal.shape[-1])


def _random_phases(signal: Tensor, generator: torch.Generator) -> Tensor:
    """Short-time magnitudes nearly as they are, phases drawn anew for every bin and frame."""
    size = min(512, signal.shape[-1])
    window = torch.hann_window(size)
    spectrum = torch.stft(signal, size, size // 4, window=window, return_complex=True)
    angle = 2 * math.pi * torch.rand(spectrum.shape, generator=generator)
    turned = spectrum * torch.polar(torch.ones_like(angle), angle)
    made = torch.istft(turned, size, size // 4, window=window, length=signal.shape[-1])
    return made * signal.norm(dim=-1, keepdim=True) / made.norm(dim=-1, keepdim=True)


def _scrambled(signal: Tensor, generator: torch.Generator) -> Tensor:
    """The long spectrum with its bins in another order; the power stays."""
    spectrum = torch.fft.rfft(signal)
    order = torch.randperm(spectrum.shape[-1] - 2, generator=generator) + 1
    ends = torch.tensor([0]), torch.tensor([spectrum.shape[-1] - 1])
    return torch.fft.irfft(spectrum[:, torch.cat((ends[0], order, ends[1]))], n=signal.shape[-1])


def _band_losses(reference: Tensor) -> list[Tensor]:
    """What to add to an estimate so that a band of the reference in it is 12 dB lower."""
    spectrum = torch.fft.rfft(reference)
    share = spectrum.abs().square().cumsum(-1) / spectrum.abs().square().sum(-1, keepdim=True)
    band = (share * BANDS).floor().clamp(max=BANDS - 1)
    change = 10 ** (-12 / 20) - 1
    samples = reference.shape[-1]
    return [
        torch.fft.irfft(change * spectrum * (band == number), n=samples) for number in range(BANDS)
    ]
