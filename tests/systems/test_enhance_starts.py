"""What a network starts with, and what loses it."""

import pytest
import torch
from torch import nn

from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.recipe import SIZES, Model
from wellposed.systems.enhance.starts import invariants

RATE = 16000
SMALL = {"features": 16, "hidden": 16, "depth": 1, "taps_hidden": 16}


@pytest.mark.parametrize("block", ["lstm", "mamba", "mamba2"])
def test_a_fresh_network_keeps_all_its_invariants(block):
    torch.manual_seed(0)
    model = Model(block=block, **SMALL)
    networks = {"model": Bsrnn(model, RATE)}
    found = {name: each(networks) for name, each in invariants(model).items()}
    assert len(found) == (1 if block == "lstm" else 3)
    for name, (value, low, high) in found.items():
        assert low <= value <= high, name


def test_a_walk_over_all_weights_loses_the_identity():
    model = SIZES["tiny"]
    network = Bsrnn(model, RATE)
    with torch.no_grad():
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.02)
    value, _, high = invariants(model)["the change of the input"]({"model": network})
    assert value > high
