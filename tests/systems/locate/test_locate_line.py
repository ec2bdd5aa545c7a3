"""Before a line of sensors: scenes as stated, bounds in closed form, counts at a declared rate."""

import math

import numpy as np
import pytest
import torch
from little_locator import line_system, network_of
from torch.testing import assert_close

from wellposed.data.wavefields import digest, overlap
from wellposed.engine.launch import resume, start
from wellposed.engine.recipe import changed
from wellposed.engine.storage.modelfile import load_model
from wellposed.errors import DataError, RecipeError
from wellposed.metrics.bounds.efficiency import efficiency
from wellposed.metrics.placing import placing
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.estimate import both, located, pursued
from wellposed.systems.locate.example import example
from wellposed.systems.locate.front import wide
from wellposed.systems.locate.recipe import LocateRecipe, Model, Refinement, Scenes
from wellposed.systems.locate.scoring import hits
from wellposed.systems.locate.snapshots import array_data
from wellposed.systems.locate.system import LocateSystem
from wellposed.systems.locate.truth import truth_of
from wellposed.systems.locate.uncertain import sureness
from wellposed.systems.locate.use import Finder

STRONG = {
    "scenes__sources": (2, 2), "scenes__snr_db": (20.0, 20.0), "scenes__line__apart_deg": 20.0,
    "scenes__line__power_spread_db": 0.0,
}  # fmt: skip


def items_of(made, count, split="test"):
    return [made.item(split, number) for number in range(count)]


def test_scenes_depend_on_their_number_alone_and_are_in_one_split():
    made, again = line_system(), line_system()
    again.item("valid", 3)
    one, other = made.item("train", 7), again.item("train", 7)
    assert all(torch.equal(one[name], other[name]) for name in one)
    splits = ("train", "valid", "test")
    hashes = [[digest(each["snapshots"]) for each in items_of(made, 20, s)] for s in splits]
    assert overlap(hashes) == 0


def test_snapshots_are_sources_and_noise_of_the_stated_ratio():
    made = line_system(scenes__snr_db=(7.0, 7.0), scenes__line__snapshots=(100, 100))
    shares = []
    for item in items_of(made, 20):
        places, symbols = truth_of(item)
        clean = made.front.elements.response(places) @ symbols
        noise = made.front.heard(item) - clean
        assert_close(noise.abs().square().mean(), item["noise"].double(), rtol=0.2, atol=0.0)
        shares.append(clean.abs().square().mean() / item["noise"])
    assert_close(torch.stack(shares), torch.full((20,), 10**0.7).double(), rtol=1e-4, atol=0.0)


def test_snapshots_that_were_not_taken_are_zero_and_their_number_is_told():
    made = line_system(scenes__line__snapshots=(2, 30))
    numbers = set()
    for item in items_of(made, 12):
        number = int(item["number"])
        (heard,) = wide(item, "snapshots")
        assert heard.shape == (8, 30)
        assert bool((heard[:, number:] == 0).all())
        assert bool((heard[:, :number].abs().sum(0) > 0).all())
        numbers.add(number)
    assert len(numbers) > 4


@pytest.mark.parametrize(("correlation", "rank"), [(1.0, 1), (0.0, 2)])
def test_coherent_sources_have_rank_one(correlation, rank):
    made = line_system(scenes__line__correlation=(correlation, correlation), **STRONG)
    symbols = truth_of(made.item("test", 0))[1]
    values = torch.linalg.svdvals(symbols)
    assert int((values > 1e-3 * values[0]).sum()) == rank


def test_the_bound_of_one_source_is_the_closed_form():
    """6 / (sum of |s|^2 / noise x N (N^2 - 1) (pi cos azimuth)^2), half a wavelength apart."""
    made = line_system(scenes__sources=(1, 1))
    for item in items_of(made, 4):
        places, symbols = truth_of(item)
        ratio = symbols.abs().square().sum() / item["noise"].double()
        slope = (math.pi * places.azimuth.cos()).square()
        wanted = 6 / (ratio * 8 * 63 * slope)
        assert_close(made.front.bound(item).deviations(1)[0].square(), wanted)


def test_azimuths_of_one_source_are_as_sure_as_the_bound_allows_and_as_told():
    made = line_system(scenes__sources=(1, 1), scenes__snr_db=(10.0, 20.0))
    network, items = network_of(made), items_of(made, 80)
    states = pursued(network, made.collate(items), Refinement())
    ratios, told = [], []
    for state, sure, item in zip(states, sureness(states, ("azimuth",)), items, strict=True):
        if len(state.amplitudes) != 1:
            continue  # a false alarm, at the declared rate
        error = placing(state.places, truth_of(item)[0]).azimuth
        ratios.append(error / made.front.bound(item).deviations(1)[0])
        told.append((error.square() / sure.covariance[0]).double())
    count = len(ratios)
    assert count >= 74
    result = efficiency(torch.cat(ratios), torch.ones(count))
    assert abs(result.ratio - 1) < 3 * result.spread + 0.05
    # Squares of unit variance: their mean is 1 with a deviation of sqrt(2 / count).
    assert abs(float(torch.cat(told).mean()) - 1) < 4 * math.sqrt(2 / count)


@pytest.mark.parametrize("correlation", [0.0, 1.0])
@pytest.mark.parametrize("snapshots", [1, 50])
def test_strong_sources_are_found_and_counted_coherent_or_not(correlation, snapshots):
    made = line_system(
        scenes__line__correlation=(correlation, correlation),
        scenes__line__snapshots=(snapshots, snapshots),
        **STRONG,
    )
    network, items = network_of(made), items_of(made, 20)
    states = both(network, made.collate(items), Refinement())
    found = [hits(state, item) for state, item in zip(states, items, strict=True)]
    assert sum(each.hits for each in found) >= 0.9 * 40
    assert sum(each.found == 2 for each in found) >= 16


@pytest.mark.parametrize("snapshots", [1, 40])
def test_noise_alone_is_a_source_as_seldom_as_declared(snapshots):
    made = line_system(scenes__line__snapshots=(snapshots, snapshots))
    network, scenes, rate = network_of(made), 400, made.recipe.refinement.false_alarms
    noise = torch.randn(scenes, 8, snapshots, 2, generator=torch.Generator().manual_seed(3))
    batch = {"snapshots": noise, "number": torch.full((scenes,), float(snapshots))}
    states = pursued(network, batch, Refinement())
    found = sum(len(state.amplitudes) > 0 for state in states)
    assert found <= scenes * rate + 4 * math.sqrt(scenes * rate)


def test_level_phase_and_more_columns_of_nothing_change_no_proposal():
    made = line_system()
    network, batch = network_of(made), made.collate(items_of(made, 3))
    turned = torch.view_as_complex(batch["snapshots"]) * (2e4 * torch.exp(torch.tensor(0.7j)))
    longer = torch.nn.functional.pad(torch.view_as_real(turned), (0, 0, 0, 7))
    with torch.no_grad():
        one = network(batch["snapshots"], batch["number"])
        other = network(longer, batch["number"])
    assert_close(one.presence, other.presence, rtol=1e-3, atol=1e-3)
    assert_close(one.covariance, other.covariance, rtol=1e-3, atol=1e-4)


def test_the_map_is_highest_at_a_single_source():
    made = line_system(scenes__sources=(1, 1), scenes__snr_db=(40.0, 40.0))
    network, batch = network_of(made), made.collate(items_of(made, 8))
    maps = network.features(batch["snapshots"], batch["number"]).maps[..., 0]
    cell = network.cells.located(batch["places"]).cell[:, 0]
    for channel in range(maps.shape[1]):
        if channel not in range(1, 5):  # those after points were taken out
            assert int((maps[:, channel].argmax(-1) - cell).abs().max()) <= 1


def test_places_come_back_from_their_cells():
    cells = Cells.of(Model(), Scenes(kind="line"))
    places = torch.tensor([[0.3, 0.0, 0.0], [-1.0, 0.0, 0.0], [1.04, 0.0, 0.0]]).double()
    placed = cells.located(places)
    assert placed.offset.shape == (3, 1)
    u = cells.directions()[placed.cell, 0] + placed.offset[:, 0] * cells.extent[2]
    zero = torch.zeros(3).double()
    found = cells.places(u, zero, zero)
    assert_close(found.azimuth, places[:, 0])
    assert bool(found.range.isinf().all())


def test_a_file_of_snapshots_is_located_as_in_validation():
    content, _ = example("line", 0)
    made = line_system(scenes__line__sensors=10)
    finder = Finder(network_of(made))
    data = array_data(content)
    (found,) = finder.find(data)
    batch = {
        "snapshots": torch.view_as_real(data.snapshots)[None], "number": torch.tensor([50.0])
    }  # fmt: skip
    state = both(finder.network, batch, Refinement())[0]
    (one, first), (other, second) = (each.azimuth.sort() for each in (found.places, state.places))
    assert_close(one, other, rtol=1e-6, atol=1e-8)
    assert len(first) == len(second)
    assert bool((found.deviations[0] > 0).all())
    assert bool((found.deviations[1:] == 0).all())
    covariance = content["snapshots"] @ content["snapshots"].conj().T / 50
    kept = {name: content[name] for name in ("positions", "wavelength")}
    same = array_data(kept | {"covariance": covariance, "number": np.array(50)})
    (again,) = finder.find(same)
    last, order = again.places.azimuth.sort()
    assert_close(last, one, rtol=1e-5, atol=1e-7)
    assert_close(again.deviations[0, order], found.deviations[0, first], rtol=1e-4, atol=1e-9)


def test_measurements_of_other_sensors_are_refused():
    finder = Finder(network_of(line_system()), name="mine")
    content, _ = example("line", 0)
    with pytest.raises(DataError, match="10 sensors that are not those of this model"):
        finder.find(array_data(content))
    heard, _ = example("surface", 0)
    with pytest.raises(DataError, match="of a surface; this model"):
        finder(heard["heard"], heard["channel"], heard["codes"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scenes.codes": "columns"}, "codes: not of scenes of the kind line"),
        ({"scenes.azimuth_deg": (-120.0, 0.0)}, "cannot tell behind"),
        ({"scenes.sources": (1, 4), "scenes.line.sensors": 4}, "fewer sources than sensors"),
        ({"model.directions": (20, 12)}, "azimuths of far sources alone"),
        ({"loss.range": 0.1}, "sources are far"),
        ({"scenes.kind": "surface", "scenes.line.sensors": 12}, "line: not of scenes of the kind"),
        ({"scenes.kind": "surface", "model.curvatures": 1}, "at least 4 x 4 directions"),
    ],
)
def test_values_that_a_kind_of_scenes_has_no_use_for_are_refused(changes, reason):
    recipe = LocateRecipe(scenes=Scenes(kind="line"))
    with pytest.raises(RecipeError, match=reason):
        changed(recipe, changes, "test")


def test_scores_are_those_of_use():
    made = line_system(**STRONG)
    network, item = network_of(made), made.item("valid", 0)
    row = made.measure({"model": network}, item)
    state = located(network, made.collate([item]), made.recipe.refinement)[0]
    assert row["f1"] == hits(state, item).f1
    assert set(row) == set(made.metrics)
    assert row["log_ratio"] is not None


def test_a_run_that_was_stopped_goes_on_with_the_same_bits_and_is_used(tmp_path):
    recipe = line_system(
        training__steps=4, training__batch_size=4, training__checkpoint_every=2,
        validation__scenes=2, validation__every=4, scenes__line__sensors=10,
    ).recipe  # fmt: skip
    whole = start(LocateSystem, recipe, tmp_path / "whole", None)
    part = start(LocateSystem, recipe, tmp_path / "part", 2)
    resume(LocateSystem, part, {}, None)
    tensors = [load_model(run / "best" / "model.safetensors")[0] for run in (whole, part)]
    assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    (found,) = Finder.load(whole).find(array_data(example("line", 0)[0]))
    assert found.converged
