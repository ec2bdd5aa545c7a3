"""Naming weights by their bits."""

import torch
from torch import nn

from wellposed.guard.weights import fingerprint, named_weights, same_weights


def test_one_bit_changes_the_name_and_nothing_else_does():
    first = nn.Linear(3, 2)
    model = nn.Sequential(first, nn.BatchNorm1d(2))
    before = fingerprint({"model": model})
    assert fingerprint({"model": model}) == before
    with torch.no_grad():
        first.weight.view(torch.int32)[0, 0] ^= 1
    assert fingerprint({"model": model}) != before


def test_weights_are_compared_by_name_and_bits():
    model = nn.Linear(3, 2)
    one, two = {"model": model}, {"model": model, "critic": nn.Linear(2, 2)}
    for models in (one, two):
        weights = {key: value.clone() for key, value in named_weights(models).items()}
        assert same_weights(models, weights)
        first = next(iter(weights))
        assert not same_weights(models, {**weights, first: weights[first] * 1.0000001})
        assert not same_weights(models, {k: v for k, v in weights.items() if k != first})
    assert same_weights(one, {f"model/{k}": v for k, v in model.state_dict().items()})
