"""Whether a codec stands its first steps: held-out scores from the fitted start on.

Books are fitted to the latents of the untrained transform, then every weight learns at the recipe's
peak rate, without a warm-up: what the audit of the problem rehearses, on scenes it has not seen.

    python benchmarks/codec_first_steps.py [--data DIR] [--steps 200] [--keys model.quantizer=ema]
"""

import argparse
import time
from itertools import count
from pathlib import Path
from typing import Any

import torch
import yaml
from this_machine import machine

from wellposed.engine.recipe import changed
from wellposed.engine.system import Moment
from wellposed.metrics.table import score_pair
from wellposed.systems.codec.fitting import fit_books
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.recipe import CodecRecipe
from wellposed.systems.codec.system import CodecSystem

LOOKS = (0, 40, 60, 200, 600)
NAMES = ("si_sdr_db", "mel_distance_db", "pesq_wb", "level_error_db")
SHORT: dict[str, Any] = {
    "scenes.seconds": 0.5,
    "scenes.validation_seconds": 3.0,
    "training.batch_size": 4,
    "training.log_every": 10**9,
    "validation.scenes": 6,
    "loss.quantize_from": 0,
}
"""Small enough for a minute of one core."""


@torch.no_grad()
def scores(codec: Codec, system: CodecSystem, stages: int) -> list[float]:
    """Means over the first validation scenes, coded with the first stages."""
    rows = []
    for number in range(system.recipe.validation.scenes):
        wave = system.item("valid", number)["wave"]
        made = codec(wave[None], stages).wave[0].numpy()
        told = score_pair(reference=wave.numpy(), estimate=made, rate=codec.rate, names=NAMES)
        rows.append([told[name].value for name in NAMES])
    columns = ([value for value in each if value is not None] for each in zip(*rows, strict=True))
    return [sum(each) / len(each) for each in columns]


def tell(codec: Codec, system: CodecSystem, step: int) -> None:
    """Print a row."""
    codec.eval()
    stages = system.recipe.model.stages
    cells = [
        f"{number}: " + ", ".join(f"{value:.2f}" for value in scores(codec, system, number))
        for number in (stages, stages // 2)
    ]
    print(f"| {step} | {' | '.join(cells)} |", flush=True)
    codec.train()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--keys", nargs="*", default=[], help="other keys of the recipe, KEY=VALUE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keys = dict(SHORT)
    if options.data:
        keys["data.path"] = str(options.data.resolve())
    for pair in options.keys:
        key, _, value = pair.partition("=")
        keys[key] = yaml.safe_load(value)
    system = CodecSystem(changed(CodecRecipe(), keys, "benchmark"))
    torch.manual_seed(0)
    networks = system.build()
    codec = networks["model"]
    assert isinstance(codec, Codec)
    codec.train()
    plan, weights, begun = system.recipe.optimizer, system.weights("model"), time.process_time()
    print(f"{machine()}, one thread, {options.data or 'synthetic speech'}; {', '.join(NAMES)}")
    optimizer = torch.optim.AdamW(
        codec.parameters(), plan.learning_rate, plan.betas, plan.eps, plan.weight_decay
    )
    batch = system.recipe.training.batch_size
    scenes = (system.item("train", n)["wave"] for n in count())
    fit_books(codec, scenes, system.recipe.seed, system.recipe.loss.fit_latents)
    for step in range(options.steps):
        if step in LOOKS:
            tell(codec, system, step)
        items = system.collate([system.item("train", step * batch + n) for n in range(batch)])
        moment = Moment(step, torch.Generator().manual_seed(step))
        terms = system.terms("model", networks, items, moment)
        optimizer.zero_grad(set_to_none=True)
        torch.stack([weights[key] * each.mean() for key, each in terms.items()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), plan.clip_norm)
        optimizer.step()
    tell(codec, system, options.steps)
    print(f"{time.process_time() - begun:.0f} s of processor time")


if __name__ == "__main__":
    main()
