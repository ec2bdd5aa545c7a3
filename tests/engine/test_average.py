"""The average of the weights against its closed form, and its exchange with the live ones."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from wellposed.engine.average import WeightAverage


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()


def move(net: nn.Module, seed: int) -> None:
    made = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += torch.randn(parameter.shape, generator=made, dtype=parameter.dtype)


def snapshot(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in net.named_parameters()}


@pytest.mark.parametrize("decay", [0.1, 0.9, 0.995])
def test_the_average_is_the_geometric_sum(decay: float):
    # a_n = d_n a_(n-1) + (1 - d_n) w_n with d_n = min(d, (1 + n) / (10 + n)), so that w_k weighs
    # (1 - d_k) d_(k+1) ... d_n, and the start d_1 ... d_n.
    net = network()
    average, seen = WeightAverage({"model": net}, decay), [snapshot(net)]
    for seed in range(1, 13):
        move(net, seed)
        average.update()
        seen.append(snapshot(net))
    decays = [1.0, *(min(decay, (1 + n) / (10 + n)) for n in range(1, 13))]
    weights = [1.0, *(1 - d for d in decays[1:])]
    for k in range(13):
        for later in decays[k + 1 :]:
            weights[k] *= later
    assert sum(weights) == pytest.approx(1.0)
    for name in seen[0]:
        wanted = sum(weight * past[name] for weight, past in zip(weights, seen, strict=True))
        assert_close(average.weights[f"model/{name}"], wanted)
    assert average.updates == 12


def test_before_any_update_the_average_is_the_start():
    net = network()
    average, start = WeightAverage({"model": net}, 0.9), snapshot(net)
    move(net, 1)
    with average.applied():
        assert all(torch.equal(value, start[name]) for name, value in snapshot(net).items())


def test_weights_that_stand_still_are_their_own_average():
    net = network()
    average, start = WeightAverage({"model": net}, 0.9), snapshot(net)
    for _ in range(20):
        average.update()
    for name, value in start.items():
        assert_close(average.weights[f"model/{name}"], value, rtol=0, atol=1e-15)


def test_the_live_weights_come_back_bit_for_bit_even_after_an_error():
    net = network()
    average = WeightAverage({"model": net}, 0.9)
    move(net, 1)
    average.update()
    live = snapshot(net)
    kept = {name: value.clone() for name, value in average.weights.items()}

    def use() -> None:
        with average.applied():
            assert all(
                torch.equal(value, kept[f"model/{name}"]) for name, value in snapshot(net).items()
            )
            raise RuntimeError("within")

    with pytest.raises(RuntimeError, match="within"):
        use()
    assert all(torch.equal(value, live[name]) for name, value in snapshot(net).items())
    assert all(torch.equal(value, kept[name]) for name, value in average.weights.items())


def test_an_optimizer_goes_on_with_the_same_parameters_after_an_exchange():
    net, twin = network(), network()
    made = [torch.optim.AdamW(n.parameters(), lr=0.1) for n in (net, twin)]
    average = WeightAverage({"model": net}, 0.5)
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for _ in range(3):
        for n, optimizer in zip((net, twin), made, strict=True):
            optimizer.zero_grad()
            n(inputs).square().sum().backward()
            optimizer.step()
        average.update()
        with average.applied():
            net.eval()
            net(inputs)
            net.train()
    assert all(torch.equal(value, snapshot(twin)[name]) for name, value in snapshot(net).items())


def test_no_decay_means_no_average_and_no_memory():
    net = network()
    average = WeightAverage({"model": net}, 0.0)
    move(net, 1)
    average.update()
    live = snapshot(net)
    assert average.weights == {}
    with average.applied():
        assert all(torch.equal(value, live[name]) for name, value in snapshot(net).items())


def test_buffers_are_not_averaged():
    average = WeightAverage({"model": network()}, 0.9)
    assert not [name for name in average.weights if "running" in name]


def test_two_networks_of_the_same_shape_are_kept_apart():
    first, second = network(1), network(2)
    average = WeightAverage({"a": first, "b": second}, 0.9)
    assert torch.equal(average.weights["a/0.weight"], dict(first.named_parameters())["0.weight"])
    assert torch.equal(average.weights["b/0.weight"], dict(second.named_parameters())["0.weight"])


def test_a_loaded_average_goes_on_as_if_never_stopped():
    nets = network(), network()
    whole, part = (WeightAverage({"model": net}, 0.9) for net in nets)
    for seed in range(3):
        for net, average in zip(nets, (whole, part), strict=True):
            move(net, seed)
            average.update()
    saved = {name: value.clone() for name, value in part.weights.items()}
    resumed = WeightAverage({"model": nets[1]}, 0.9)
    resumed.load(saved, part.updates)
    for net, average in zip(nets, (whole, resumed), strict=True):
        move(net, 9)
        average.update()
    assert all(torch.equal(value, whole.weights[name]) for name, value in resumed.weights.items())


def test_a_restarted_average_is_the_present_weights():
    net = network()
    average = WeightAverage({"model": net}, 0.9)
    for seed in range(3):
        move(net, seed)
        average.update()
    average.restart()
    live = dict(net.named_parameters())
    assert all(torch.equal(value, live[name[6:]]) for name, value in average.weights.items())
