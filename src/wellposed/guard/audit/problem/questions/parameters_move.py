"""Does every parameter receive a gradient, and does the optimizer move it?

Signal: over a few steps of the planned run, whether a parameter's gradient was there and not 0,
and whether one bit of it changed. Threshold E (exact). Where a branch is drawn at random with
chance p in a step, n steps miss it with chance (1 - p)**n: parameters without a gradient are told,
and FAIL only where the terms have no path to them at all (no gradient tensor in any step) and
nothing in the network is random.
"""

import torch
from torch import Tensor, nn

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal

QUESTION = "existence"
CODES = ("WP114",)
QUICK = True
STEPS = 4
"""Steps that are taken: a zero-initialised layer lets what lies before it wait for one step, two
of them in a row for two; a first step that only fills a moment is another one."""


def ask(rehearsal: Rehearsal) -> Part:
    """Take a few steps, and look at every parameter before and after them."""
    networks = rehearsal.networks()
    parameters = rehearsal.parameters(networks)
    before = {name: each.detach().clone() for name, each in parameters.items()}
    reached, fed = set[str](), set[str]()
    for step, _ in enumerate(rehearsal.training(networks)):
        if step == STEPS:
            break
        for name, each in parameters.items():
            if each.grad is not None:
                reached.add(name)
                if bool(each.grad.any()):
                    fed.add(name)
    still = {name for name in parameters if torch.equal(parameters[name].detach(), before[name])}
    unfed = [name for name in parameters if name not in fed]
    unmoved = [name for name in parameters if name in fed and name in still]
    numbers = {"parameters": len(parameters), "parameters_unfed": len(unfed)}
    answers = [
        _unfed(networks, unfed, [name for name in unfed if name in reached], len(parameters)),
        _unmoved(networks, unmoved, len(parameters)),
    ]
    good = Answer(
        QUESTION,
        f"all {len(parameters)} parameters receive a gradient and move within {STEPS} steps",
    )
    return Part([each for each in answers if each is not None] or [good], numbers)


def _unfed(
    networks: dict[str, nn.Module], unfed: list[str], reached: list[str], count: int
) -> Answer | None:
    if not unfed:
        return None
    names = unfed if len(reached) == len(unfed) else [n for n in unfed if n not in reached]
    how = "is exactly 0" if len(reached) == len(unfed) else "does not exist"
    return bad(
        QUESTION,
        "WP114",
        Severity.FAIL,
        f"{len(unfed)} of {count} parameters never had a gradient in {STEPS} steps: {_list(names)}",
        {
            "subject": ", ".join(unfed),
            "module": _module(networks, names[0]),
            "count": len(unfed),
            "of": count,
            "gradient": how,
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
