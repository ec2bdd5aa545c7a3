"""Are the items that training and validation are made of fit to be learned from?

Signal: levels, broken numbers, silent labels, flat tops, offsets, the highest frequency with
content, items that are there twice, and the lag between inputs and labels, in a few batches of
training and a few of validation. Thresholds: exact [E] for what must not be; a tenth of the power
for an offset [R]: the level is then wrong by 0.46 dB; the budget of the run for silent labels [P].
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ....chance import binomial_tail
from ....checks.misaligned import check as misaligned
from ....evidence import Evidence, Record
from ....findings import Severity
from ....instruments.alignment import ALIGNMENT, alignment
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal
from ..unasked import Unasked

QUESTION = "evidence"
CODES = ("WP105", "WP414", "WP416", "WP417", "WP418")
QUICK = True
BATCHES = 8
"""Training batches that are looked at, and validation batches; two of each when short."""
QUICK_BATCHES = 2
FLAT = 3
"""Samples in a row at the peak that make a flat top: a band-limited wave meets its peak once."""
OFFSET_SHARE = 0.1
"""Share of the power."""
BAND_DB = -80.0
"""Content above a frequency, relative to all of it, that counts as none: 16-bit rounding spread
over the band lies 80 to 98 dB below waves of the usual levels."""


@dataclass(frozen=True)
class Looked:
    """One tensor of one item, measured."""

    name: str
    split: str
    level_db: float
    finite: bool
    flat: int
    offset_share: float
    highest: float
    """Frequency above which there is nothing, as a share of half the sample rate."""
    digest: str

    @property
    def silent(self) -> bool:
        """Whether it is zero throughout."""
        return self.level_db == -math.inf


def ask(rehearsal: Rehearsal) -> Part:
    """Look at the waveforms among the inputs, and at labels of their shape."""
    problem = rehearsal.problem
    batch = rehearsal.batch(0)
    inputs = [name for name in problem.waveforms if name in problem.inputs]
    if not inputs:
        raise Unasked("no input is declared a waveform: Problem(waveforms=('x',))")
    shapes = {batch[name].shape for name in inputs}
    labels = [name for name in problem.labels if batch[name].shape in shapes]
    looked = list(_look(rehearsal, [*inputs, *labels]))
    evidence = Evidence(plan=problem.plan)
    count = QUICK_BATCHES if rehearsal.quick else BATCHES
    for number in range(count if labels else 0):
        made = rehearsal.batch(number)
        if table := alignment(made[inputs[0]], made[labels[0]]):
            evidence.add(ALIGNMENT, Record(number, table))
    numbers = {"items_looked_at": len(looked), **_levels(looked)}
    answers = [
        *_broken(looked),
        *_shapes(looked),
        *_silent(looked, labels, problem.plan.silent_targets, problem.plan.false_alarms),
        *_twice(looked, inputs),
        *_late(evidence),
    ]
    if not any(each.finding for each in answers):
        answers.append(_good(looked, inputs, labels))
    return Part(answers, numbers)


def _look(rehearsal: Rehearsal, names: Sequence[str]) -> Iterator[Looked]:
    count = QUICK_BATCHES if rehearsal.quick else BATCHES
    for number in range(count):
        batch = rehearsal.batch(number)
        for name in names:
            yield from (measured(each, name, "train") for each in batch[name])
    validation = rehearsal.problem.validation
    for number in range(min(count, len(validation))):
        batch = validation[number]
        for name in names:
            yield from (measured(each, name, "valid") for each in batch.get(name, ()))


@torch.no_grad()
def measured(wave: Tensor, name: str, split: str) -> Looked:
    """Measure `(..., time)` of one item."""
    rows = wave.detach().double().reshape(-1, wave.shape[-1])
    finite = bool(rows.isfinite().all())
    rows = rows.nan_to_num(0.0, 0.0, 0.0)
    power = float(rows.square().mean())
    means = rows.mean(1).square()
    return Looked(
        name,
        split,
        10 * math.log10(power) if power > 0 else -math.inf,
        finite,
        sum(_flat(row) for row in rows),
        float((means / rows.square().mean(1).clamp_min(1e-300)).max()),
        _highest(rows),
        hashlib.blake2b(wave.detach().cpu().numpy().tobytes(), digest_size=16).hexdigest(),
    )


def _flat(row: Tensor) -> int:
    """Samples in flat tops: runs of the very peak, at either end."""
    found = 0
    for side in (row, -row):
        top = side.max()
        if top <= 0:
            continue
        runs = torch.diff(torch.nn.functional.pad((side == top).int(), (1, 1)))
        lengths = (runs == -1).nonzero()[:, 0] - (runs == 1).nonzero()[:, 0]
        found += int(lengths[lengths >= FLAT].sum())
    return found


def _highest(rows: Tensor) -> float:
    """Where the content ends, as a share of the band; 0 for silence."""
    window = torch.hann_window(rows.shape[-1], dtype=rows.dtype)
    power = torch.fft.rfft(rows * window).abs().square().sum(0)
    if not bool(power.any()):
        return 0.0
    above = power.flip(0).cumsum(0).flip(0) / power.sum()
    return float((above > 10 ** (BAND_DB / 10)).nonzero().max() + 1) / len(power)


def _levels(looked: Sequence[Looked]) -> dict[str, object]:
    """Of every tensor: levels at 5, 50 and 95 %, and how far the content reaches."""
    found: dict[str, object] = {}
    for name in dict.fromkeys(each.name for each in looked):
        heard = sorted(e.level_db for e in looked if e.name == name and not e.silent)
        reach = sorted(e.highest for e in looked if e.name == name and not e.silent)
        if heard:
            found[f"levels_db_of_{name}"] = [_quantile(heard, q) for q in (0.05, 0.5, 0.95)]
            found[f"content_of_{name}_reaches"] = [_quantile(reach, q) for q in (0.05, 0.5, 0.95)]
    return found


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _broken(looked: Sequence[Looked]) -> Iterator[Answer]:
    found = [each for each in looked if not each.finite]
    if found:
        yield bad(
            QUESTION,
            "WP417",
            Severity.FAIL,
            f"{len(found)} of {len(looked)} waves hold NaN or infinity: {_names(found)}",
            {"subject": "not finite", "waves": len(found), "of": len(looked)},
            suspects=(("the files", "wellposed data check: which of them, and where"),),
            advice="leave such files out; a division while scenes are made is the other place",
        )


def _shapes(looked: Sequence[Looked]) -> Iterator[Answer]:
    """Flat tops and offsets."""
    flat = [each for each in looked if each.flat]
    shifted = [each for each in looked if each.offset_share > OFFSET_SHARE]
    for found, what, why in (
        (flat, "have flat tops", "clipped when they were recorded or mixed"),
        (shifted, "hold a constant of over a tenth of their power", "an offset of the recording"),
    ):
        if found:
            yield bad(
                QUESTION,
                "WP418",
                Severity.WARN,
                f"{len(found)} of {len(looked)} waves {what}: {_names(found)}",
                {"subject": what, "waves": len(found), "of": len(looked)},
                suspects=((why, "look at the files: wellposed data check"),),
                advice="turn mixtures down as a whole; take offsets out when files are loaded",
            )


def _silent(
    looked: Sequence[Looked], labels: Sequence[str], declared: float, budget: float
) -> Iterator[Answer]:
    targets = [each for each in looked if each.name in labels and each.split == "train"]
    silent = [each for each in targets if each.silent]
    if silent and binomial_tail(len(silent), len(targets), declared) < budget:
        yield bad(
            QUESTION,
            "WP105",
            Severity.WARN,
            f"{len(silent)} of {len(targets)} labels are exactly silent; declared are "
            f"{declared:.2%}",
            {"subject": "labels", "silent": len(silent), "items": len(targets),
             "declared_share": declared},
            suspects=(("cropping", "draw the same items with other offsets"),),
            advice="relabel or leave out such items, or declare them: Plan(silent_targets=...)",
        )  # fmt: skip


def _twice(looked: Sequence[Looked], inputs: Sequence[str]) -> Iterator[Answer]:
    splits: dict[str, list[str]] = {}
    for each in looked:
        if each.name in inputs and not each.silent:
            splits.setdefault(each.digest, []).append(each.split)
    crossing = [each for each in splits.values() if len(set(each)) > 1]
    again = [each for each in splits.values() if len(each) > 1 and len(set(each)) == 1]
    if crossing:
        yield bad(
            QUESTION,
            "WP416",
            Severity.FAIL,
            f"{len(crossing)} inputs of validation are in training too, to the bit",
            {"subject": "splits", "inputs": len(crossing)},
            suspects=(("one list for both splits", "print the files behind both"),),
            advice="split by speaker and recording before anything is drawn",
        )
    if again:
        yield bad(
            QUESTION,
            "WP416",
            Severity.WARN,
            f"{len(again)} inputs are there twice within {sum(map(len, splits.values()))}",
            {"subject": "repeats", "inputs": len(again)},
            suspects=(("a small list, or a generator seeded alike", "print what was drawn"),),
            advice="key every draw by the number of the item",
        )


def _late(evidence: Evidence) -> Iterator[Answer]:
    found = misaligned(evidence) if evidence.of(ALIGNMENT) else None
    if found is not None:
        yield Answer(QUESTION, found.title, found)


def _good(looked: Sequence[Looked], inputs: Sequence[str], labels: Sequence[str]) -> Answer:
    heard = sorted(each.level_db for each in looked if each.name in inputs and not each.silent)
    reach = [each.highest for each in looked if each.name in inputs and not each.silent]
    if not heard:
        return Answer(QUESTION, "all inputs that were looked at are silent", asked=False)
    full = sum(each > 0.9 for each in reach)
    silent = sum(each.silent for each in looked if each.name in labels)
    aligned = ", in step with their labels" if labels else ""
    return Answer(
        QUESTION,
        f"{len(looked)} waves looked at: inputs at {heard[0]:.0f} to {heard[-1]:.0f} dB{aligned}; "
        f"none broken, clipped, offset or there twice; silent labels: {silent}; "
        f"{full} of {len(reach)} inputs reach the top tenth of the band",
    )


def _names(found: Sequence[Looked]) -> str:
    return ", ".join(dict.fromkeys(f"{each.name} of {each.split}" for each in found))
