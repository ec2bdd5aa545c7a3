"""WP114: a parameter has a gradient and a learning rate, yet not one of its bits has changed.

Signal: the digest of all bits at two close looks, with a gradient that is not 0, a learning rate
above 0 that does not rise (a warm-up may be too small to see). Threshold E: equality of bits.

What it means follows from rounding U: a change below eps/2 of a number leaves it as it is. In
float32 a step that small could not move the weight by itself within 16 million steps, and a
gradient that is 0 but for rounding (a bias in front of a normalisation) looks just so: no finding,
unless no parameter of the optimizer moves. Where the numbers are coarser than float32, or lr times
gradient is above the rounding, it is WARN; all of an optimizer: FAIL.
"""

from collections.abc import Mapping, Sequence

import torch

from ..evidence import Evidence, Record
from ..findings import Finding, Severity, Suspect

CODES = ("WP114",)
READS = "still"
SINGLE = torch.finfo(torch.float32).eps
PERIOD = 64
"""Steps that half types are given: sums that compensate for rounding move the weight late."""
STEPS = 3
"""Steps of the optimizer between the two digests; one alone may have been left out."""


def check(evidence: Evidence) -> Finding | None:
    """Tell lost to rounding from not moved at all."""
    record = evidence.of("still")[-1]
    about = {name: each for name, each in record.table.items() if each.get("steps", 0) >= STEPS}
    if not about:
        return None
    for name, each in record.table.items():
        if "held" in each and each["still"] == each["held"]:
            title = f"no parameter of {name} has changed by one bit"
            return _finding(record, name, list(about), Severity.FAIL, title)
    coarse = [name for name, each in about.items() if each["eps"] > SINGLE]
    ignored = [name for name in about if name not in coarse and not _is_below_rounding(about[name])]
    lost = [name for name in coarse if about[name]["steps"] >= PERIOD]
    for names, why in ((ignored, "and rounding is not why"), (lost, "its steps are rounded away")):
        if names:
            steps = int(about[names[0]]["steps"])
            title = f"{names[0]} has not changed by one bit in {steps} steps, {why}"
            return _finding(record, why, names, Severity.WARN, title)
    return None


def _is_below_rounding(about: Mapping[str, float]) -> bool:
    return about["lr"] * about["gradient"] < about["eps"] * about["weight"]


def _finding(
    record: Record, subject: str, names: Sequence[str], severity: Severity, title: str
) -> Finding:
    first = record.table[names[0]]
    optimizers = [each for each in record.table.values() if "held" in each]
    return Finding(
        code="WP114",
        title=title,
        severity=severity,
        step=record.step,
        since_step=record.step - int(first["steps"]),
        evidence={
            "subject": subject,
            "parameters": ", ".join(names),
            "still": int(sum(each["still"] for each in optimizers)),
            "of": int(sum(each["held"] for each in optimizers)),
            "lr": first["lr"],
            "largest_gradient": first["gradient"],
            "largest_weight": first["weight"],
            "relative_spacing": first["eps"],
        },
        suspects=(
            Suspect("rounding", f"{names[0]} in float32: it moves"),
            Suspect("the learning rate", "a thousand times of it for one step: it moves"),
            Suspect("something that puts the weights back", "compare right after the optimizer"),
        ),
        advice="weights in float32 with autocast instead of half-precision weights"
        if first["eps"] > SINGLE
        else "look for what the optimizer leaves out, or what overwrites the weight after it",
    )
