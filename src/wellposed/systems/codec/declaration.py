"""What the audit of the problem must know of the codec besides what every system says."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from wellposed.engine.system import Batch, Networks
from wellposed.guard.audit.problem import Yardstick
from wellposed.metrics.catalogue import metric
from wellposed.metrics.table import score_pair
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.recipe import FRAMES_PER_SECOND, CodecRecipe

YARDSTICKS = ("snr_db", "mel_distance_db")
"""Measures besides the one that selects: one that minds phase and level, one of spectra."""

USE_ROUNDS = {"frequency": 0.01, "power": 0.05}
"""Use computes on a grid of 2^-16, so that codes have the same bits on every machine; where two are
equally near another one may be taken. Measured, of the size of the estimate: 0.1 to 0.3 % where
latents follow the frequency. Where they follow the power 0.2 to 0.5 % of the codes differ, and a
frame of other codes has other noise altogether: 0.7 to 1.6 % of batches of recordings, 3.7 % of the
worst of 56 scenes. 5 % is -26 dB; the codec's own error is -5 to -9 dB."""


def declared(recipe: CodecRecipe) -> Mapping[str, Any]:
    """Name axes, look-ahead, path of use, yardsticks and trivial outputs."""
    rate = recipe.scenes.rate
    names = dict.fromkeys((recipe.validation.select, *YARDSTICKS))
    return {
        "axes": {"wave": {"time": 1}, "estimate": {"time": 1}},
        "waveforms": ("wave", "estimate"),
        "lookahead": rate // FRAMES_PER_SECOND - 1,
        "use": use,
        "use_rounds": USE_ROUNDS[recipe.model.follow],
        "yardsticks": {
            name: Yardstick(partial(_scores, rate=rate, name=name), metric(name).better)
            for name in names
        },
        "trivial": trivial,
    }


def use(networks: Networks, inputs: Batch) -> Tensor:
    """Encode and decode `(batch, time)` as files are."""
    network, wave = networks["model"], inputs["wave"]
    assert isinstance(network, Codec)
    return network.decode(network.encode(wave), wave.shape[-1])


def trivial(batch: Batch) -> dict[str, Tensor]:
    """Make what needs no network, and the best there is."""
    wave = batch["wave"]
    level = wave.square().mean(-1, keepdim=True).sqrt()
    return {
        "silence": torch.zeros_like(wave),
        "constant": level.expand_as(wave),
        "reference": wave,
    }


def _scores(estimate: Tensor, batch: Batch, *, rate: int, name: str) -> list[float | None]:
    rows = zip(estimate.numpy(), batch["wave"].numpy(), strict=True)
    return [
        score_pair(reference=wave, estimate=made, rate=rate, names=[name])[name].value
        for made, wave in rows
    ]
