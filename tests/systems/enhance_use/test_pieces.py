"""Pieces: every sample once, context where it is promised, the same as at once."""

import numpy as np
import pytest

from wellposed.systems.enhance import use
from wellposed.systems.enhance.pieces import Cut, in_pieces

CUT = Cut(hop=4, before=8, core=12, after=8, fade=8)


def blocks_of(waveform, sizes):
    rng = np.random.default_rng(0)
    while waveform.shape[1]:
        size = int(rng.choice(sizes))
        yield waveform[:, :size]
        waveform = waveform[:, size:]


@pytest.mark.parametrize("total", [1, 27, 28, 29, 32, 40, 41, 43, 100, 523])
@pytest.mark.parametrize("at_once", [1, 2, 7])
def test_a_process_without_memory_gives_every_sample_in_its_place(total, at_once):
    waveform = np.random.default_rng(total).standard_normal((2, total)).astype(np.float32)
    parts = in_pieces(blocks_of(waveform, [1, 5, 50]), total, CUT, lambda x: 2 * x, at_once)
    joined = np.concatenate(list(parts), axis=1)
    np.testing.assert_allclose(joined, 2 * waveform, rtol=1e-6)


@pytest.mark.parametrize("total", range(1, 200, 7))
def test_a_process_that_sees_as_far_as_the_context_gives_the_same_as_at_once(total):
    waveform = np.random.default_rng(total).standard_normal((1, total)).astype(np.float32)
    window = np.arange(1.0, 2 * 8 + 2)  # an asymmetric filter, 8 samples to each side

    def smear(rows):
        return np.stack([np.convolve(row, window)[8:-8] for row in rows]).astype(np.float32)

    # The fade looks one fade further back into the context after a piece.
    cut = Cut(hop=4, before=8, core=12, after=16, fade=8)
    joined = np.concatenate(list(in_pieces([waveform], total, cut, smear, 2)), axis=1)
    np.testing.assert_allclose(joined, smear(waveform), rtol=1e-5, atol=1e-4)


def test_pieces_of_a_batch_have_one_length_and_rows_stay_few():
    shapes = []

    def watch(rows):
        shapes.append(rows.shape)
        return rows

    waveform = np.zeros((3, 1_001), np.float32)
    list(in_pieces([waveform], 1_001, CUT, watch, 2))
    assert {length for _, length in shapes} == {CUT.length}
    assert {rows for rows, _ in shapes} == {1, 2}


def test_two_levels_side_by_side_are_joined_without_a_step():
    pieces = iter([0.0, 1.0, 0.0])
    parts = in_pieces(
        [np.zeros((1, 52), np.float32)], 52, CUT, lambda x: np.full_like(x, next(pieces)), 1
    )
    steps = np.abs(np.diff(np.concatenate(list(parts), axis=1)))
    assert steps.max() == pytest.approx(1 / CUT.fade)


@pytest.mark.parametrize("causal", [False, True])
def test_a_network_in_pieces_differs_from_the_whole_by_less_than_minus_60_db(
    monkeypatch, noise, enhancer, causal_enhancer, causal
):
    enhancer = causal_enhancer if causal else enhancer
    waveform = noise(1, 16_000 * 26 + 137)
    whole = enhancer(waveform, 16_000)
    monkeypatch.setattr(use, "PIECE_S", 4.0)
    assert len(enhancer.cut().starts(waveform.shape[1])) >= 4
    error = enhancer(waveform, 16_000) - whole
    # Half a second at a time: a mean over the whole would hide a seam.
    energies = [np.square(x[0, : 16_000 * 26].reshape(-1, 8_000)).sum(1) for x in (error, whole)]
    ratio = energies[0] / energies[1]
    assert 10 * np.log10(ratio.max() + 1e-30) < -60
