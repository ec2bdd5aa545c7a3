"""What the batched band split buys: all bands in one product, against one small module per band.

Both forms hold the same weights and give the same numbers (a test proves it); both are timed in
turn, so that whatever else the machine does meets both alike. Printed are medians and the ratio
of the per-band form to the batched form. On a machine that others use as well, take one thread
and the clock "cpu", which stands still while others compute.

    python benchmarks/bandsplit_batched.py [--threads 2] [--clock wall] [--rounds 15] [--json FILE]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from per_band import SplitPerBand, TapsPerBand
from this_machine import machine
from torch import Tensor, nn

from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.objective import enhance_terms
from wellposed.systems.enhance.recipe import SIZES, Loss


def per_band(model: Bsrnn) -> Bsrnn:
    """Build the same network with one module per band."""
    other = Bsrnn(SIZES["small"], model.rate)
    other.load_state_dict(model.state_dict())
    widths = list(model.split.widths)
    # Plain attributes in place of annotated ones: the forward pass calls whatever stands there.
    other.add_module("split", SplitPerBand(model.split, widths))
    other.add_module("taps", TapsPerBand(model.taps, widths))
    return other


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

Job = Callable[[], None]


def interleaved(jobs: tuple[Job, Job], rounds: int, clock: Callable[[], float]) -> list[float]:
    """Median seconds of two jobs, run in turn after one warm-up each."""
    spent: tuple[list[float], list[float]] = ([], [])
    for job in jobs:
        job()
    for _ in range(rounds):
        for job, times in zip(jobs, spent, strict=True):
            start = clock()
            job()
            times.append(clock() - start)
    return [statistics.median(times) for times in spent]


def training_step(model: Bsrnn, noisy: Tensor, clean: Tensor) -> Job:
    """Forward, the three terms, backward; without the optimizer, which is alike for both."""
    loss = Loss()

    def step() -> None:
        model.zero_grad(set_to_none=True)
        terms = enhance_terms(model(noisy), clean, noisy, loss, model.rate)
        torch.stack([term.mean() for term in terms.values()]).sum().backward()

    return step


def network_step(model: Bsrnn, noisy: Tensor) -> Job:
    """Forward and backward of the network alone."""

    def step() -> None:
        model.zero_grad(set_to_none=True)
        model(noisy).square().mean().backward()

    return step


def layers_step(split: nn.Module, taps: nn.Module, spectrum: Tensor) -> Job:
    """Forward and backward of the split and the taps without the recurrent layers."""

    def step() -> None:
        split.zero_grad(set_to_none=True)
        taps.zero_grad(set_to_none=True)
        made = taps(split(spectrum))
        torch.view_as_real(made).square().mean().backward()

    return step


def measure(rounds: int, clock: Callable[[], float]) -> dict[str, dict[str, float]]:
    """Seconds of both forms for each job, at 16 kHz, size small, float32."""
    torch.manual_seed(0)
    batched = Bsrnn(SIZES["small"], 16000)
    single = per_band(batched)
    noisy, clean = 0.1 * torch.randn(8, 32000), 0.1 * torch.randn(8, 32000)
    long, short = (batched.stft.forward(wave) for wave in (noisy, noisy[:1, :4000]))
    forms = (single, batched)
    jobs = {
        "training step, 8 x 2 s": [training_step(form, noisy, clean) for form in forms],
        "network, 8 x 2 s": [network_step(form, noisy) for form in forms],
        "split + taps, 8 x 2 s": [layers_step(form.split, form.taps, long) for form in forms],
        "network, 0.25 s": [network_step(form, noisy[:1, :4000]) for form in forms],
        "split + taps, 0.25 s": [layers_step(form.split, form.taps, short) for form in forms],
    }
    figures = {}
    for name, (slow, quick) in jobs.items():
        one, all_at_once = interleaved((slow, quick), rounds, clock)
        figures[name] = {
            "per_band_s": one, "batched_s": all_at_once, "ratio": one / all_at_once
        }  # fmt: skip
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures = measure(options.rounds, CLOCKS[options.clock])
    print(f"{machine()}, {options.threads} threads, torch {torch.__version__};", end=" ")
    print(f"medians of {options.rounds} interleaved rounds, {options.clock} clock")
    print(f"{'forward + backward':<24}{'per band':>10}{'batched':>10}{'ratio':>8}")
    for name, row in figures.items():
        one, quick = 1000 * row["per_band_s"], 1000 * row["batched_s"]
        print(f"{name:<24}{one:>7.1f} ms{quick:>7.1f} ms{row['ratio']:>8.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
