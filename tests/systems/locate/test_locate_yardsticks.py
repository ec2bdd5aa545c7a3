"""Yardsticks of the audit: they know the truth from nothing, and read what was shown."""

import torch
from little_locator import batch_of, network_of, system
from torch.testing import assert_close

from wellposed.systems.locate.model import shown
from wellposed.systems.locate.yardsticks import (
    after_fit,
    explained,
    locator_of,
    read,
    trivial,
)

EASY = {"scenes__sources": (1, 2), "scenes__snr_db": (15.0, 20.0), "scenes__path_loss": (0.0, 0.0)}


def test_what_is_shown_is_read_as_it_was_proposed():
    made = system()
    network, batch = network_of(made), batch_of(made, 3)
    with torch.no_grad():
        proposed = network(batch["heard"], batch["channel"], batch["codes"])
    found = read(locator_of(made.recipe), shown(proposed))
    assert torch.equal(found.count, proposed.count.argmax(-1))
    for one, other in zip(found.places, proposed.places, strict=True):
        assert_close(one.float(), other, rtol=1e-5, atol=1e-5)


def test_true_proposals_explain_what_is_not_noise_and_blank_ones_less():
    made = system(**EASY)
    batch = batch_of(made, 6)
    outputs = trivial(made.recipe, batch)
    shares = {name: explained(made.recipe, each, batch) for name, each in outputs.items()}
    # At 15 dB and more noise is 3 % of the power, and part of it is explained as well.
    assert min(shares["reference"]) > 0.9
    assert all(one < best for one, best in zip(shares["input"], shares["reference"], strict=True))


def test_the_fit_finds_what_the_true_proposals_say():
    made = system(**EASY)
    batch = batch_of(made, 6)
    outputs = trivial(made.recipe, batch)
    scores = {name: after_fit(made.recipe, each, batch) for name, each in outputs.items()}
    assert sum(scores["reference"]) > 5
    assert sum(scores["reference"]) >= sum(scores["input"])
