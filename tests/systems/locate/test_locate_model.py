"""The network and its features: what they depend on, and the operator algebra they rest on."""

import torch
from little_locator import batch_of, network_of, system
from torch.testing import assert_close

from wellposed.dsp.surface import backprojected, before_chains, condensed, gram
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.recipe import Model, Scenes


def scene(made, number=0):
    item = made.item("train", number)
    return (
        torch.view_as_complex(item[name].double().contiguous())
        for name in ("heard", "channel", "codes")
    )


def test_gram_and_back_projection_are_those_of_the_stacked_operator():
    made = system()
    heard, channel, codes = scene(made)
    operator = before_chains(made.front.elements, channel, codes).through
    assert operator is not None
    assert_close(gram(channel, codes), operator.mH @ operator)
    assert_close(backprojected(channel, codes, heard), operator.mH @ heard.flatten())


def test_condensed_measurements_leave_the_residual_of_all_of_them():
    made = system()
    heard, channel, codes = scene(made)
    elements = made.front.elements
    whole = before_chains(elements, channel, codes)
    few = condensed(elements, channel, codes, heard)
    assert few.array.outputs == 144 < whole.outputs
    waves = torch.randn(144, 2, dtype=torch.complex128)
    rest = []
    for array, data in ((whole, heard.flatten()[:, None]), (few.array, few.data)):
        assert array.through is not None
        seen = array.through @ waves
        left = data - seen @ torch.linalg.lstsq(seen, data).solution
        rest.append(left.abs().square().sum())
    assert_close(rest[1] + few.outside, rest[0])


def test_measurements_that_do_not_determine_all_waves_stay_as_they_are():
    made = system(scenes__measurements=(4, 4))
    heard, channel, codes = scene(made)
    few = condensed(made.front.elements, channel, codes, heard)
    assert few.array.outputs == heard.numel()
    assert_close(few.data.flatten(), heard.flatten())


def test_places_come_back_from_their_cells():
    cells = Cells.of(Model(), Scenes())
    places = torch.tensor([[0.3, -0.2, 0.7], [-1.0, 0.5, 1.9], [1.04, -0.5, 0.1]]).double()
    placed = cells.located(places)
    middle = cells.directions()[placed.cell] + placed.offset * torch.tensor(cells.extent[2:])
    assert bool((placed.offset.abs() <= 0.5 + 1e-9).all())
    first, last = cells.inverse_range
    inverse = first + placed.curvature * (last - first) / (cells.curvatures - 1)
    found = cells.places(middle[:, 0], middle[:, 1], inverse)
    assert_close(found.azimuth, places[:, 0])
    assert_close(found.elevation, places[:, 1])
    assert_close(1 / found.range, places[:, 2])


def test_the_level_and_the_phase_of_what_is_heard_change_no_proposal():
    made = system()
    batch, network = batch_of(made, 2), network_of(made)
    turned = torch.view_as_complex(batch["heard"]) * (3e3 * torch.exp(torch.tensor(0.7j)))
    with torch.no_grad():
        one = network(batch["heard"], batch["channel"], batch["codes"])
        other = network(torch.view_as_real(turned), batch["channel"], batch["codes"])
    assert_close(one.presence, other.presence, rtol=1e-3, atol=1e-3)
    assert_close(one.covariance, other.covariance, rtol=1e-3, atol=1e-4)


def test_the_map_is_highest_at_a_single_source_without_noise():
    made = system(scenes__sources=(1, 1), scenes__snr_db=(60.0, 60.0))
    network = network_of(made)
    batch = batch_of(made, 8)
    seen = network.features(batch["heard"], batch["channel"], batch["codes"])
    bends = network.cells.curvatures
    plain = seen.maps[:, :bends].flatten(2).amax(1).argmax(-1)
    cell = network.cells.located(batch["places"]).cell[:, 0]
    rows = network.cells.rows
    apart = torch.stack((plain // rows - cell // rows, plain % rows - cell % rows)).abs()
    assert int(apart.max()) <= 1


def test_the_covariance_has_trace_one_and_is_hermitian():
    made = system()
    batch, network = batch_of(made, 2), network_of(made)
    with torch.no_grad():
        covariance = network(batch["heard"], batch["channel"], batch["codes"]).covariance
    assert_close(covariance, covariance.mH)
    assert_close(covariance.diagonal(dim1=-2, dim2=-1).real.sum(-1), torch.ones(2))
