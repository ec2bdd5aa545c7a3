"""Convolutions that never look ahead."""

import pytest
import torch
from torch.nn import functional

from wellposed.nn.causal import CausalConv, CausalUpsample, ResidualUnit, Snake, Whole, bounded
from wellposed.nn.snake import snake


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("taps", "stride", "dilation"), [(7, 1, 1), (7, 1, 9), (10, 5, 1)])
def test_a_change_of_input_leaves_all_outputs_before_it(taps: int, stride: int, dilation: int):
    torch.manual_seed(0)
    layer = CausalConv(2, 3, taps, stride=stride, dilation=dilation)
    x = drawn(1, 2, 40)
    changed = x.clone()
    changed[..., 20:] += 1
    before, after = layer(x, Whole()), layer(changed, Whole())
    assert before.shape[-1] == 40 // stride
    assert torch.equal(before[..., : 20 // stride], after[..., : 20 // stride])
    assert not torch.equal(before[..., 20 // stride], after[..., 20 // stride])


def test_rows_of_the_weight_have_the_gain_as_norm():
    layer = CausalConv(4, 3, 5, gain=0.3)
    assert torch.allclose(layer.kernel().weight.square().sum((1, 2)).sqrt(), torch.full((3,), 0.3))
    wanted = drawn(3, 4, 5)
    layer.assign(wanted)
    assert torch.allclose(layer.kernel().weight, wanted, atol=1e-6)


def test_assigned_rows_turn_as_slowly_as_drawn_ones():
    layer = CausalConv(4, 3, 5)
    layer.assign(drawn(3, 4, 5) * torch.tensor([1e-3, 1.0, 1e3])[:, None, None])
    lengths = layer.direction.detach().square().sum((1, 2)).sqrt()
    assert torch.allclose(lengths, torch.full((3,), 20.0**0.5))


@pytest.mark.parametrize("stride", [1, 3, 5, 8])
def test_upsampling_is_the_transposed_convolution_less_its_tail(stride: int):
    torch.manual_seed(0)
    layer = CausalUpsample(3, 2, stride)
    x = drawn(1, 3, 11)
    weight = layer.blocks.kernel().weight.unflatten(0, (2, stride))  # out, stride, in, taps
    # The newest tap makes the first half of the filter, the one before it the second.
    both = torch.cat([weight[..., 1], weight[..., 0]], dim=1).permute(2, 0, 1)
    wanted = functional.conv_transpose1d(x, both, stride=stride)[..., : 11 * stride]
    assert torch.allclose(layer(x, Whole()), wanted, atol=1e-5)


def test_snake_is_its_formula():
    layer = Snake(2)
    with torch.no_grad():
        layer.rate.copy_(torch.tensor([0.5, 3.0]))
    x = drawn(1, 2, 9)
    rate = torch.tensor([0.5, 3.0])[:, None]
    assert torch.allclose(layer(x, Whole()), x + torch.sin(rate * x) ** 2 / rate, atol=1e-6)


def test_the_gradient_of_snake_is_that_of_its_formula():
    x, rate = drawn(2, 3, 7).double(), torch.tensor([0.3, 1.0, 4.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(snake, (x.requires_grad_(), rate.requires_grad_()))


def test_a_unit_keeps_its_length_and_of_zeros_makes_zeros_without_bias():
    unit = ResidualUnit(4, 9, bias=False, gain=0.3)
    assert torch.equal(unit(torch.zeros(1, 4, 50), Whole()), torch.zeros(1, 4, 50))


def test_bounded_values_keep_the_gradient_of_the_identity():
    x = torch.tensor([-3.0, -0.7, 0.2, 5.0], requires_grad=True)
    bounded(x).sum().backward()
    assert torch.equal(bounded(x).detach(), torch.tensor([-1.0, -0.7, 0.2, 1.0]))
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones(4))


def test_a_stride_wider_than_the_filter_is_refused():
    with pytest.raises(ValueError, match="gaps"):
        CausalConv(1, 1, 3, stride=4)
