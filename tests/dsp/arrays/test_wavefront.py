"""Steering: signs from a delayed sine, closed forms, and derivatives against autograd."""

import math

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.arrays.geometry import (
    aperture,
    circle,
    fraunhofer_range,
    fresnel_range,
    line,
    plane,
)
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import (
    Places,
    path,
    steering,
    steering_derivative,
    steering_jet,
)

WAVELENGTH = 0.3
GEOMETRIES = {
    "line": line(7, 0.15),
    "plane": plane(4, 3, 0.15),
    "circle": circle(6, 0.4),
    "points": torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64),
}
COORDINATES = ("azimuth", "elevation", "range", "inverse_range")


def wide(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def places(requires_grad: bool = False) -> Places:
    values = torch.tensor(
        [[0.3, -0.9, 1.0], [0.2, -0.5, 0.4], [4.0, 2.5, 30.0]], dtype=torch.float64
    )
    return Places(*(row.clone().requires_grad_(requires_grad) for row in values))


def test_phases_are_those_of_a_wave_that_arrives_later_at_farther_sensors():
    # A sine of 1 kHz travels at 343 m/s; one bin of its Fourier transform at each sensor is
    # compared with the steering vector. Whole periods, so the bin holds it exactly.
    rate, frequency, speed = 48000, 1000, 343.0
    positions = circle(5, 0.1)
    here = Places.of(wide([0.7]), wide([0.3]), wide([1.2]))
    source = here.points()[0]
    time = torch.arange(480, dtype=torch.float64) / rate
    origin = torch.sin(2 * math.pi * frequency * (time - source.norm() / speed))
    delays = (positions - source).norm(dim=-1) / speed
    heard = torch.sin(2 * math.pi * frequency * (time - delays[:, None]))
    line_of = frequency * 480 // rate
    ratio = torch.fft.rfft(heard)[:, line_of] / torch.fft.rfft(origin)[line_of]
    assert_close(ratio, steering(positions, here, speed / frequency)[:, 0])


def test_a_sensor_nearer_to_the_source_leads():
    right = Places.of(wide([0.5]))
    phase = steering(line(2, 0.1), right, 1.0, "far")[:, 0].angle()
    assert phase[1] > 0 > phase[0]
    assert_close(phase[1], wide(2 * math.pi * 0.05 * math.sin(0.5)))


def test_a_line_has_the_closed_form_of_the_literature():
    x, (theta, r) = line(9, 0.15)[:, 0], (0.6, 2.0)
    here = Places.of(wide([theta]), None, wide([r]))
    distance = (r**2 + x**2 - 2 * r * x * math.sin(theta)).sqrt()
    k = 2 * math.pi / WAVELENGTH
    wanted = torch.polar(r / distance, -k * (distance - r))
    assert_close(steering(line(9, 0.15), here, WAVELENGTH, "exact", 1.0)[:, 0], wanted)
    fresnel = torch.polar(
        torch.ones_like(x), k * (x * math.sin(theta) - x**2 * math.cos(theta) ** 2 / (2 * r))
    )
    assert_close(steering(line(9, 0.15), here, WAVELENGTH, "fresnel")[:, 0], fresnel)


@pytest.mark.parametrize("positions", GEOMETRIES.values(), ids=GEOMETRIES)
def test_the_exact_path_is_the_distance_of_points(positions):
    distance = torch.cdist(positions, places().points())
    beyond, ratio = path(positions, places())
    assert_close(beyond, distance - places().range)
    assert_close(ratio, distance / places().range)


@pytest.mark.parametrize("positions", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize(
    ("model", "spreading"), [("exact", 0), ("exact", 1), ("fresnel", 0), ("far", 0)]
)
def test_derivatives_are_those_of_autograd(positions, model, spreading):
    here = places(requires_grad=True)
    response = steering(positions, here, WAVELENGTH, model, spreading)
    for index, by in enumerate(COORDINATES):
        found = steering_derivative(positions, here, WAVELENGTH, by, model, spreading)
        variable = here[min(index, 2)]
        for n in range(len(positions)):
            # Sources are apart, so the slope of the sum over them has one entry each.
            parts = [
                torch.autograd.grad(part[n].sum(), variable, retain_graph=True, allow_unused=True)[
                    0
                ]
                for part in (response.real, response.imag)
            ]
            wanted = torch.complex(*(torch.zeros(3).double() if p is None else p for p in parts))
            if by == "inverse_range":
                wanted = wanted * -(here.range.detach() ** 2)
            assert_close(found[n].detach(), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("by", COORDINATES[:3])
def test_derivatives_are_those_of_finite_differences(by):
    positions, step, index = GEOMETRIES["points"], 1e-6, COORDINATES.index(by)
    ends = []
    for sign in (1, -1):
        moved = list(places())
        moved[index] = moved[index] + sign * step
        ends.append(steering(positions, Places(*moved), WAVELENGTH, "exact", 1.0))
    found = steering_derivative(positions, places(), WAVELENGTH, by, "exact", 1.0)
    assert_close(found, (ends[0] - ends[1]) / (2 * step), rtol=1e-6, atol=1e-6)


def test_infinitely_far_the_exact_wave_is_plane_and_its_derivatives_are_finite():
    far = Places.of(wide([0.4, -1.0]), wide([0.1, 0.3]))
    positions = GEOMETRIES["plane"]
    assert_close(steering(positions, far, 1.0), steering(positions, far, 1.0, "far"))
    slope = steering_derivative(positions, far, 1.0, "inverse_range")
    almost = far._replace(range=torch.full((2,), 1e9).double())
    wanted = (steering(positions, almost, 1.0) - steering(positions, far, 1.0)) * 1e9
    assert_close(slope, wanted, rtol=1e-5, atol=1e-5)


def test_a_sensor_straight_behind_a_source_has_a_derivative():
    # Sensor at 3 on the ray to a source at 1: d = 3 - r, so d(d - r)/dr = -2.
    here = Places.of(wide([math.pi / 2]), None, wide([1.0]))
    found = steering_derivative(wide([[3.0, 0, 0]]), here, 1.0, "range")
    assert_close(found, 4j * math.pi * steering(wide([[3.0, 0, 0]]), here, 1.0))


def test_single_precision_keeps_the_curvature_of_a_far_wave():
    # d - r computed as a difference of distances would lose 4 of 7 digits at this range.
    here = Places.of(torch.tensor([0.3]), None, torch.tensor([3000.0]))
    wide = steering(line(20, 0.15), here.to(torch.float64), WAVELENGTH)
    assert_close(
        steering(line(20, 0.15).float(), here, WAVELENGTH).to(wide), wide, rtol=0, atol=2e-6
    )


def test_responses_broadcast_over_scenes():
    array = Array(line(5, 0.15), WAVELENGTH)
    many = Places(*(each.expand(4, 2, 3) for each in places()))
    assert array.response(many).shape == (4, 2, 5, 3)
    assert array.derivatives(many, ("azimuth", "range")).shape == (4, 2, 2, 5, 3)
    moving = Array(line(5, 0.15).expand(4, 1, 5, 3), WAVELENGTH)
    assert_close(moving.response(places())[3, 0], array.response(places()))


def test_ranges_of_the_near_field_follow_from_the_aperture():
    # 12 x 12 at half of 0.3 m: D = 11 sqrt(2) 0.15.
    size = aperture(plane(12, 12, 0.15))
    assert size.item() == pytest.approx(2.3335, abs=1e-4)
    assert fraunhofer_range(size, 0.3).item() == pytest.approx(36.3, abs=0.01)
    assert fresnel_range(size, 0.3).item() == pytest.approx(4.035, abs=0.01)


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="only the exact one has gains"):
        steering(line(3, 1.0), places(), 1.0, "fresnel", 1.0)
    with pytest.raises(ValueError, match=r"\(..., sensors, 3\) wanted"):
        Array(torch.zeros(4, 2), 1.0)
    with pytest.raises(ValueError, match="behind 4 sensors"):
        Array(line(4, 1.0), 1.0, through=torch.eye(3, dtype=torch.complex128))


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(
    ("model", "spreading"), [("exact", 0.0), ("exact", 1.0), ("fresnel", 0.0), ("far", 0.0)]
)
def test_derivatives_together_are_those_one_by_one(geometry, model, spreading):
    positions, here = GEOMETRIES[geometry], places()
    by = ("azimuth", "elevation", "inverse_range")
    jet = steering_jet(positions, here, WAVELENGTH, by, model, spreading)
    assert_close(jet[0].mT, steering(positions, here, WAVELENGTH, model, spreading))
    for number, one in enumerate(by):
        wanted = steering_derivative(positions, here, WAVELENGTH, one, model, spreading)
        assert_close(jet[1 + number].mT, wanted, rtol=1e-12, atol=1e-12)
