"""What losses as people wrote them pay for, and how they are judged: the table in docs/audit.md.

    python benchmarks/losses_in_reports.py [--seed 0]

The losses are those of tests/guard/reported_losses.py.
"""

import argparse
import math
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "guard"))

from public_losses import decibels
from reported_losses import reported

from wellposed.guard import Audit, Severity, audit_loss

HEADS = (
    "loss", "silence [dB]", "constant", "noise", "best gain", "x 1/2", "polarity", "1 ms",
    "loud/quiet [dB]", "FAIL",
)  # fmt: skip


def row(name: str, audit: Audit) -> str:
    """One line of the table."""
    numbers = audit.numbers
    gain, loud = numbers["best_gain"], numbers["loud_over_quiet_db"]
    changes = ("half_the_level", "polarity", "a_shift_by_1_ms")
    cells = [
        name.replace("_", " "),
        *(decibels(numbers[f"worth_of_{what}_db"]) for what in ("silence", "constant", "noise")),
        "any" if math.isnan(gain) else f"{gain:.2g}",
        *(f"{round(numbers[f'change_by_{what}'], 6) + 0:.2g}" for what in changes),
        "" if math.isnan(loud) else f"{loud:+.0f}",
        ", ".join(sorted(audit.codes(Severity.FAIL))) or "none",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="of the probes")
    seed = parser.parse_args().seed
    torch.set_num_threads(1)
    print(f"| {' | '.join(HEADS)} |\n|{'-|' * len(HEADS)}")
    for name, loss in reported().items():
        print(row(name, audit_loss(loss, seed=seed)), flush=True)


if __name__ == "__main__":
    main()
