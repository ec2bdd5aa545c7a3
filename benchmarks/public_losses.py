"""What published losses pay for silence, and where they have no gradient: see docs/audit.md.

    pip install auraloss torchmetrics
    python benchmarks/public_losses.py [--seeds 5]

Each loss is audited as it comes, with its defaults, as a whole objective with nothing declared.
Metrics that are better when higher are negated. Packages that are missing are left out, by name.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from statistics import median

import torch
from torch import Tensor, nn

from wellposed.guard import Audit, Severity, audit_loss

Loss = Callable[[Tensor, Tensor], Tensor]

TORCH = ("L1Loss", "MSELoss", "SmoothL1Loss")

AURALOSS = (
    "time.SNRLoss",
    "time.SISDRLoss",
    "time.SDSDRLoss",
    "time.ESRLoss",
    "time.DCLoss",
    "time.LogCoshLoss",
    "freq.STFTLoss",
    "freq.MultiResolutionSTFTLoss",
)

TORCHMETRICS = (
    "signal_noise_ratio",
    "scale_invariant_signal_noise_ratio",
    "scale_invariant_signal_distortion_ratio",
)


class OneChannel(nn.Module):
    """A loss on `(batch, channels, time)`, given one channel; its buffers are seen through it."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """Ask with a channel more."""
        return self.loss(estimate[:, None], reference[:, None])


def losses() -> Iterator[tuple[str, Loss]]:
    """Name with version, and loss, of everything that can be imported here."""
    for name in TORCH:
        yield f"torch {torch.__version__} {name}", getattr(nn, name)()
    try:
        auraloss = import_module("auraloss")
    except ModuleNotFoundError:
        print("auraloss is not installed: left out")
    else:
        for name in AURALOSS:
            part, _, kind = name.partition(".")
            made = getattr(getattr(auraloss, part), kind)()
            yield f"auraloss {version('auraloss')} {kind}", OneChannel(made)
    try:
        audio = import_module("torchmetrics.functional.audio")
    except ModuleNotFoundError:
        print("torchmetrics is not installed: left out")
    else:
        for name in TORCHMETRICS:
            yield f"torchmetrics {version('torchmetrics')} -{name}", negated(getattr(audio, name))


def negated(metric: Loss) -> Loss:
    return lambda estimate, reference: -metric(estimate, reference)


def row(name: str, audits: list[Audit]) -> str:
    """One line of the table: medians over the seeds."""

    def middle(key: str) -> float:
        return median(each.numbers[key] for each in audits)

    gain = middle("best_gain")
    target = max(
        middle("gradient_at_a_silent_target"), middle("gradient_at_one_silent_target_of_the_batch")
    )
    cells = [
        name,
        decibels(middle("worth_of_silence_db")),
        decibels(middle("worth_of_constant_db")),
        "any" if math.isnan(gain) else f"{gain:.2g}",
        f"{middle('loud_over_quiet_db'):+.0f}",
        "not finite" if math.isnan(target) else f"{target:.2g}",
        where(audits, "WP103"),
        ", ".join(sorted({code for each in audits for code in each.codes(Severity.FAIL)}))
        or "none",
        f"{1000 * median(each.seconds for each in audits):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def decibels(value: float) -> str:
    if math.isinf(value):
        return "> 60" if value > 0 else "< -40"
    return "not finite" if math.isnan(value) else f"{value:.1f}"


def where(audits: list[Audit], code: str) -> str:
    """Where there is no gradient, in the words of the findings."""
    titles = [finding.title for finding in audits[0].findings if finding.code == code]
    words = [title.partition("leads on from ")[2] or title for title in titles]
    return "; ".join(words) or "nowhere"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="probes of so many seeds")
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    heads = (
        "loss", "silence [dB]", "constant [dB]", "best gain", "loud/quiet [dB]",
        "silent target", "no gradient", "FAIL", "ms",
    )  # fmt: skip
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, loss in losses():
        print(row(name, [audit_loss(loss, seed=seed) for seed in range(seeds)]), flush=True)


if __name__ == "__main__":
    main()
