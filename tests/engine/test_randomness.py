"""Generators keyed by (seed, purpose, step): fixed for ever, and apart from one another."""

import hashlib

import pytest
import torch

from wellposed.engine.randomness import generator, key, seed_global

CPU = torch.device("cpu")


def test_a_key_is_63_bits_of_the_digest_of_its_parts():
    digest = hashlib.blake2b(b"7\x1fstep\x1f12", digest_size=8).digest()
    assert key(7, "step", 12) == int.from_bytes(digest, "big") // 2
    assert all(0 <= key(0, n) < 2**63 for n in range(200))


def test_a_key_is_what_it_always_was():
    # A resumed run draws what the first one drew, also after an update of this package.
    assert key(0) == 4761921975702974394
    assert key(7, "step", 12) == 7278601293751240220


def test_the_same_key_draws_the_same_and_carries_no_state():
    first = torch.randn(5, generator=generator(CPU, 1, "step", 3))
    generator(CPU, 1, "step", 2).seed()
    torch.randn(100)
    assert torch.equal(torch.randn(5, generator=generator(CPU, 1, "step", 3)), first)


@pytest.mark.parametrize("parts", [(2, "step", 3), (1, "step", 4), (1, "init", 3), (1, "step")])
def test_another_seed_purpose_or_step_draws_another_stream(parts: tuple):
    first = torch.randn(5, generator=generator(CPU, 1, "step", 3))
    assert not torch.equal(torch.randn(5, generator=generator(CPU, *parts)), first)


def test_parts_do_not_run_together():
    keys = {key(1, 11), key(11, 1), key(1, 1, 1), key(111), key(1, "1", "1 "), key(1, "11", "")}
    assert len(keys) == 6


def test_the_global_generator_is_keyed_for_layers_that_draw_from_it():
    state = torch.get_rng_state()
    try:
        draws = []
        for step in (3, 4, 3):
            seed_global(5, "step", step)
            draws.append(torch.nn.functional.dropout(torch.ones(100)))
    finally:
        torch.set_rng_state(state)
    assert torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[1])
