"""What is silence worth, a constant, a tone, noise, backward speech, other speech?"""

import math

import torch
from torch import Tensor

from ..findings import Severity
from .bench import Bench
from .ladder import GOOD_DB
from .probes import Probes
from .verdict import Answer, Part, bad, db_text

SILENCE_DB = 0.5
"""Silence is worth 0 dB in any measure of error power. Half a decibel above that is beyond the
error of interpolation in the ladder (below 0.1 dB on squared, absolute and logarithmic errors)."""


def cheats(probes: Probes) -> dict[str, Tensor]:
    """Estimates without the content of the references, at their level."""
    level, shape = probes.level, probes.reference.shape
    time = torch.arange(shape[-1]) / probes.rate
    return {
        "silence": torch.zeros(shape),
        "constant": level.expand(shape).clone(),
        "tone": level * 2**0.5 * torch.sin(2 * math.pi * 1000 * time).expand(shape),
        "noise": probes.noise(99),
        "reversed": probes.reference.flip(-1),
        "unrelated": probes.unrelated,
    }


def cheat_part(bench: Bench) -> Part:
    """Price every cheat; what costs no more than a good estimate is a wrong answer that pays."""
    prices = {
        name: bench.asked.value(estimate, bench.reference)
        for name, estimate in cheats(bench.probes).items()
    }
    worth = {name: bench.ladder.worth(price) for name, price in prices.items()}
    content = {name: each for name, each in worth.items() if name != "silence"}
    numbers = {f"worth_of_{name}_db": each for name, each in worth.items()}
    return Part((_silence(bench, worth["silence"]), _content(bench, content)), numbers)


def _silence(bench: Bench, worth: float) -> Answer:
    said = f"silence costs as much as an estimate of {db_text(worth)} SNR"
    if math.isnan(worth):
        return Answer("uniqueness", "the price of silence is not a number: see stability")
    if worth <= SILENCE_DB:
        return Answer("uniqueness", said)
    pays = worth >= GOOD_DB
    return bad(
        "uniqueness",
        "WP101",
        bench.severity(Severity.FAIL, Severity.WARN)
        if pays
        else bench.severity(Severity.WARN, Severity.INFO),
        said if pays else f"{said}; by error power it would be 0.0 dB",
        {"subject": "silence", "worth_db": worth, "wanted_below_db": 0.0},
        suspects=(
            ("a term that falls with the level", "audit each term with --role term"),
            ("compressed or absolute values", "compare the worth with that under a squared error"),
        ),
        advice="a term bounded from below, relative to the reference or the mixture",
    )


def _content(bench: Bench, worth: dict[str, float]) -> Answer:
    best = max(worth, key=lambda name: -math.inf if math.isnan(worth[name]) else worth[name])
    paid = [name for name, each in worth.items() if each >= GOOD_DB]
    if not paid:
        said = (
            f"of five sounds that are not the reference, {best} pays most: {db_text(worth[best])}"
        )
        return Answer("uniqueness", said)
    least = min(worth[name] for name in paid)
    more = "" if least == math.inf else " or more"
    return bad(
        "uniqueness",
        "WP201",
        bench.severity(Severity.FAIL, Severity.INFO),
        f"{', '.join(paid)}: as cheap as an estimate of {db_text(least)} SNR{more}",
        {"subject": "content", **{f"{name}_db": each for name, each in worth.items()}},
        suspects=(("a comparison of levels alone", "scramble the frequencies: does it change?"),),
        advice="add a term that compares waveforms or spectra, or declare it a term",
    )
