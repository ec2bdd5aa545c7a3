"""Band plans: every bin in one band, and the same bands at every sample rate."""

import pytest

from wellposed.dsp.bands import band_widths
from wellposed.dsp.stft import Stft
from wellposed.systems.enhance.recipe import Model

PLAN = Model().bands
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def widths_at(rate: int) -> tuple[int, ...]:
    stft = Stft.of_duration(rate, 32, 16)
    return band_widths(stft.bins, stft.bin_hz, PLAN)


@pytest.mark.parametrize("rate", [*RATES, *range(8000, 48001, 739)])
def test_the_widths_sum_to_the_bins_at_every_rate(rate: int):
    widths = widths_at(rate)
    assert sum(widths) == Stft.of_duration(rate, 32, 16).bins
    assert min(widths) >= 1


def test_the_bands_of_16_khz_follow_the_plan():
    # 31.25 Hz a bin: 8 bands of 125 Hz to 1 kHz, 12 of 250 Hz to 4 kHz, 8 of 500 Hz to 8 kHz;
    # the lone bin at 8 kHz joins the last.
    assert widths_at(16000) == (*[4] * 8, *[8] * 12, *[16] * 7, 17)


@pytest.mark.parametrize("rate", RATES[:-1])
def test_the_bands_that_two_rates_share_are_the_same_bands(rate: int):
    # All but the last one of the lower rate, which ends at its own Nyquist frequency.
    shared = widths_at(rate)[:-1]
    assert widths_at(48000)[: len(shared)] == shared


def test_a_last_band_narrower_than_half_its_neighbour_joins_it():
    assert band_widths(9, 1000, ((8000, 4000),)) == (4, 5)
    assert band_widths(10, 1000, ((9000, 4000),)) == (4, 4, 2)
    # 8 bins of a band planned at 32, next to bands of 16: half the neighbour is enough to stay.
    assert band_widths(264, 31.25, PLAN)[-2:] == (16, 8)
    assert band_widths(263, 31.25, PLAN)[-2:] == (16, 23)


def test_a_band_has_at_least_one_bin():
    assert band_widths(5, 100, ((400, 10),)) == (1, 1, 1, 1, 1)
    assert band_widths(1, 100, ((400, 10),)) == (1,)


@pytest.mark.parametrize(
    "plan",
    [
        ((4000, 250), (1000, 125), (8000, 500)),
        ((4000, 250), (4000, 250), (8000, 500)),
        ((4000, 0), (8000, 500)),
        ((4000, 250), (8000, -500)),
    ],
)
def test_a_plan_that_does_not_rise_is_refused(plan):
    with pytest.raises(ValueError, match="limits must rise and widths be positive"):
        band_widths(257, 31.25, plan)


@pytest.mark.parametrize("plan", [(), ((4000, 250),)])
def test_a_plan_that_ends_too_early_is_refused(plan):
    with pytest.raises(ValueError, match="below the highest bin at 8000 Hz"):
        band_widths(257, 31.25, plan)
