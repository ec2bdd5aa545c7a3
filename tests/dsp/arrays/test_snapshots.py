"""What is stated about snapshots, measured from them; and imperfect arrays."""

import math

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.arrays.geometry import line
from wellposed.dsp.arrays.imperfections import banded_coupling, coupled, displaced, unequal
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.snapshots import (
    correlated,
    measured_snr_db,
    noise_power,
    reference_power,
    sample_covariance,
    source_covariance,
)
from wellposed.dsp.arrays.wavefront import Places


def wide(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def white(*shape: int, seed: int = 0) -> torch.Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=made, dtype=torch.complex128)


@pytest.mark.parametrize("correlation", [0.0, 0.6, 1.0])
def test_sources_have_the_correlation_and_powers_that_are_stated(correlation):
    powers = wide([1.0, 4.0, 0.5])
    phase = wide([0.3, 2.0, -1.5])
    rho = wide(correlation)
    own, shared = white(3, 40000), white(1, 40000, seed=1)
    found = sample_covariance(correlated(own, shared, powers, rho, phase))
    scale = (powers[:, None] * powers).sqrt()
    # 40000 snapshots: a correlation is known to 1 / 200.
    assert ((found - source_covariance(powers, rho, phase)).abs() / scale).max() < 5 / 200


def test_coherent_sources_have_a_covariance_of_rank_one():
    powers = wide([1.0, 2.0])
    covariance = source_covariance(powers, wide(1.0), wide([0.1, 2]))
    values = torch.linalg.eigvalsh(covariance)
    assert_close(values, wide([0.0, 3.0]))


@pytest.mark.parametrize("reference", ["source", "received"])
def test_the_ratio_measured_from_the_data_is_the_ratio_that_was_stated(reference):
    array = Array(line(8, 0.5), 1.0)
    places = Places.of(wide([-0.3, 0.5]), None, wide([9.0, 20]))
    powers, snr_db = wide([2.0, 0.5]), wide(7.0)
    sources = powers.sqrt()[:, None] * white(2, 20000)
    clean = array.response(places) @ sources
    noise = noise_power(reference_power(clean, powers, reference), snr_db).sqrt() * white(
        8, 20000, seed=2
    )
    signal = clean if reference == "received" else sources[:1]
    assert measured_snr_db(signal, noise).item() == pytest.approx(7.0, abs=0.1)


def test_unusable_snapshots_are_refused_with_a_place():
    with pytest.raises(ValueError, match="complex ones wanted"):
        sample_covariance(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="at least one snapshot"):
        sample_covariance(white(3, 0))
    broken = white(3, 4)
    broken[1, 2] *= math.nan
    with pytest.raises(ValueError, match=r"1 of 12 .* the first at \(1, 2\)"):
        sample_covariance(broken)


def test_imperfections_act_on_sensors_before_what_lies_behind_them():
    array = Array(line(3, 0.5), 1.0)
    here = Places.of(wide([0.4]))
    bare = array.response(here)
    gains = unequal(array, wide([0.0, 6.0, -6.0]), wide([0.0, 1.0, 0]))
    wanted = bare[:, 0] * torch.polar(wide([1, 10**0.3, 10**-0.3]), wide([0, 1, 0]))
    assert_close(gains.response(here)[:, 0], wanted)
    coupling = banded_coupling(3, torch.tensor([0.2 + 0.1j, 0.05], dtype=torch.complex128))
    assert coupling[0].tolist() == [1, 0.2 + 0.1j, 0.05]
    assert_close(coupled(array, coupling).response(here), coupling @ bare)
    summed = array.behind(torch.ones(1, 3, dtype=torch.complex128))
    assert_close(coupled(summed, coupling).response(here), (coupling @ bare).sum(0, keepdim=True))
    offsets = wide([[0, 0, 0.1]] * 3)
    # Moved forward by 0.1, every sensor leads by k 0.1 cos(azimuth).
    turn = torch.polar(torch.ones(1).double(), wide([2 * math.pi * 0.1 * math.cos(0.4)]))
    assert_close(displaced(array, offsets).response(here), bare * turn)
    assert_close(banded_coupling(4, torch.ones(1).double() / 2)[0], wide([1, 0.5, 0, 0]))
