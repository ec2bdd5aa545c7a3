"""The fit: it attains the bound, counts, and says how sure it is, from any start."""

import math

import pytest
import torch
from little_locator import batch_of, network_of, system
from torch.testing import assert_close

from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.subspace import signal_subspace
from wellposed.metrics.bounds.efficiency import efficiency
from wellposed.metrics.bounds.fisher import deterministic
from wellposed.metrics.bounds.observations import SOLID
from wellposed.metrics.placing import placing
from wellposed.systems.locate.covariance import leading
from wellposed.systems.locate.estimate import both, located, pursued
from wellposed.systems.locate.recipe import Refinement
from wellposed.systems.locate.scoring import hits, ospa, score_state
from wellposed.systems.locate.truth import truth_of
from wellposed.systems.locate.uncertain import sureness
from wellposed.systems.locate.use import Finder

EASY = {"scenes__sources": (1, 2), "scenes__snr_db": (15.0, 20.0), "scenes__path_loss": (0.0, 0.0)}


def items_of(made, count):
    return [made.item("test", number) for number in range(count)]


def test_from_nothing_strong_sources_are_found_and_counted():
    made = system(**EASY)
    network, items = network_of(made), items_of(made, 24)
    states = pursued(network, made.collate(items), Refinement())
    found = [hits(state, item) for state, item in zip(states, items, strict=True)]
    assert sum(each.hits for each in found) >= 0.9 * sum(each.there for each in found)
    assert sum(each.found == each.there for each in found) >= 22


def test_azimuths_of_one_source_are_as_sure_as_the_bound_allows():
    made = system(scenes__sources=(1, 1), scenes__snr_db=(10.0, 20.0))
    network, items = network_of(made), items_of(made, 60)
    states = pursued(network, made.collate(items), Refinement())
    errors, bounds = [], []
    for state, item in zip(states, items, strict=True):
        assert len(state.amplitudes) == 1
        errors.append(placing(state.places, truth_of(item)[0]).azimuth)
        bounds.append(made.front.bound(item).deviations(1)[0].square())
    errors, bounds = torch.cat(errors), torch.cat(bounds)
    made = efficiency(errors / bounds.sqrt(), torch.ones(60))
    assert abs(made.ratio - 1) < 3 * made.spread + 0.05


def test_a_network_that_knows_nothing_does_no_harm_where_sources_are_strong():
    made = system(**EASY)
    network, items = network_of(made), items_of(made, 12)
    batch = made.collate(items)
    learned = located(network, batch, Refinement())
    plain = pursued(network, batch, Refinement())
    right = [
        sum(hits(s, i).hits for s, i in zip(states, items, strict=True))
        for states in (learned, plain)
    ]
    assert right[0] >= right[1] - 4


def test_told_deviations_are_those_of_the_errors():
    made = system(scenes__sources=(1, 1), scenes__snr_db=(12.0, 20.0))
    network, items = network_of(made), items_of(made, 60)
    heard, channel, codes = (
        torch.stack([torch.view_as_complex(item[name].double()) for item in items]).numpy()
        for name in ("heard", "channel", "codes")
    )
    found = Finder(network)(heard, channel, codes, start="pursuit")
    squared = []
    for each, item in zip(found, items, strict=True):
        error = placing(each.places, truth_of(item)[0]).azimuth
        squared.append((error / each.deviations[0]).square())
    # 60 squares of unit variance: their mean is 1 with a deviation of sqrt(2 / 60).
    assert abs(float(torch.cat(squared).mean()) - 1) < 4 * math.sqrt(2 / 60)


def test_of_both_starts_each_scene_keeps_the_one_of_the_lower_criterion():
    made = system(scenes__snr_db=(5.0, 15.0))
    network, batch = network_of(made), batch_of(made, 16)
    one, other, best = (start(network, batch, Refinement()) for start in (located, pursued, both))
    for a, b, kept in zip(one, other, best, strict=True):
        # The choice is made in single precision, before the last fit.
        assert kept.cost == pytest.approx(min(a.cost, b.cost), abs=0.5)
        assert kept.start in (0, 1)


def test_told_covariances_are_the_inverse_information_at_the_estimate():
    made = system(scenes__sources=(1, 3), scenes__snr_db=(12.0, 20.0))
    network, items = network_of(made), items_of(made, 6)
    states = pursued(network, made.collate(items), Refinement())
    for state, sure in zip(states, sureness(states), strict=True):
        response = state.array.response(state.places)
        powers = state.amplitudes @ state.amplitudes.mH
        slopes = state.array.derivatives(state.places, SOLID)
        wanted = deterministic(response, slopes, powers, sure.noise).bound()
        assert_close(sure.covariance, wanted)
        free = 256 - 2.5 * len(state.amplitudes)
        assert float(sure.noise) == pytest.approx(state.residual / free)


def test_leading_vectors_of_a_root_span_the_signal_subspace():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(4, 20, 7, generator=generator, dtype=torch.complex64)
    columns = leading(root, 3)
    projector = signal_subspace(root @ root.mH, 3).projector
    assert_close(columns @ columns.mH, projector, rtol=1e-4, atol=1e-4)
    # Of a root of rank one, vectors beyond it are zero.
    lone = leading(root[..., :1].expand(-1, -1, 4), 3)
    assert (lone[..., 1:] == 0).all()


def test_noise_alone_is_a_source_as_seldom_as_declared():
    made = system()
    network, scenes, rate = network_of(made), 240, made.recipe.refinement.false_alarms
    one = batch_of(made, 12)
    batch = {name: each.repeat(scenes // 12, *[1] * (each.ndim - 1)) for name, each in one.items()}
    made_of = torch.Generator().manual_seed(1)
    batch["heard"] = torch.randn(batch["heard"].shape, generator=made_of)
    states = pursued(network, batch, Refinement())
    found = sum(len(state.amplitudes) > 0 for state in states)
    assert found <= scenes * rate + 4 * math.sqrt(scenes * rate)
    assert all(math.isfinite(state.cost) for state in states)


def test_scores_are_those_of_use():
    made = system(**EASY)
    network, item = network_of(made), made.item("valid", 0)
    row = made.measure({"model": network}, item)
    state = located(network, made.collate([item]), made.recipe.refinement)[0]
    assert row == score_state(state, item, made.front)
    assert set(row) == set(made.metrics)


def test_a_source_too_many_and_a_source_far_off_cost_the_same_distance():
    there = Places(torch.zeros(1), torch.zeros(1), torch.ones(1))
    off = Places(torch.ones(1), torch.zeros(1), torch.ones(1))
    two = Places(*(torch.cat(pair) for pair in zip(there, off, strict=True)))
    none = Places(*(each[:0] for each in there))
    assert ospa(there, there) == 0
    assert ospa(off, there) == 1
    assert ospa(two, there) == 0.5
    assert ospa(none, there) == 1
    assert ospa(none, none) == 0
