"""WP119: a codebook sends far less than it could.

Signal: the codes drawn within a window of two halves, each of `look_every` steps or more, together
enough that a code with an even share would be seen but for the level of a look (see
`instruments.codes.draws_needed`) (S).

Thresholds. FAIL: one code in the whole window or its first half (E): 0 bit are sent. WARN: half
of the codes or more are unused (R: a codebook of half the size would send the same), in three
windows one after another and without recovering. Draws of one scene resemble each other, so the
curve of codes seen is drawn on (S): it bends, hence the next window brings at most as many new
codes as the last half did, twice. INFO: the entropy is a bit below log2(size), bias of counting
included (R, S), though most codes are in use.
"""

import math
from itertools import islice

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..windows import Quantities, backwards, newest

CODES = ("WP119",)
READS = "codes"
WINDOWS = 3
"""Windows overlap by half: the first and the third share no draw, so that a trend is seen."""

_SUSPECTS = (
    Suspect("the encoder", "the spread of what reaches the quantizer, over that of its codes"),
    Suspect("codes that started far away", "set the codes by k-means on one batch and run on"),
    Suspect("no revival", "replace unused codes by latents of the batch and run on"),
    Suspect("weight of the commitment term", "run on with a tenth of it"),
)
_ADVICE = "codes from k-means on real latents, revival of unused ones, look-up of few dimensions"


def check(evidence: Evidence) -> Finding | None:
    """Judge the newest window, and those before it."""
    name, table = newest(evidence, "codes")
    if table["size"] < 2:
        return None
    windows = list(islice(backwards(evidence, "codes", name), WINDOWS))
    size, used, bits = table["size"], table["used"], table["bits"]
    if used == 1:
        title = f"{name} sends one code of {size:.0f}, always the same: 0 bit"
        return _finding(evidence, name, Severity.FAIL, title, table["since"])
    if len(windows) < WINDOWS or windows[-1][1]["halves"] < 2:
        return None
    oldest = windows[-1][1]
    if all(_half_unused(each) for _, each in windows):
        if used > oldest["used"]:
            return None  # It recovers.
        title = f"{name} uses {used:.0f} of {size:.0f} codes and sends {bits:.1f} bit of "
        title += f"{table['nominal_bits']:.1f}"
        return _finding(evidence, name, Severity.WARN, title, oldest["since"])
    if all(_uneven(each) for _, each in windows):
        title = f"{name} sends {bits:.1f} bit of {table['nominal_bits']:.1f}: few codes do the work"
        return _finding(evidence, name, Severity.INFO, title, oldest["since"])
    return None


def _half_unused(table: Quantities) -> bool:
    return table["used"] + 2 * table["new"] <= table["size"] / 2


def _uneven(table: Quantities) -> bool:
    # The entropy of n counted draws is too small by at most log2(1 + (size - 1) / n) (Paninski,
    # Neural Computation 15, 2003).
    bias = math.log2(1 + (table["size"] - 1) / table["draws"])
    # Draws of one scene resemble each other, and the bias is that of fewer. It goes as 1 / n, so
    # that what is left of it is what both halves together have gained over one.
    return table["bits"] + max(bias, table["gained_bits"]) <= table["nominal_bits"] - 1


def _finding(
    evidence: Evidence, name: str, severity: Severity, title: str, since: float
) -> Finding:
    table = evidence.of("codes")[-1].table[name]
    shown = ("size", "draws", "used", "new", "bits", "nominal_bits", "perplexity", "largest")
    return Finding(
        "WP119",
        title,
        severity,
        evidence.step,
        int(since),
        {"subject": name, **{key: table[key] for key in shown}},
        _SUSPECTS,
        _ADVICE,
    )
