"""Points of a network: named in order, seen without changing a bit, and changed where asked."""

import pytest
import torch
from torch import Tensor, nn

from wellposed.engine.inside.observe import passing
from wellposed.nn.dualpath import DualPath
from wellposed.nn.statespace import Mamba, Mamba2


def look(network: nn.Module, x: Tensor, *, hidden: bool = False) -> tuple[Tensor, dict[str, list]]:
    seen: dict[str, list] = {}

    def visit(point: str, values: Tensor) -> Tensor:
        seen.setdefault(point, []).append(values)
        return values

    with torch.no_grad(), passing(network, visit, hidden=lambda point: hidden):
        return network(x), seen


def test_points_come_in_the_order_of_their_making_and_containers_once():
    network = DualPath(4, 3, 1, causal=True)
    x = torch.randn(2, 5, 3, 4)
    _, seen = look(network, x)
    assert list(seen) == [
        "input", "layers.0.norm", "layers.0.lstm", "layers.0.lstm[1]", "layers.0.lstm[2]",
        "layers.0.out", "layers.0", "layers.1.norm", "layers.1.lstm", "layers.1.lstm[1]",
        "layers.1.lstm[2]", "layers.1.out", "layers.1", "output",
    ]  # fmt: skip


def test_looking_changes_no_bit_and_leaves_nothing_behind():
    network = DualPath(4, 3, 2, causal=False)
    x = torch.randn(2, 5, 3, 4)
    with torch.no_grad():
        expected = network(x)
    result, _ = look(network, x)
    assert torch.equal(result, expected)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


def test_what_functions_made_between_parts_is_seen_as_the_input_of_the_next():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Identity(), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x) * 2)

    _, seen = look(Net(), torch.ones(1, 2))
    assert torch.equal(seen["second:input"][0], torch.full((1, 2), 2.0))


@pytest.mark.parametrize("hold", ["exact", "euler"])
@pytest.mark.parametrize("kind", [Mamba, Mamba2])
def test_a_state_space_block_that_is_looked_into_gives_what_it_always_gives(kind, hold):
    torch.manual_seed(0)
    block = kind(16, states=4, bidirectional=True, hold=hold)
    x = torch.randn(2, 70, 16)
    with torch.no_grad():
        expected = block(x)
    result, seen = look(block, x, hidden=True)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(block(x), expected)  # and nothing is left behind
    dt = seen["forth.pace"][0]
    assert torch.equal(seen["forth:memory"][0], 1 / dt)
    decays = torch.stack(seen["forth:A_bar"])
    assert decays.shape[0] == 70
    assert float(decays.min()) > 0
    assert float(decays.max()) < 1
    # What the whole gave ends in the state that was seen last.
    torch.testing.assert_close(seen["forth[2]"][0], seen["forth:h"][-1])


def test_states_are_those_of_the_recurrence():
    torch.manual_seed(1)
    block = Mamba(4, states=3, hold="euler")
    x = torch.randn(1, 6, 4)
    _, seen = look(block, x, hidden=True)
    u, h = seen["forth.conv"][0], torch.zeros(1, 8, 3)
    for t in range(6):
        h = seen["forth:A_bar"][t] * h + seen["forth:B_bar"][t] * u[:, t, :, None]
        torch.testing.assert_close(seen["forth:h"][t], h)


def test_a_visitor_may_change_what_passes():
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU())

    def visit(point: str, values: Tensor) -> Tensor:
        return values * 0 + 1 if point == "0" else values

    with torch.no_grad(), passing(network, visit):
        assert torch.equal(network(torch.randn(4, 2)), torch.ones(4, 3))
