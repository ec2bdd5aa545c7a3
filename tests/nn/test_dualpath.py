"""Paths along time and bands: who sees whom, and what is shared."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wellposed.nn.dualpath import DualPath, RecurrentPath

BATCH, FRAMES, BANDS, FEATURES = 2, 7, 5, 4


def white(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_path(axis: str, *, bidirectional: bool) -> RecurrentPath:
    torch.manual_seed(3)
    return RecurrentPath(axis, FEATURES, 6, bidirectional=bidirectional)


def reached(layer: torch.nn.Module, frame: int, band: int) -> Tensor:
    """Frames and bands `(frames, bands)` whose output changes with one input."""
    x = white(1, FRAMES, BANDS, FEATURES)
    other = x.clone()
    other[0, frame, band] = white(FEATURES, seed=9)
    return (layer(other) != layer(x)).any(-1)[0]


@pytest.mark.parametrize("axis", ["time", "bands"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_path_equals_an_lstm_run_on_every_line_alone(axis: str, bidirectional: bool):
    path, x = make_path(axis, bidirectional=bidirectional), white(BATCH, FRAMES, BANDS, FEATURES)
    wanted = torch.empty_like(x)
    for b in range(BATCH):
        for other in range(BANDS if axis == "time" else FRAMES):
            line = x[b, :, other] if axis == "time" else x[b, other]
            mixed = line + path.out(path.lstm(path.norm(line)[None])[0])[0]
            if axis == "time":
                wanted[b, :, other] = mixed
            else:
                wanted[b, other] = mixed
    assert_close(path(x), wanted)


@pytest.mark.parametrize("frame", [0, 3, 6])
def test_a_time_path_one_way_reaches_the_present_and_the_future_of_its_band(frame: int):
    wanted = torch.zeros(FRAMES, BANDS, dtype=torch.bool)
    wanted[frame:, 2] = True
    assert torch.equal(reached(make_path("time", bidirectional=False), frame, 2), wanted)


def test_a_time_path_both_ways_reaches_all_frames_of_its_band():
    wanted = torch.zeros(FRAMES, BANDS, dtype=torch.bool)
    wanted[:, 2] = True
    assert torch.equal(reached(make_path("time", bidirectional=True), 3, 2), wanted)


def test_a_band_path_reaches_all_bands_of_its_frame():
    wanted = torch.zeros(FRAMES, BANDS, dtype=torch.bool)
    wanted[3] = True
    assert torch.equal(reached(make_path("bands", bidirectional=True), 3, 2), wanted)


@pytest.mark.parametrize("causal", [True, False])
def test_a_dual_path_reaches_all_bands_and_the_past_only_if_not_causal(causal: bool):
    torch.manual_seed(4)
    layer = DualPath(FEATURES, 6, 2, causal=causal)
    wanted = torch.ones(FRAMES, BANDS, dtype=torch.bool)
    wanted[: 3 if causal else 0] = False
    assert torch.equal(reached(layer, 3, 2), wanted)


def test_a_path_whose_output_layer_is_zero_is_the_identity():
    path = make_path("time", bidirectional=True)
    with torch.no_grad():
        path.out.weight.zero_()
        path.out.bias.zero_()
    x = white(BATCH, FRAMES, BANDS, FEATURES)
    assert torch.equal(path(x), x)


@pytest.mark.parametrize(("causal", "ways"), [(True, 1), (False, 2)])
def test_the_number_of_parameters_follows_from_the_sizes(causal: bool, ways: int):
    # LSTM of h units a direction: 4 h (features + h + 2 biases); linear: features (inputs + 1).
    def path(directions: int) -> int:
        lstm = directions * 4 * 6 * (FEATURES + 6 + 2)
        return 2 * FEATURES + lstm + FEATURES * (directions * 6 + 1)

    layer = DualPath(FEATURES, 6, 3, causal=causal)
    assert sum(p.numel() for p in layer.parameters()) == 3 * (path(ways) + path(2))


def test_an_axis_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="'time' or 'bands'"):
        RecurrentPath("frequency", FEATURES, 6, bidirectional=True)
