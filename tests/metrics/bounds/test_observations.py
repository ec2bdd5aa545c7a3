"""What a set-up determines, asked of its measurements."""

import pytest
import torch

from wellposed.dsp.arrays.geometry import line, plane
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.surface import phase_codes
from wellposed.metrics.bounds.identifiability import identifiability
from wellposed.metrics.bounds.observations import array_observation, surface_observation


def wide(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def white(seed: int, *shape: int) -> torch.Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=made, dtype=torch.complex128)


PLACES = Places(wide([-0.3, 0.5]), wide([0.1, -0.2]), wide([2.0, 3.0]))
ELEMENTS = Array(plane(4, 3, 0.5), 1.0)
CODES = phase_codes(9 * white(0, 8, 12).real)
CHANNEL = white(1, 3, 12)
SETTING = (ELEMENTS, CODES, CHANNEL, PLACES, white(2, 2))


def test_a_known_channel_and_changing_codes_determine_places():
    found = identifiability(*surface_observation(*SETTING))
    assert found.sufficient
    # Real numbers: 8 x 3 measurements; 3 coordinates and 2 of the symbol for each source.
    assert (found.measurements, found.unknowns, found.wanted) == (48, 10, 6)


def test_who_is_given_h_times_the_code_in_place_of_h_cannot_know():
    # Five codes of twelve elements: whatever the places, some H explains all that is given.
    given = (ELEMENTS, CODES[:5], *SETTING[2:])
    assert identifiability(*surface_observation(*given)).sufficient
    found = identifiability(*surface_observation(*given, channel_known=False))
    assert not found.sufficient
    assert (found.measurements, found.unknowns) == (60, 10 + 72)
    assert found.wanted_rank == 0
    assert "NOT determined" in str(found)


def test_a_constant_code_leaves_too_little():
    given = (ELEMENTS, CODES[:1].expand(8, 12), *SETTING[2:])
    found = identifiability(*surface_observation(*given))
    assert (found.measurements, found.rank) == (48, 6)
    assert not found.sufficient


def test_a_line_does_not_know_elevation_from_azimuth():
    array, symbols = Array(line(8, 0.5), 1.0, "far"), white(3, 2, 4)
    assert identifiability(*array_observation(array, PLACES, symbols, ("azimuth",))).sufficient
    found = identifiability(*array_observation(array, PLACES, symbols, ("azimuth", "elevation")))
    assert (found.wanted, found.wanted_rank) == (4, 2)
    with pytest.raises(ValueError, match="cannot observe inverse_range"):
        array_observation(array, PLACES, symbols, ("inverse_range",))
