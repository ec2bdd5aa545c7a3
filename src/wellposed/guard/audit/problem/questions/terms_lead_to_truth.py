"""Does every term of the loss fall on the way from an estimate to the truth?

Signal: terms of the networks' estimate, and of the same estimate moved all the way to the truth,
item by item. Threshold S: the sign test over items, at the budget of false alarms. A loss that
steers, scales or conjugates in another way than the data does ranks the truth low, and no step of
training shows it.
"""

import torch
from torch import Tensor

from ....chance import binomial_tail
from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal, in_mode
from ..unasked import Unasked

QUESTION = "existence"
CODES = ("WP112",)
QUICK = True
ITEMS = 16
"""Items that are asked; 2^-7 is below a budget of 1 %, and some may disagree."""


def ask(rehearsal: Rehearsal) -> Part:
    """Compare both ends of the way."""
    problem = rehearsal.problem
    if problem.toward is None:
        raise Unasked("the way to the truth is not given (`toward`)")
    here, there = _ends(rehearsal)
    answers, falling, numbers = [], [], {}
    whole = sum(problem.weight(name) * (there[name] - here[name]) for name in here)
    risen = _surely_rises(torch.as_tensor(whole), problem.plan.false_alarms)
    for name in here:
        change = there[name] - here[name]
        numbers[name] = float(change.mean())
        if not _surely_rises(change, problem.plan.false_alarms):
            falling.append(name)
            continue
        above = int((change > 0).sum())
        answers.append(
            bad(
                QUESTION,
                "WP112",
                Severity.FAIL if risen else Severity.WARN,
                f"the term {name} is higher at the truth than at the estimate of a network that "
                f"has hardly learned, for {above} of {len(change)} items",
                {
                    "subject": name,
                    "at_the_estimate": float(here[name].mean()),
                    "at_the_truth": float(there[name].mean()),
                    "items": above,
                    "of": len(change),
                },
                suspects=(
                    ("a convention", "compute it with the sign, conjugate or unit of the data"),
                    ("what it is given", "print what the term compares, for the truth itself"),
                ),
                advice="take the model of the loss from where the data take theirs; by hand, a "
                "term of the truth is known on paper",
            )
        )
    if falling:
        listed = ", ".join(falling)
        answers.append(Answer(QUESTION, f"toward the truth no rise is sure of: {listed}"))
    return Part(answers, {"toward_the_truth": numbers})


def _ends(rehearsal: Rehearsal) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Terms of `ITEMS` items or a few more, at both ends."""
    toward = rehearsal.problem.toward
    assert toward is not None  # `ask` is silent where it is not given
    networks = rehearsal.copies()
    ends: tuple[dict[str, list[Tensor]], dict[str, list[Tensor]]] = ({}, {})
    number = items = 0
    with in_mode(networks, training=False), torch.no_grad():
        while items < ITEMS:
            batch = rehearsal.batch(number)
            for share, kept in zip((0.0, 1.0), ends, strict=True):
                rehearsal.seed(5, number)
                for name, each in toward(networks, batch, share).items():
                    kept.setdefault(name, []).append(each.detach().double().reshape(-1))
            items += max(1, len(next(iter(ends[0].values()))[-1]))
            number += 1
    here, there = ({name: torch.cat(each) for name, each in end.items()} for end in ends)
    return here, there


def _surely_rises(change: Tensor, budget: float) -> bool:
    changed = int((change != 0).sum())
    return changed > 0 and binomial_tail(int((change > 0).sum()), changed, 0.5) < budget
