"""The surface: phases, channels and what is measured, against their definitions."""

import math

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.arrays.geometry import line, plane
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.surface import (
    beam_phases,
    before_chains,
    direct_path,
    measured,
    misjudged,
    operators,
    phase_codes,
    quantised,
    rician,
)


def wide(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def white(seed: int, *shape: int) -> torch.Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=made, dtype=torch.complex128)


@pytest.mark.parametrize(("bits", "count"), [(1, 2), (2, 4), (3, 8)])
def test_codes_of_b_bits_have_that_many_phases_and_lie_within_half_a_step(bits, count):
    phase = 9 * white(0, 50, 20).real
    codes = phase_codes(phase, bits)
    assert_close(codes.abs(), torch.ones(50, 20).double())
    turns = (codes.angle() / (2 * math.pi) * count).round() % count
    assert len(turns.unique()) == count
    off = torch.polar(torch.ones_like(phase), phase) / codes
    assert off.angle().abs().max() <= math.pi / count + 1e-12
    assert_close(quantised(wide([0.1, -0.1]), bits), wide([0, 0]))


def test_beams_are_rows_of_a_two_dimensional_fourier_transform():
    codes = phase_codes(beam_phases(4, 3, 4, 3))
    assert_close(codes @ codes.mH, 12 * torch.eye(12).to(codes))
    image = white(1, 3, 4)
    wanted = torch.fft.ifft2(image) * 12
    assert_close((codes @ image.flatten()).view(3, 4), wanted)


def test_a_beam_looks_where_its_phases_say():
    # A wave from azimuth a has the phase 2 pi 0.5 sin(a) from column to column; the beam that
    # takes it away again turns by minus that.
    surface = Array(plane(8, 8, 0.5), 1.0, "far")
    sines = wide([0.25, -0.5])
    waves = surface.response(Places.of(sines.asin()))
    gains = (phase_codes(beam_phases(8, 8, 8, 8)) @ waves).abs()
    assert gains.argmax(0).tolist() == [7, 2]
    assert_close(gains.amax(0), wide([64, 64]))


def test_a_channel_has_the_power_and_the_share_that_are_stated():
    factor = wide([0.0, 1.0, 9.0])
    direct = direct_path(torch.ones(30).to(torch.complex128), torch.exp(1j * wide(range(40))))
    channel = rician(direct, white(2, 3, 30, 40), factor)
    assert_close(channel.abs().square().mean((1, 2)), wide([1, 1, 1]), rtol=0.1, atol=0)
    # The direct part is what correlates with its own pattern.
    share = ((channel * direct.conj()).mean((1, 2)).abs() ** 2)[1:]
    assert_close(share, wide([0.5, 0.9]), rtol=0, atol=0.05)
    assert torch.linalg.matrix_rank(direct) == 1


def test_a_channel_is_misjudged_by_what_is_stated():
    channel = 3 * white(3, 2, 30, 40)
    known = misjudged(channel, white(4, 2, 30, 40), wide([-10.0, -math.inf]))
    error = (known - channel).abs().square().mean((1, 2)) / channel.abs().square().mean((1, 2))
    assert_close(error, wide([0.1, 0.0]), rtol=0.1, atol=0)


def test_what_is_measured_is_the_operator_times_the_waves():
    codes, channel = phase_codes(white(5, 6, 8).real), white(6, 3, 8)
    surface, places = Array(line(8, 0.5), 1.0), Places.of(wide([-0.3, 0.5]), None, wide([4, 6]))
    response = surface.response(places)
    still, changing = white(7, 2), white(8, 6, 2)
    wanted = torch.stack([channel @ torch.diag(code) @ response @ still for code in codes])
    assert_close(measured(channel, codes, response @ still), wanted)
    assert_close(operators(channel, codes) @ response @ still, wanted)
    assert_close(before_chains(surface, channel, codes).response(places) @ still, wanted.flatten())
    heard = measured(channel, codes, changing @ response.mT)
    assert_close(heard[2], channel @ torch.diag(codes[2]) @ response @ changing[2])
