"""What each size of the enhance network costs: parameters, arithmetic, and time on one core.

Multiply-accumulates are counted from the layers' sizes, the recurrent ones included, the Fourier
transform excluded; a complex product counts as four. The real-time factor is processor seconds per
second of audio for a ten-second file on one thread; sizes run in turn, medians.

    python benchmarks/bsrnn_cost.py [--rate 16000] [--rounds 5] [--json FILE]
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from this_machine import machine

from wellposed.systems.enhance.model import TAPS, Bsrnn
from wellposed.systems.enhance.recipe import SIZES, Model

SECONDS = 10


def macs_per_second(recipe: Model, model: Bsrnn) -> int:
    """Multiply-accumulates per second of audio."""
    bins, bands = model.stft.bins, len(model.split.widths)
    features, hidden, units = recipe.features, recipe.hidden, recipe.taps_hidden

    def path(directions: int) -> int:
        # Four gates, each from the input and from the state; then the linear layer.
        recurrent = directions * 4 * hidden * (features + hidden)
        return recurrent + directions * hidden * features

    paths = recipe.depth * bands * (path(1 if recipe.causal else 2) + path(2))
    split = 2 * bins * features
    taps = bands * features * units + 2 * TAPS * bins * units
    filtering = 4 * TAPS * bins
    frames_per_second = model.rate / model.stft.hop
    return round((split + paths + taps + filtering) * frames_per_second)


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
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    recipes = {
        f"{size}{', causal' if causal else ''}": recipe.model_copy(update={"causal": causal})
        for size, recipe in SIZES.items()
        for causal in (False, True)
    }
    models = {name: Bsrnn(recipe, options.rate).eval() for name, recipe in recipes.items()}
    factors = real_time_factors(models, options.rounds)
    print(f"{machine()}, one thread, torch {torch.__version__}, {options.rate} Hz,", end=" ")
    print(f"file of {SECONDS} s; medians of {options.rounds} interleaved rounds, processor time")
    print(f"{'size':<16}{'parameters':>12}{'MMAC/s':>10}{'real-time factor':>18}")
    figures = {}
    for name, model in models.items():
        row = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "macs_per_s": macs_per_second(recipes[name], model),
            "real_time_factor": factors[name],
        }
        figures[name] = row
        print(f"{name:<16}{row['parameters']:>12,}{row['macs_per_s'] / 1e6:>10.0f}", end="")
        print(f"{row['real_time_factor']:>18.4f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
