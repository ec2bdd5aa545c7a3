"""Scenes drawn by counter: repeatable, disjoint, and what they say they are."""

import dataclasses
import math

import pytest
import torch
from torch.testing import assert_close

from wellposed.data.surfacefields import Surface, SurfaceScenes
from wellposed.data.wavefields import ArrayScenes, Flaws, Population, overlap
from wellposed.dsp.arrays.geometry import line
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.snapshots import measured_snr_db
from wellposed.dsp.surface import operators, phase_codes

ARRAY = Array(line(8, 0.5), 1.0)
MANY = Population(sources=(1, 4), apart_deg=10, range=(3, 20), correlation=(0, 1), snapshots=20)
SPLITS = ("train", "valid", "test")


def small() -> Surface:
    codes = phase_codes(torch.arange(6 * 16).double().reshape(6, 16) ** 2, bits=3)
    return Surface(Array(line(16, 0.5), 1.0), Array(line(3, 0.5), 1.0, "far"), codes)


SURFACE = SurfaceScenes(small(), dataclasses.replace(MANY, reference="received"))


@pytest.mark.parametrize("scenes", [ArrayScenes(ARRAY, MANY), SURFACE], ids=["array", "surface"])
def test_no_scene_is_in_two_splits_and_every_scene_can_be_drawn_again(scenes):
    hashes = [[scenes.scene(split, index).digest() for index in range(100)] for split in SPLITS]
    assert overlap(hashes) == 0
    again = [[scenes.scene(split, index).digest() for index in (99, 3)] for split in SPLITS]
    assert again == [[split[99], split[3]] for split in hashes]
    other = dataclasses.replace(scenes, seed=1)
    assert overlap([hashes[0], [other.scene("train", index).digest() for index in range(100)]]) == 0


def test_overlapping_splits_are_counted():
    # What a seed plus an index does: the split that begins 50 later is in the first one.
    hashes = [str(index) for index in range(150)]
    assert overlap([hashes[:100], hashes[50:150]]) == 50


def test_a_split_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="train, valid, test"):
        ArrayScenes(ARRAY).scene("val", 0)  # pyrefly: ignore[bad-argument-type]


def test_populations_are_what_they_say():
    scenes = ArrayScenes(ARRAY, MANY)
    drawn = [scenes.scene("train", index) for index in range(200)]
    counts = torch.tensor([len(each.sources.powers) for each in drawn])
    assert counts.unique().tolist() == [1, 2, 3, 4]
    for each in drawn:
        azimuth = each.sources.places.azimuth.rad2deg()
        assert (azimuth.abs() <= 60).all()
        assert (azimuth.sort().values.diff() >= 10 - 1e-9).all()
        assert ((each.sources.places.range >= 3) & (each.sources.places.range <= 20)).all()
    # Which source is the leftmost is left to chance.
    ascending = [
        bool((each.sources.places.azimuth.diff() > 0).all())
        for each in drawn
        if len(each.sources.powers) == 2
    ]
    assert 0.3 < sum(ascending) / len(ascending) < 0.7


@pytest.mark.parametrize("reference", ["source", "received"])
def test_the_ratio_measured_in_a_scene_is_that_of_its_population(reference):
    population = Population(
        sources=(2, 2), snr_db=(7, 7), reference=reference, snapshots=20000, power_spread_db=3
    )
    scene = ArrayScenes(ARRAY, population).scene("test", 0)
    clean = scene.array.response(scene.sources.places) @ scene.symbols
    signal = (
        clean if reference == "received" else scene.symbols[scene.sources.powers.argmax()][None]
    )
    found = measured_snr_db(signal, scene.snapshots - clean)
    assert float(found) == pytest.approx(7, abs=0.15)


def test_the_ratio_before_a_surface_is_that_of_its_population():
    population = Population(sources=(2, 2), snr_db=(3, 3), reference="received", range=(3, 20))
    scenes = SurfaceScenes(small(), population, changing=True)
    signal = noise = 0.0
    for index in range(200):
        scene = scenes.scene("train", index)
        waves = scene.symbols @ scenes.surface.elements.response(scene.sources.places).mT
        clean = (scenes.surface.codes * waves) @ scene.channel.mT
        signal += float(clean.abs().square().mean() / scene.noise)
        noise += float((scene.heard - clean).abs().square().mean() / scene.noise)
    assert 10 * math.log10(signal / noise) == pytest.approx(3, abs=0.2)


def test_symbols_that_stay_go_through_the_array_of_the_scene():
    scene = SURFACE.scene("train", 5)
    array = SURFACE.array(scene.channel)
    clean = (array.response(scene.sources.places) @ scene.symbols).view(6, 3)
    left = (scene.heard - clean).abs().square().mean() / scene.noise
    assert 0.4 < float(left) < 2


def test_coherent_sources_have_random_phases():
    population = Population(sources=(2, 2), correlation=(1, 1), snapshots=5)
    scenes = ArrayScenes(ARRAY, population)
    ratio = torch.stack(
        [s[0] / s[1] for s in (scenes.scene("train", i).symbols for i in range(50))]
    )
    assert_close(ratio, ratio[:, :1].expand(50, 5))
    assert ratio[:, 0].angle().std() > 1


def test_flaws_change_the_array_and_nothing_else():
    bare = ArrayScenes(ARRAY, MANY).scene("train", 3)
    flawed = ArrayScenes(ARRAY, MANY, Flaws(0.02, 1.0, 5.0)).scene("train", 3)
    assert_close(flawed.symbols, bare.symbols)
    assert_close(flawed.array.positions, ARRAY.positions, rtol=0, atol=0.1)
    assert flawed.array.through is not None
    assert bare.array is ARRAY


def test_an_uncertain_channel_is_known_as_badly_as_stated():
    scene = dataclasses.replace(SURFACE, channel_error_db=(-20, -20)).scene("train", 1)
    error = (scene.known_channel - scene.channel).abs().square().mean()
    assert 10 * math.log10(error / scene.channel.abs().square().mean()) == pytest.approx(-20, abs=2)
    exact = SURFACE.scene("train", 1)
    assert_close(exact.known_channel, exact.channel)
    assert_close(exact.channel, scene.channel)


@pytest.mark.parametrize("codes", ["staggered", "columns"])
def test_the_reference_surface_has_sixteen_codes_and_chains(codes):
    surface = Surface.reference(codes=codes)
    assert surface.codes.shape == (16, 144)
    assert surface.receiver.outputs == 16
    assert len({tuple(code.tolist()) for code in surface.codes}) == 16
    # One measurement has 16 numbers of 144 elements; all together determine them.
    made = torch.Generator().manual_seed(0)
    channel = torch.randn(16, 144, dtype=torch.complex128, generator=made)
    size = torch.linalg.svdvals(operators(channel, surface.codes).flatten(0, 1))
    assert size[0] / size[-1] < 8
    constant = operators(channel, surface.codes[:1].expand(16, -1)).flatten(0, 1)
    assert torch.linalg.matrix_rank(constant) == 16


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"sources": (0, 2)}, "at least 1"),
        ({"sources": (1, 13), "apart_deg": 10.0}, "do not fit into 120 degrees"),
        ({"range": (0.0, 2.0)}, "the nearest first"),
    ],
)
def test_impossible_populations_are_refused(given, reason):
    with pytest.raises(ValueError, match=reason):
        Population(**given)


def test_a_surface_has_no_power_of_a_source():
    with pytest.raises(ValueError, match=r"Population\.reference to 'received'"):
        SurfaceScenes(small(), Population())
