"""What the audit of the problem must know of extraction besides what every system says."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from wellposed.dsp.stft import Stft
from wellposed.engine.system import Batch, Networks
from wellposed.guard.audit.problem import Between, Yardstick
from wellposed.metrics.catalogue import metric
from wellposed.systems.extract.model import Extract
from wellposed.systems.extract.recipe import ExtractRecipe
from wellposed.systems.extract.scoring import score_scene

BLIND = ("gain", "polarity")
"""What SI-SDR need not notice: every validation has the error of the level beside it."""
YARDSTICKS = ("snr_db", "estoi")


def declared(recipe: ExtractRecipe) -> Mapping[str, Any]:
    """Name axes, look-ahead, path of use, yardsticks and trivial outputs.

    The enrolment has no time axis here: zeros that fill up a shorter one are not to reach.
    """
    rate, model = recipe.scenes.rate, recipe.model
    window = Stft.of_duration(rate, model.window_ms, model.hop_ms).window
    names = dict.fromkeys((recipe.validation.select, *YARDSTICKS))
    last = f"model.paths.layers.{2 * model.depth - 1}"
    return {
        "axes": {"mixture": {"time": 1}, "estimate": {"time": 1}},
        "waveforms": ("mixture", "estimate"),
        "between": {"band": Between("model.split", last, 2, 2)},
        "lookahead": window - 1 if model.causal else None,
        "use": use,
        "yardsticks": {
            name: Yardstick(partial(_scores, rate=rate, name=name), metric(name).better)
            for name in names
        },
        "trivial": trivial,
        "blind": BLIND,
    }


def use(networks: Networks, inputs: Batch) -> Tensor:
    """Extract as a user does who calls an `Extractor` with a recording and an enrolment."""
    # Here, not above: reading and writing of audio is loaded only when it is used.
    from wellposed.systems.extract.use import Extractor

    network = networks["model"]
    assert isinstance(network, Extract)
    rows = []
    for mixture, enrolment in zip(inputs["mixture"], inputs["enrolment"], strict=True):
        extractor = Extractor(network)
        extractor.enrol([(enrolment.numpy(), network.rate)])
        rows.append(torch.from_numpy(extractor(mixture.numpy(), network.rate)))
    return torch.stack(rows)


def trivial(batch: Batch) -> dict[str, Tensor]:
    """Make what needs no network, and the best there is: the target in a file of 16 bits."""
    mixture, target = batch["mixture"], batch["target"]
    level = mixture.square().mean(-1, keepdim=True).sqrt()
    return {
        "silence": torch.zeros_like(target),
        "constant": level.expand_as(target),
        "input": mixture,
        "reference": (target * 2**15).round() / 2**15,
    }


def _scores(estimate: Tensor, batch: Batch, *, rate: int, name: str) -> list[float | None]:
    made = []
    for number, wave in enumerate(estimate):
        item = {key: value[number] for key, value in batch.items()}
        made.append(score_scene(item, wave.numpy(), rate, [name])[name].value)
    return made
