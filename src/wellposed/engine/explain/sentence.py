"""One sentence at the end of an explanation, that a person can act on."""

from collections.abc import Mapping, Sequence
from typing import Any

from wellposed.engine.explain.shown import Shown
from wellposed.engine.explain.verdict import Verdict

RECIPE = "recipe:"
"""Begins names of interventions that are a setting of the recipe, and nothing else to be told."""


def sentence(symptom: str, shown: Shown, verdicts: Sequence[Verdict]) -> str:
    """Say what to do now."""
    if shown.short and (shown.first is None or shown.first.unfinished):
        return (
            f"Nothing can be said of a cause yet: the budget ended before the run, replayed with "
            f"nothing changed, had come to {symptom}; {_larger(shown)}."
        )
    if not shown.reproduced:
        return (
            f"Nothing can be said of a cause: the run replayed with nothing changed does not show "
            f"{symptom}; look for what differs, such as the device, its kernels or the data."
        )
    healed = [each.about for each in verdicts if each.original is False]
    hint = f" In this one run it goes away if you {healed[0]}." if healed else ""
    if shown.randomness == "none" and shown.short:
        return (
            f"The run shows {symptom} again, but the budget ended before chance could be told from "
            f"a cause; {_larger(shown)}.{hint}"
        )
    if shown.randomness == "none":
        return (
            f"{symptom} came once and never under other randomness, so that chance cannot be "
            f"told from a cause: look at the batch of that step.{hint}"
        )
    guilty = [each for each in verdicts if each.word == "convicted"]
    if guilty:
        return _of_the_guilty(symptom, guilty)
    open_ones = [each.name for each in verdicts if each.word == "undecided"]
    if open_ones:
        be = "is" if len(open_ones) == 1 else "are"
        why = (
            f"the budget ended; {_larger(shown)}"
            if shown.short
            else "more pairs of replays would not tell soon"
        )
        return (
            f"No cause of {symptom} is proven yet: {_list(open_ones)} {be} undecided, {why}.{hint}"
        )
    return (
        f"None of what was tried is the cause of {symptom}: it stays in every case. Suspect what "
        "was not tried: the data, the network's form, a loss of another kind."
    )


def _of_the_guilty(symptom: str, guilty: Sequence[Verdict]) -> str:
    first = next((each for each in guilty if not each.blunt), guilty[0])
    also = [each.name for each in guilty if each is not first]
    more = f" (so does {_list(also)})" if also else ""
    keep = "it tells where to look, and is no cure" if first.blunt else "change the code"
    if first.recipe:
        keep = f"set {_settings(first.recipe)} in the recipe"
    do = keep if first.name.startswith(RECIPE) else f"{first.about}: {keep}"
    return (
        f"To be rid of {symptom}, {do}; it removed the symptom in "
        f"{first.removed} of {first.removed + first.kept} pairs of replays{more}."
    )


def _larger(shown: Shown) -> str:
    return f"give --budget {shown.larger}" if shown.larger else "give a larger --budget"


def _settings(changes: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in changes.items()
    )


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
