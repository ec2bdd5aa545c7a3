"""What each size of the enhance network costs: parameters, arithmetic, and time on one core.

Multiply-accumulates are counted from the layers' sizes, the recurrent ones included, the Fourier
transform excluded; a complex product counts as four. The real-time factor is processor seconds per
second of audio for a ten-second file on one thread; sizes run in turn, medians. `--steps`
measures a training step as well, in processor seconds.

    python benchmarks/bsrnn_cost.py [--sizes NAME ...] [--steps] [--rate 16000] [--rounds 5]
                                    [--json FILE]
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from this_machine import machine

from wellposed.engine.optimise import make_optimizer
from wellposed.engine.sections import Optimizer
from wellposed.nn.statespace import StateSpace
from wellposed.systems.enhance.model import TAPS, Bsrnn
from wellposed.systems.enhance.objective import enhance_terms
from wellposed.systems.enhance.recipe import SIZES, Loss, Model

SECONDS = 10


def macs_per_second(recipe: Model, model: Bsrnn) -> int:
    """Multiply-accumulates per second of audio."""
    bins, bands = model.stft.bins, len(model.split.widths)
    # Every weight of a path's matrices meets every band of every frame once.
    matrices = [
        p for name, p in model.paths.named_parameters() if p.ndim > 1 and "decay" not in name
    ]
    paths = bands * (sum(p.numel() for p in matrices) + scans(recipe, model))
    split = 2 * bins * recipe.features
    taps = bands * recipe.features * recipe.taps_hidden + 2 * TAPS * bins * recipe.taps_hidden
    filtering = 4 * TAPS * bins
    frames_per_second = model.rate / model.stft.hop
    return round((split + paths + taps + filtering) * frames_per_second)


def scans(recipe: Model, model: Bsrnn) -> int:
    """Multiply-accumulates of the scans: decay, drive and output of every state."""
    blocks = [module for module in model.modules() if isinstance(module, StateSpace)]
    return sum(3 * block.channels * recipe.states * (2 - block.causal) for block in blocks)


def step_times(models: dict[str, Bsrnn], rate: int, rounds: int) -> dict[str, float]:
    """Median processor seconds of a training step of 8 scenes of 2 s in bfloat16, in turn."""
    spent: dict[str, list[float]] = {name: [] for name in models}
    for number in range(rounds + 1):
        for name, model in models.items():
            noisy, clean = 0.1 * torch.randn(2, 8, 2 * rate)
            optimizer = make_optimizer([model], Optimizer())
            begun = time.process_time()
            with torch.autocast("cpu", torch.bfloat16):
                estimate = model(noisy)
            terms = enhance_terms(estimate, clean, noisy, Loss(), rate)
            torch.stack([term.mean() for term in terms.values()]).sum().backward()
            optimizer.step()
            if number:
                spent[name].append(time.process_time() - begun)
            model.zero_grad()
    return {name: statistics.median(times) for name, times in spent.items()}


@torch.inference_mode()
def real_time_factors(models: dict[str, Bsrnn], rounds: int) -> dict[str, float]:
    """Median processor seconds per second of audio, the models in turn."""
    spent: dict[str, list[float]] = {name: [] for name in models}
    for number in range(rounds + 1):
        for name, model in models.items():
            noisy = 0.1 * torch.randn(1, SECONDS * model.rate)
            begun = time.process_time()
            model(noisy)
            if number:  # the first round warms up
                spent[name].append((time.process_time() - begun) / SECONDS)
    return {name: statistics.median(times) for name, times in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=16000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    recipes = {name: SIZES[name] for name in options.sizes}
    models = {name: Bsrnn(recipe, options.rate).eval() for name, recipe in recipes.items()}
    factors = real_time_factors(models, options.rounds)
    steps = step_times(models, options.rate, options.rounds) if options.steps else {}
    print(f"{machine()}, one thread, torch {torch.__version__}, {options.rate} Hz,", end=" ")
    print(f"file of {SECONDS} s; medians of {options.rounds} interleaved rounds, processor time")
    print(f"{'size':<16}{'parameters':>12}{'MMAC/s':>10}{'real-time factor':>18}")
    figures = {}
    for name, model in models.items():
        row = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "macs_per_s": macs_per_second(recipes[name], model),
            "real_time_factor": factors[name],
            "step_s": steps.get(name),
        }
        figures[name] = row
        print(f"{name:<16}{row['parameters']:>12,}{row['macs_per_s'] / 1e6:>10.0f}", end="")
        print(f"{row['real_time_factor']:>18.4f}", end="")
        print(f"{steps[name]:>10.2f}" if steps else "")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
