"""Sums that must not depend on their order."""

import pytest
import torch
from torch import Tensor

from wellposed.nn.causal import CausalConv, Whole
from wellposed.nn.exact import FRACTION_BITS, RANGE_BITS, Stream, prepared


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def layer_of(taps: int = 7, stride: int = 1, dilation: int = 1) -> CausalConv:
    torch.manual_seed(1)
    layer = CausalConv(16, 24, taps, stride=stride, dilation=dilation, gain=1.7)
    with torch.no_grad():
        assert layer.bias is not None
        layer.bias.copy_(noise(24, seed=2))
    return layer


@pytest.mark.parametrize(("taps", "stride", "dilation"), [(7, 1, 1), (7, 1, 9), (10, 5, 1)])
def test_pieces_of_every_length_give_the_bits_of_the_whole(taps: int, stride: int, dilation: int):
    layer = layer_of(taps, stride, dilation)
    x = Stream().settle(noise(2, 16, 120))
    whole = Stream().convolve(layer, x)
    for length in (stride, 2 * stride, 7 * stride):
        stream = Stream()
        pieces = [stream.convolve(layer, piece) for piece in x.split(length, -1)]
        assert torch.equal(torch.cat(pieces, -1), whole)


def test_the_order_of_the_channels_does_not_change_a_bit():
    layer, x = layer_of(), Stream().settle(noise(1, 16, 50))
    whole = Stream().convolve(layer, x)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(3))
    weight, bias = layer.kernel()

    class Shuffled:
        stride, dilation, past = layer.stride, layer.dilation, layer.past

        def kernel(self):
            return type(layer.kernel())(weight[:, order], bias)

    assert torch.equal(Stream().convolve(Shuffled(), x[:, order]), whole)


def test_it_is_the_float_convolution_but_for_rounding():
    layer, x = layer_of(dilation=3), noise(1, 16, 200)
    exact = Stream().convolve(layer, Stream().settle(x))
    plain = Whole().convolve(layer, x).double()
    # Inputs are rounded by half of 2^-16; a row has the norm 1.7, so the errors add up to less.
    assert (exact - plain).abs().max() < 4 * 1.7 * 2.0**-FRACTION_BITS


def test_the_largest_sum_that_can_be_is_still_exact():
    layer = layer_of()
    kernel = prepared(layer)
    heaviest = torch.stack([tap.abs().sum(1) for tap in kernel.taps]).sum(0).max()
    weights = torch.cat([tap.flatten() for tap in kernel.taps])
    unit = 2.0 ** -next(e for e in range(60) if torch.equal((weights * 2.0**e) % 1, 0 * weights))
    assert kernel.bias is not None
    most = heaviest * 2.0**RANGE_BITS + kernel.bias.abs().max()
    assert most / (unit * 2.0**-FRACTION_BITS) < 2.0**53
    assert torch.equal(kernel.bias % (unit * 2.0**-FRACTION_BITS), 0 * kernel.bias)


def test_a_tiny_kernel_with_a_large_bias_is_exact_too():
    layer = layer_of()
    with torch.no_grad():
        layer.gain.fill_(1e-6)
        assert layer.bias is not None
        layer.bias.fill_(100.0)
    x = Stream().settle(noise(1, 16, 20))
    assert torch.allclose(Stream().convolve(layer, x), torch.tensor(100.0).double(), atol=1e-3)


def test_weights_that_are_not_finite_are_refused():
    layer = layer_of()
    with torch.no_grad():
        layer.gain[0] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinite"):
        prepared(layer)


def test_settled_values_are_on_the_grid_and_in_range():
    settled = Stream().settle(torch.tensor([0.1, -5000.0, 2.0**-18]))
    assert settled.tolist() == [round(0.1 * 2**16) / 2**16, -(2.0**RANGE_BITS), 0.0]
