"""What the audit of the problem must know of enhancement besides what every system says."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wellposed.dsp.stft import Stft
from wellposed.engine.system import Batch, Networks
from wellposed.guard.audit.problem import Between, Yardstick
from wellposed.metrics.catalogue import metric
from wellposed.metrics.table import score_pair
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.recipe import EnhanceRecipe
from wellposed.systems.enhance.starts import invariants

BLIND = ("gain", "polarity")
"""What a selecting metric need not notice. SI-SDR, STOI and PESQ notice neither (measured by the
audit itself); every validation has the error of the level beside it, and the terms of the loss
compare level and phase."""

ALIGNING = ("pesq_wb", "pesq_nb")
"""Metrics that shift the estimate into place and filter offsets out before they compare."""

YARDSTICKS = ("snr_db", "estoi")
"""Measures besides the one that selects: one that minds the level, one that is about speech."""


def declared(recipe: EnhanceRecipe) -> Mapping[str, Any]:
    """Name axes, look-ahead, path of use, yardsticks, trivial outputs and invariants."""
    rate, model = recipe.scenes.rate, recipe.model
    window = Stft.of_duration(rate, model.window_ms, model.hop_ms).window
    names = dict.fromkeys((recipe.validation.select, *YARDSTICKS))
    return {
        "axes": {"noisy": {"time": 1}, "estimate": {"time": 1}},
        "waveforms": ("noisy", "estimate"),
        "between": {"band": Between("model.split", "model.paths", 2, 2)},
        "lookahead": window - 1 if model.causal else None,
        "use": use,
        "yardsticks": {
            name: Yardstick(partial(_scores, rate=rate, name=name), metric(name).better)
            for name in names
        },
        "trivial": trivial,
        "blind": (*BLIND, "offset", "shift") if recipe.validation.select in ALIGNING else BLIND,
        "invariants": invariants(model),
    }


def use(networks: Networks, inputs: Batch) -> Tensor:
    """Enhance `(batch, time)` as a user does who calls an `Enhancer` with a recording."""
    # Here, not above: reading and writing of audio is loaded only when it is used.
    from wellposed.systems.enhance.use import Enhancer

    network = networks["model"]
    assert isinstance(network, Bsrnn)
    enhancer = Enhancer(network)
    rows = [enhancer(row, network.rate) for row in inputs["noisy"].numpy()]
    return torch.from_numpy(np.stack(rows))


def trivial(batch: Batch) -> dict[str, Tensor]:
    """Make what needs no network, and the best there is: the clean side in a file of 16 bits.

    The clean side itself has no SI-SDR: it is infinite.
    """
    noisy, clean = batch["noisy"], batch["clean"]
    level = noisy.square().mean(-1, keepdim=True).sqrt()
    return {
        "silence": torch.zeros_like(clean),
        "constant": level.expand_as(clean),
        "input": noisy,
        "reference": (clean * 2**15).round() / 2**15,
    }


def _scores(estimate: Tensor, batch: Batch, *, rate: int, name: str) -> list[float | None]:
    rows = zip(estimate.numpy(), batch["clean"].numpy(), batch["noisy"].numpy(), strict=True)
    return [
        score_pair(reference=clean, estimate=made, noisy=noisy, rate=rate, names=[name])[name].value
        for made, clean, noisy in rows
    ]
