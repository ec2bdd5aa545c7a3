"""`wellposed demo`: the main job, from nothing to a clean WAV, in about six minutes.

It times a few steps on this machine, plans as many as fit the minutes asked for, trains a
small enhancer, scores it on scenes it has never seen, and writes sounds and a report.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from wellposed.cli.options import read_options
from wellposed.cli.train import ask, finish
from wellposed.data import audio
from wellposed.engine.batches import Batches
from wellposed.engine.launch import start
from wellposed.engine.optimise import AUTOCAST, make_optimizer
from wellposed.engine.recipe import changed
from wellposed.engine.sections import Data
from wellposed.engine.system import Moment
from wellposed.errors import RunError
from wellposed.systems.enhance.evaluation import evaluate
from wellposed.systems.enhance.loading import WEIGHTS
from wellposed.systems.enhance.pairs import FolderPairs, scene_pairs
from wellposed.systems.enhance.recipe import SIZES, EnhanceRecipe
from wellposed.systems.enhance.system import Enhance
from wellposed.systems.enhance.use import Enhancer

TIMED_STEPS = 4
"""Steps that are timed, after one to warm up: their median predicted the duration of a demo
within a tenth on an idle machine."""

SHORT: dict[str, Any] = {
    "model": SIZES["tiny"].model_copy(update={"lowest_hz": 45}).model_dump(mode="json"),
    "scenes.snr_db": [0, 20],
    "scenes.computed": 0.1,
    "scenes.babble": 0.1,
    "scenes.room": 0,
    "loss.waveform": 0.1,
    "loss.level": 0.1,
    "training.batch_size": 4,
    "optimizer.learning_rate": 4e-3,
}
"""What a run of minutes is told differently: a smaller network, half the batch, a higher rate,
easier scenes. docs/results.md has what each of them brought."""

SCORED = ("si_sdr_db", "si_sdr_improvement_db", "stoi", "level_error_db")
"""What needs no extra package and takes a second."""


@dataclass
class Demo:
    """Train a small speech enhancer on this machine, score it, and hear the difference."""

    data: Path | None = None
    """Folder of audio or manifest.csv; without it, synthetic speech-like sound."""
    pairs: Path | None = None
    """Folder with clean/ and noisy/ files to score as well."""
    minutes: float = 3.5
    """Minutes of training, without what comes before and after it."""
    run: Path | None = None
    """Folder of the run; without it runs/demo-DATE-TIME."""


def demo(arguments: list[str]) -> int:
    """Run the demonstration."""
    options = read_options(Demo, "wellposed demo", arguments)
    folder = options.run or Path("runs") / f"demo-{datetime.now():%Y%m%d-%H%M%S}"
    recipe = EnhanceRecipe()
    if options.data is not None:
        path = options.data.resolve()
        recipe = recipe.model_copy(update={"data": Data(path=path)})
    pairs = None if options.pairs is None else FolderPairs(options.pairs)
    sound = str(options.data) if options.data else "synthetic speech-like sound"
    print(f"1. Planning: an enhancer for {sound}, {options.minutes:g} minutes of training.")
    recipe = _planned(changed(recipe, SHORT, "demo"), options.minutes)
    print("   Before it begins, a short audit: is the problem well posed?")
    print(f"2. Training {recipe.training.steps} steps. Every run can be stopped and resumed:")
    print(f"   Ctrl-C, then `wellposed resume {folder}`.")
    start(Enhance, recipe, folder, None, audit=partial(ask, anyway=True))
    print("3. Scores on scenes with voices and noises that training never met:")
    _score(recipe, folder, pairs)
    finish(folder)
    return 0


def _planned(recipe: EnhanceRecipe, minutes: float) -> EnhanceRecipe:
    """Choose precision and steps from the speed of this machine; the plan is in the recipe."""
    tried = {}
    for precision in ("float32", "bfloat16"):
        other = changed(recipe, {"training.precision": precision}, "demo")
        tried[precision] = (_step_seconds(Enhance(other)), other)
    precision, (seconds, recipe) = min(tried.items(), key=lambda each: each[1][0])
    steps = int(minutes * 60 / seconds)
    if steps < 50:
        raise RunError(
            f"a step takes {seconds:.1f} s here, so {minutes:g} minutes are {steps} steps: too "
            "few to learn anything. Give more --minutes."
        )
    steps = min(steps, 3000)
    print(f"   {seconds:.2f} s a step in {precision} on this machine: {steps} steps.")
    return changed(
        recipe,
        {
            "training.steps": steps,
            "schedule.warmup_steps": steps // 10,
            # A memory of a twentieth of the run, where 200 steps would remember its start.
            "average.decay": min(recipe.average.decay, 1 - 20 / steps),
            "validation.every": -(-steps // 4),
            "validation.scenes": 16,
            "training.checkpoint_every": -(-steps // 4),
        },
        "demo",
    )


def _step_seconds(system: Enhance) -> float:
    if system.recipe.training.threads:
        torch.set_num_threads(system.recipe.training.threads)
    networks = system.build()
    optimizer = make_optimizer(list(networks.values()), system.recipe.optimizer)
    dtype = AUTOCAST[system.recipe.training.precision]
    durations = []
    for step, batch in enumerate(Batches(system).stream(0, TIMED_STEPS + 1)):
        started = time.monotonic()
        moment = Moment(step, torch.Generator())
        with torch.autocast("cpu", dtype, enabled=dtype is not None):
            terms = system.terms("model", networks, batch, moment)
        torch.stack([value.mean() for value in terms.values()]).sum().backward()
        optimizer.step()
        durations.append(time.monotonic() - started)
    return sorted(durations[1:])[TIMED_STEPS // 2]


def _score(recipe: EnhanceRecipe, folder: Path, pairs: FolderPairs | None) -> None:
    """Print tables, and write the first scene before and after, by these and shipped weights."""
    system = Enhance(recipe)
    scenes = [system.scenes.scene("test", n) for n in range(24)]
    spoken = [scene for scene in scenes if not scene.facts["absent"]]
    triples = [(f"scene-{n}", each.noisy, each.clean) for n, each in enumerate(spoken)]
    rate = recipe.scenes.rate
    enhancer = Enhancer.load(folder)
    result = evaluate(list(scene_pairs(triples, rate)), enhancer, names=SCORED, workers=0)
    print(result.text())
    result.write(folder / "evaluation")
    if pairs is not None:
        names = ("pesq_wb", *SCORED)
        result = evaluate(pairs, enhancer, names=names, workers=0)
        print(f"on the pairs of {pairs.folder}:\n{result.text()}")
        result.write(folder / "evaluation-pairs")
    listen = folder / "listen"
    loudest = max(spoken, key=lambda scene: float((scene.noisy - scene.clean).std()))
    noisy = loudest.noisy[None]
    sounds = {"noisy": noisy, "enhanced-by-this-run": enhancer(noisy, rate)}
    if WEIGHTS.default in WEIGHTS.names():
        sounds["enhanced-by-shipped-weights"] = Enhancer.load()(noisy, rate)
    sounds["clean"] = loudest.clean[None]
    for name, wave in sounds.items():
        audio.write(listen / f"{name}.wav", wave, rate)
    print(f"listen: {listen}/noisy.wav, then {listen}/enhanced-by-this-run.wav")
