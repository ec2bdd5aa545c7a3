"""Replays: the first offender is named, and nothing is left behind."""

import torch
from torch import Tensor, nn

from wellposed.guard import locate


class Attention(nn.Module):
    """Masks with minus infinity, which softmax turns into zeros again."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(3, 3)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        scores = (self.query(x) @ x.T).masked_fill(mask, float("-inf"))
        return torch.softmax(scores, -1) @ x


X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


def test_a_masked_infinity_is_hidden_and_the_later_logarithm_is_guilty():
    model = Attention()
    mask = torch.eye(4, dtype=torch.bool)
    place = locate({"model": model}, lambda: torch.log(model(X, mask).sum() * 0))
    assert place.phase == "forward"
    assert place.origin is not None
    assert (place.origin.operation, place.origin.module) == ("log", "outside every module")
    assert [(each.operation, each.module) for each in place.hidden] == [("masked_fill", "model")]


def test_softmax_over_a_row_that_is_all_masked_is_guilty_not_the_mask():
    model = Attention()
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[1] = True
    place = locate({"model": model}, lambda: model(X, mask).sum())
    assert place.origin is not None
    assert place.origin.operation == "softmax"


def test_a_finite_replay_says_nowhere():
    model = Attention()
    mask = torch.eye(4, dtype=torch.bool)
    place = locate({"model": model}, lambda: model(X, mask).sum())
    assert (place.phase, place.origin) == ("nowhere", None)


def test_a_weight_that_is_not_finite_is_named():
    last = nn.Linear(3, 1)
    model = nn.Sequential(nn.Linear(3, 3), last)
    with torch.no_grad():
        last.weight[0, 0] = float("inf")
    place = locate({"model": model}, lambda: model(X).sum())
    assert place.origin is not None
    assert (place.origin.module, place.origin.operation) == ("1", "parameter 1.weight")


def test_an_in_place_write_through_a_view_is_followed():
    model = nn.Linear(3, 3)

    def replay() -> Tensor:
        y = model(X).detach()
        y[0].sub_(y[0]).log_()
        return y.sum()

    place = locate({"model": model}, replay)
    assert place.origin is not None
    assert (place.origin.operation, place.origin.inputs) == ("log", "0 to 0")


def test_an_operation_that_refuses_nan_still_leaves_the_first_offender_named():
    model = nn.Linear(3, 3)

    def replay() -> Tensor:
        return torch.linalg.eigh(torch.sqrt(model.weight * 0 - 1))[0].sum()

    place = locate({"model": model}, replay)
    assert place.origin is not None
    assert place.origin.operation == "sqrt"
    assert place.note.startswith("the replay stopped: linalg.eigh")


def test_a_bad_gradient_that_is_masked_away_is_hidden_and_not_guilty():
    model = nn.Linear(3, 3)

    def replay() -> Tensor:
        masked = torch.relu(model(X)) * 0  # exactly 0: relu passes no gradient where it is shut
        return torch.where(masked > 0, masked, masked.detach() + 1).sum() + dead_root(model)

    def dead_root(model: nn.Linear) -> Tensor:
        shut = torch.relu(model(X) * 0)
        return torch.sqrt(shut).sum()

    place = locate({"model": model}, replay)
    assert place.phase == "nowhere"
    assert [each.operation for each in place.hidden] == ["SqrtBackward0"]


def test_diagnosis_leaves_randomness_buffers_flags_gradients_and_hooks_untouched():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 1))
    model[2].eval()
    model(X).sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    kept = [gradient.clone() for gradient in gradients if gradient is not None]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    randomness = torch.get_rng_state()

    def replay() -> Tensor:
        model.train()
        loss = torch.sqrt(model(X).square().sum() * 0)
        model(X).sum().backward()
        return loss

    assert locate({"model": model}, replay).phase == "backward"
    assert torch.equal(torch.get_rng_state(), randomness)
    assert not model[2].training
    torch.testing.assert_close(model.state_dict(), state, rtol=0, atol=0)
    for parameter, gradient, copy in zip(model.parameters(), gradients, kept, strict=True):
        assert gradient is not None
        assert parameter.grad is gradient
        assert torch.equal(copy, gradient)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_the_same_names_are_used_below_a_checkpointed_block():
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def body(self, x: Tensor) -> Tensor:
            return torch.sqrt(self.inner(x).square() * 0)

        def forward(self, x: Tensor) -> Tensor:
            return torch.utils.checkpoint.checkpoint(self.body, x, use_reentrant=False)

    model = nn.Sequential(Checkpointed())
    place = locate({"model": model}, lambda: model(X).sum())
    assert place.origin is not None
    assert (place.origin.module, place.origin.operation) == ("0", "SqrtBackward0")
