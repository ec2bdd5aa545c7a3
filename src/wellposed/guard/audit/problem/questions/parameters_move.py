"""Does every parameter receive a gradient, and does the optimizer move it?

Signal: over a few steps of the planned run, whether a parameter's gradient was there and not 0,
and whether one bit of it changed. Threshold E (exact). Where a branch is drawn at random with
chance p in a step, n steps miss it with chance (1 - p)**n: so a missing gradient is a FAIL only
where the terms do not depend on what is drawn.
"""

import torch
from torch import Tensor, nn

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..rehearsal import STEPS, Rehearsal

QUESTION = "existence"
CODES = ("WP114",)
QUICK = True


def ask(rehearsal: Rehearsal) -> Part:
    """Look at every parameter before, during and after the first steps."""
    networks, begun = rehearsal.networks(), rehearsal.beginning
    after = rehearsal.parameters(begun.networks)
    still = {name for name, each in after.items() if torch.equal(each.detach(), begun.before[name])}
    largest = {name: max((g or 0.0) for g in found) for name, found in begun.gradients.items()}
    unfed = [name for name in after if not largest[name]]
    # A gradient that is rounding beside the others' (a bias before a norm) need not move it.
    rounding = torch.finfo(torch.float32).eps * max(largest.values(), default=0.0)
    unmoved = [name for name in after if name in still and largest[name] > rounding]
    cut = [name for name in unfed if all(g is None for g in begun.gradients[name])]
    random = bool(unfed) and _draws(rehearsal)
    answers = [
        _unfed(networks, unfed, cut, len(after), random),
        _unmoved(networks, unmoved, len(after)),
    ]
    good = Answer(
        QUESTION,
        f"all {len(after)} parameters receive a gradient and move within {STEPS} steps",
    )
    numbers = {"parameters": len(after), "parameters_unfed": len(unfed)}
    return Part([each for each in answers if each is not None] or [good], numbers)


@torch.no_grad()
def _draws(rehearsal: Rehearsal) -> bool:
    """Whether the terms of one batch depend on what is drawn in the step."""
    networks, batch = rehearsal.networks(), rehearsal.batch(0)
    first, second = (rehearsal.terms(networks, batch, step) for step in (0, 1))
    return any(bool(first[name] != second[name]) for name in first)


def _unfed(
    networks: dict[str, nn.Module], unfed: list[str], cut: list[str], count: int, random: bool
) -> Answer | None:
    if not unfed:
        return None
    names = cut or unfed
    return bad(
        QUESTION,
        "WP114",
        Severity.WARN if random else Severity.FAIL,
        f"{len(unfed)} of {count} parameters never had a gradient in {STEPS} steps: {_list(names)}",
        {
            "subject": ", ".join(unfed),
            "module": _module(networks, names[0]),
            "count": len(unfed),
            "of": count,
            "gradient": "does not exist" if cut else "is exactly 0",
        },
        suspects=(
            (names[0], "is it called? a hook on its module counts the passes"),
            ("a cut", "without detach(), no_grad(), argmax or a dead activation it has one"),
        ),
        advice="call it, remove it, or requires_grad_(False) where it is meant to rest",
    )


def _unmoved(networks: dict[str, nn.Module], names: list[str], count: int) -> Answer | None:
    if not names:
        return None
    return bad(
        QUESTION,
        "WP114",
        Severity.FAIL,
        f"{len(names)} of {count} parameters have a gradient and do not move: {_list(names)}",
        {
            "subject": ", ".join(names),
            "module": _module(networks, names[0]),
            "count": len(names),
            "of": count,
        },
        suspects=(
            ("the optimizer", "is the parameter in one of its groups? with a rate above 0?"),
            ("rounding", "a thousand times the learning rate for one step: it moves"),
        ),
        advice="hand all parameters to the optimizer; keep them in float32",
    )


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]}, ... (first of {len(names)})"


def _module(networks: dict[str, nn.Module], name: str) -> str:
    """The class of the module that owns a parameter."""
    owners = {
        id(own): type(part).__name__
        for network in networks.values()
        for part in network.modules()
        for own in part.parameters(recurse=False)
    }
    tensors: dict[str, Tensor] = {
        (path if len(networks) == 1 else f"{key}.{path}"): own
        for key, network in networks.items()
        for path, own in network.named_parameters()
    }
    return owners.get(id(tensors.get(name)), "")
