"""Do inputs that degenerate give finite estimates, and gradients that one item may have?

Signal: estimate, terms and gradient of one item whose inputs are silent, constant at full scale,
one impulse, of subnormal numbers, or clipped. Finite or not [E]; a gradient that outweighs a whole
batch of ordinary items [B].
"""

import math
from collections.abc import Callable, Mapping
from statistics import median

import torch
from torch import Tensor, nn

from ....findings import Severity
from ...verdict import Answer, Part, bad, times
from ..rehearsal import Rehearsal, named
from ..statement import Batch
from ..unasked import Unasked

QUESTION = "stability"
CODES = ("WP301", "WP302", "WP314")
QUICK = True
ORDINARY = 4
"""Ordinary items whose gradients are measured."""

MET = frozenset({"silence", "a clipped wave"})
"""What recordings do hold; the others are what a fault makes of them."""

Change = Callable[[Tensor], Tensor]


def impulse(wave: Tensor) -> Tensor:
    """One sample at full scale, in the middle of the last axis."""
    made = torch.zeros_like(wave)
    made[..., wave.shape[-1] // 2] = 1
    return made


def subnormal(wave: Tensor) -> Tensor:
    """The shape of the wave, far below the smallest normal number."""
    tiny = torch.finfo(wave.dtype).smallest_normal
    return wave / wave.abs().amax().clamp_min(tiny) * (tiny / 16)


CHANGES: Mapping[str, Change] = {
    "silence": torch.zeros_like,
    "a constant at full scale": torch.ones_like,
    "an impulse": impulse,
    "subnormal numbers": subnormal,
    "a clipped wave": lambda wave: (1000 * wave).clamp(-1, 1),
}
"""What the inputs become, and every label of their shape with them."""


def ask(rehearsal: Rehearsal) -> Part:
    """Look at one item after the other."""
    waves = [each for each in rehearsal.problem.waveforms if each in rehearsal.batch(0)]
    if not waves:
        raise Unasked("no input is declared a waveform: Problem(waveforms=('x',))")
    networks = rehearsal.networks()
    # Ordinary items are those that hold anything: a silent one is a probe itself.
    ordinary = [one for one in _items(rehearsal) if all(bool(one[w].any()) for w in waves)]
    if not ordinary:
        raise Unasked("no item of the first batch has a sound in all its inputs")
    usual = median(_slope(rehearsal, networks, one) for one in ordinary[:ORDINARY])
    broken: dict[str, list[str]] = {}
    weight: dict[str, float] = {}
    for name, change in CHANGES.items():
        item = changed(ordinary[0], waves, change)
        fault, norm = _look(rehearsal, networks, item)
        if fault:
            broken.setdefault(fault, []).append(name)
        else:
            weight[name] = norm / usual if usual > 0 else math.nan
    numbers = {"gradient_of_degenerate_inputs": weight, "gradient_of_an_item": usual}
    batch = min(len(each) for each in rehearsal.batch(0).values())
    answers = [_not_finite(fault, names) for fault, names in broken.items()]
    heavy = {name: each for name, each in weight.items() if each > batch}
    if heavy:
        answers.append(_heavy(heavy, batch))
    if not answers:
        worst = max(weight.values(), default=math.nan)
        text = f"finite at {', '.join(CHANGES)}; one such item pulls at most {times(worst)} as hard"
        answers.append(Answer(QUESTION, f"{text} as an ordinary one"))
    return Part(answers, numbers)


def changed(item: Batch, waves: list[str], change: Change) -> dict[str, Tensor]:
    """The item with its waveforms, and what has their shape, turned into something else."""
    shapes = {item[wave].shape for wave in waves}
    # A clipped recording does not clip what is looked for in it; both are silent together.
    return {name: change(each) if each.shape in shapes else each for name, each in item.items()}


def _items(rehearsal: Rehearsal) -> list[dict[str, Tensor]]:
    batch = rehearsal.batch(0)
    count = min(len(each) for each in batch.values())
    return [{name: each[n : n + 1] for name, each in batch.items()} for n in range(count)]


def _look(
    rehearsal: Rehearsal, networks: Mapping[str, nn.Module], item: Batch
) -> tuple[str, float]:
    """What is not finite, if anything; and the norm of the gradient."""
    made = named(rehearsal.estimates(networks, item))
    if not all(bool(each.isfinite().all()) for each in made.values()):
        return "the estimate", math.nan
    terms = rehearsal.terms(networks, item)
    for name, value in terms.items():
        if not bool(value.detach().isfinite()):
            return f"the term {name}", math.nan
    norm = _norm(rehearsal, networks, terms)
    return ("" if math.isfinite(norm) else "the gradient"), norm


def _slope(rehearsal: Rehearsal, networks: Mapping[str, nn.Module], item: Batch) -> float:
    return _norm(rehearsal, networks, rehearsal.terms(networks, item))


def _norm(
    rehearsal: Rehearsal, networks: Mapping[str, nn.Module], terms: Mapping[str, Tensor]
) -> float:
    total = torch.stack(list(terms.values())).sum()
    if not total.requires_grad:
        return 0.0
    parameters = list(rehearsal.parameters(networks).values())
    made = torch.autograd.grad(total, parameters, allow_unused=True)
    norms = [each.detach().double().norm() for each in made if each is not None]
    return float(torch.stack(norms).norm()) if norms else 0.0


def _not_finite(what: str, names: list[str]) -> Answer:
    return bad(
        QUESTION,
        "WP302" if what == "the gradient" else "WP301",
        Severity.FAIL,
        f"{what} is not finite for {', '.join(names)}",
        {"subject": what, "inputs": ", ".join(names), "count": len(names)},
        suspects=(
            ("a root, norm or logarithm of silence", "add 1e-8 inside it and audit again"),
            ("a division by the level of the input", "add a floor to the level and audit again"),
        ),
        advice="a floor inside the root, logarithm or division, relative to the usual level",
    )


def _heavy(heavy: Mapping[str, float], batch: int) -> Answer:
    worst = max(heavy, key=lambda name: heavy[name])
    return bad(
        QUESTION,
        "WP314",
        Severity.WARN if MET & set(heavy) else Severity.INFO,
        f"one item of {worst} pulls {times(heavy[worst])} as hard as an ordinary one, a batch has "
        f"{batch}",
        {"subject": worst, "ratio": heavy[worst], "items": batch, "inputs": ", ".join(heavy)},
        suspects=(("a division by the level", "leave the item out: the gradient's norm falls"),),
        advice="floors relative to the usual level; leave such items out if they do not occur",
    )
