"""An explanation as text: the controls, a table of suspects, the sentence, what is not known."""

from collections.abc import Iterator

from wellposed.engine.explain.verdict import Explanation, Verdict
from wellposed.engine.telling.figures import counted

HEAD = f"  {'verdict':<11}{'intervention':<34}{'removed':>9}{'share':>18}{'itself':>9}  note"


def lines(told: Explanation) -> Iterator[str]:
    """Lines for a terminal."""
    yield f"{told.finding} {told.title}".strip()
    yield f"  symptom: {told.symptom_text}; replayed from {told.source}"
    yield f"  the run itself, nothing changed: {told.control}"
    if told.randomness != "none":
        kind = "another seed" if told.randomness == "seed" else "weights moved by a little"
        yield f"  with {kind}: {told.controls_shown} of {told.controls} controls show it"
    if told.verdicts:
        yield HEAD
    for each in told.verdicts:
        yield _line(each)
    where = counted(max(1, told.workers), "process", "processes")
    yield f"  {counted(told.replays, 'replay')} in {told.seconds:.0f} s on {where}"
    yield ""
    yield told.sentence
    first = next((each for each in told.verdicts if each.word == "convicted" and each.yaml), None)
    if first is not None:
        yield from ("", "As a recipe:", *(f"    {line}" for line in first.yaml.splitlines()))
    yield ""
    yield "Not tested:"
    yield from (f"  - {each}" for each in told.untested)


def _line(each: Verdict) -> str:
    if each.word == "untested":
        return f"  {each.word:<11}{each.name:<34}{'':>36}  {each.why}"
    counted = f"{each.removed}/{each.removed + each.kept}"
    share = "" if each.share is None else f"{each.share:.2f} [{each.low:.2f}, {each.high:.2f}]"
    itself = {None: "", True: "stays", False: "gone"}[each.original]
    notes = ["blunt"] if each.blunt else []
    notes += [f"brings {', '.join(each.brings)}"] if each.brings else []
    if each.figure_difference is not None:
        notes.append(f"figure {each.figure_difference:+.3g}")
    note = "; ".join(notes)
    return f"  {each.word:<11}{each.name:<34}{counted:>9}{share:>18}{itself:>9}  {note}".rstrip()
