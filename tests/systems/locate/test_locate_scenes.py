"""Scenes of the locate system: pure functions of their number, in one split each, as stated."""

import torch
from little_locator import system
from torch.testing import assert_close

from wellposed.data.wavefields import digest, overlap
from wellposed.dsp.surface import measured
from wellposed.systems.locate.truth import truth_of


def test_a_scene_depends_on_its_number_alone():
    made, other = system(), system()
    for _ in range(3):
        other.item("train", 5)
    assert all(torch.equal(a, b) for a, b in zip(_values(made, 7), _values(other, 7), strict=True))


def _values(made, number):
    return made.item("train", number).values()


def test_no_scene_is_in_two_splits():
    made = system()
    hashes = [
        [digest(made.item(split, number)["heard"]) for number in range(20)]
        for split in ("train", "valid", "test")
    ]
    assert overlap(hashes) == 0


def test_what_is_heard_is_the_places_seen_through_the_channel_and_noise():
    made = system(scenes__snr_db=(90.0, 90.0))
    item = made.item("train", 3)
    places, symbols = truth_of(item)
    waves = made.front.elements.response(places) @ symbols[:, 0]
    channel, codes, heard = (
        torch.view_as_complex(item[name].double()) for name in ("channel", "codes", "heard")
    )
    assert_close(
        measured(channel, codes, waves), heard, rtol=1e-4, atol=1e-4 * float(heard.abs().max())
    )


def test_codes_that_are_not_sent_are_zero_in_codes_and_measurements():
    made = system(scenes__measurements=(3, 9))
    counts = set()
    for number in range(12):
        item = made.item("train", number)
        sent = item["codes"].abs().sum((-2, -1)) > 0
        assert bool((item["heard"][~sent] == 0).all())
        counts.add(int(sent.sum()))
    assert min(counts) >= 3
    assert max(counts) <= 9
    assert len(counts) > 2


def test_without_the_channel_one_is_given_one_that_explains_all_that_arrives():
    given, hidden = system(), system(scenes__give="effective")
    one, other = given.item("train", 2), hidden.item("train", 2)
    assert torch.equal(one["heard"], other["heard"])
    h, guess, w = (
        torch.view_as_complex(each.double())
        for each in (one["channel"], other["channel"], one["codes"])
    )
    assert_close(w @ guess.mT, w @ h.mT, atol=1e-5, rtol=1e-5)
    assert float((guess - h).abs().square().mean()) > 0.5 * float(h.abs().square().mean())


def test_the_channel_of_the_field_report_is_scattered_and_its_codes_are_columns():
    made = system(scenes__codes="columns", scenes__rician=(0.0035, 0.07))
    item, usual = made.item("train", 2), system().item("train", 2)
    assert not torch.equal(item["codes"], usual["codes"])
    channel = torch.view_as_complex(item["channel"].double())
    values = torch.linalg.svdvals(channel)
    # A direct path of half the power or more has most of it in one singular value.
    assert values[0].square() < 0.25 * values.square().sum()
