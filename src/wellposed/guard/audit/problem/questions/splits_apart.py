"""Is what validation measures among what training draws?

Signal: the bits of all inputs of every validation item, and of training items at steps drawn from
the whole planned run: splits that are made by offsets of a seed overlap somewhere in the middle,
not at the start. Threshold E (bits). What was not looked at is bounded: with n items looked at and
none found, a larger share than budget^(1/n) leaves would have been met.
"""

import hashlib
from collections.abc import Sequence

import torch

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal
from ..statement import Batch
from ..unasked import Unasked

QUESTION = "evidence"
CODES = ("WP416",)
QUICK = True
ITEMS = 256
"""Training items that are looked at: a share of 2 % would be met with 99 %."""
QUICK_ITEMS = 32
SCENES = 256
"""Validation items that are looked at."""
QUICK_SCENES = 16


def ask(rehearsal: Rehearsal) -> Part:
    """Compare digests of both splits."""
    problem, quick = rehearsal.problem, rehearsal.quick
    if not len(problem.validation):
        raise Unasked("no validation items are given")
    count = min(len(problem.validation), QUICK_SCENES if quick else SCENES)
    measured: dict[str, str] = {}
    for number in range(count):
        for place, each in enumerate(_digests(problem.validation[number], problem.inputs)):
            measured.setdefault(each, f"validation batch {number}, item {place}")
    steps = _steps(rehearsal)
    looked, batches, met = 0, 0, {}
    for step in steps:
        batches += 1
        # Not by `rehearsal.batch`: the first batches are kept there for the other questions.
        rehearsal.seed(2, step)
        for place, each in enumerate(_digests(problem.batch(step), problem.inputs)):
            looked += 1
            if each in measured:
                met[each] = f"training batch {step}, item {place}"
        if looked >= (QUICK_ITEMS if quick else ITEMS):
            break
    numbers = {"splits": {"training_items": looked, "validation_items": len(measured)}}
    if not met:
        return Part([Answer(QUESTION, _good(rehearsal, looked, len(measured), batches))], numbers)
    first, where = next(iter(met.items()))
    answer = bad(
        QUESTION,
        "WP416",
        Severity.FAIL,
        f"{len(met)} of {len(measured)} validation items are in training too, to the bit: "
        f"{measured[first]} is {where}",
        {
            "subject": "splits",
            "items": len(met),
            "of": len(measured),
            "training_items_looked_at": looked,
        },
        suspects=(
            ("seeds of splits", "print the seed or key behind both items: do they coincide?"),
            ("one list for both splits", "print the files behind both"),
        ),
        advice="key every draw by split and number; a base seed plus the number overlaps",
    )
    return Part([answer], numbers)


def _steps(rehearsal: Rehearsal) -> list[int]:
    """Steps of the planned run in an order drawn by the problem's seed."""
    steps = max(1, rehearsal.problem.plan.steps or 1)
    draws = torch.Generator().manual_seed(rehearsal.problem.seed)
    if steps <= ITEMS:
        return torch.randperm(steps, generator=draws).tolist()
    drawn = torch.randint(steps, (ITEMS,), generator=draws).tolist()
    return list(dict.fromkeys(drawn))


def _digests(batch: Batch, inputs: Sequence[str]) -> list[str]:
    """One digest an item, of all its inputs together."""
    names = [name for name in batch if name in inputs]
    items = len(batch[names[0]])
    return [
        hashlib.blake2b(
            b"".join(batch[name][place].detach().cpu().numpy().tobytes() for name in names),
            digest_size=16,
        ).hexdigest()
        for place in range(items)
    ]


def _good(rehearsal: Rehearsal, looked: int, measured: int, batches: int) -> str:
    plan = rehearsal.problem.plan
    text = f"none of {measured} validation items is among {looked} training items"
    if plan.steps and batches >= plan.steps:
        return f"{text}, all of the planned run"
    share = 1 - plan.false_alarms ** (1 / looked)
    return f"{text} drawn from the planned run: surely less than {share:.1%} of training is"
