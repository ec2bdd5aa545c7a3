"""A state comes back as it was: values bit for bit, types, keys and their order."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from wellposed.engine.storage.tree import pack, unpack
from wellposed.errors import CheckpointError

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.complex64,
    torch.complex128,
    torch.int64,
    torch.int8,
    torch.uint8,
    torch.uint16,
    torch.bool,
]


def round_trip(state: dict[Any, Any]) -> dict[Any, Any]:
    return unpack(*pack(state))


def bits(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.detach().contiguous().untyped_storage()) if tensor.numel() else b""


def same(left: Any, right: Any) -> bool:
    """Equal to the bit; a tuple equals the list of its items."""
    if isinstance(left, torch.Tensor):
        about = (left.dtype, left.shape) == (right.dtype, right.shape)
        return about and bits(left) == bits(right)
    if isinstance(left, dict):
        items = zip(left.items(), right.items(), strict=True)
        return all(type(a) is type(b) and a == b and same(x, y) for (a, x), (b, y) in items)
    if isinstance(left, list | tuple):
        return isinstance(right, list) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, float):
        return (
            isinstance(right, float) and np.float64(left).tobytes() == np.float64(right).tobytes()
        )
    return type(left) is type(right) and left == right


def random_tensor(rng: np.random.Generator) -> torch.Tensor:
    dtype = DTYPES[rng.integers(len(DTYPES))]
    shape = tuple(int(n) for n in rng.integers(0, 4, size=rng.integers(0, 4)))
    tensor = torch.from_numpy(np.asarray(rng.uniform(0, 9, size=shape))).to(dtype)
    return tensor.T if tensor.ndim == 2 else tensor


def random_state(rng: np.random.Generator, depth: int = 0) -> Any:
    plain = [None, True, -3, 2**70, 0.1, -0.0, math.inf, -math.inf, 5e-324, "a/b", "$tensor", "é☃"]
    kind = rng.integers(0, 6 if depth < 4 else 3)
    if kind <= 1:
        return plain[rng.integers(len(plain))]
    if kind == 2:
        return random_tensor(rng)
    children = [random_state(rng, depth + 1) for _ in range(rng.integers(0, 5))]
    if kind == 3:
        return children
    words = ["a", "$float", "__metadata__", "a/0", "", "\ud800"]
    keys = [int(n) if kind == 4 else words[n] for n in rng.permutation(6)[: len(children)]]
    return dict(zip(keys, children, strict=True))


def test_random_nested_states_come_back_to_the_bit():
    rng = np.random.default_rng(0)
    for _ in range(300):
        state = {"root": random_state(rng), "more": random_state(rng)}
        assert same(state, round_trip(state))


def test_nan_and_infinities_stay_floats():
    back = round_trip({"values": [math.nan, math.inf, -math.inf]})["values"]
    assert math.isnan(back[0])
    assert back[1:] == [math.inf, -math.inf]


def test_an_optimizer_that_goes_through_a_state_continues_identically():
    def step(weight: torch.nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        (weight**3).sum().backward()
        optimizer.step()

    weights = [torch.nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2)]
    optimizers = [torch.optim.AdamW([weight], lr=0.1) for weight in weights]
    step(weights[0], optimizers[0])
    back = round_trip({"weight": weights[0].detach(), "optimizer": optimizers[0].state_dict()})
    weights[1].data = back["weight"]
    optimizers[1].load_state_dict(back["optimizer"])
    for weight, optimizer in zip(weights, optimizers, strict=True):
        step(weight, optimizer)
    assert torch.equal(weights[0], weights[1])


def test_keys_that_make_the_same_path_do_not_overwrite_each_other():
    state = {"a": {"b": torch.zeros(1), "0": {}}, "a/b": torch.ones(1), 0: torch.ones(2)}
    state["0"] = torch.zeros(2)
    assert same(state, round_trip(state))


@pytest.mark.parametrize("value", [{1, 2}, np.zeros(2), np.int64(1), b"x", object()])
def test_what_cannot_be_kept_is_refused_with_its_path(value: object):
    with pytest.raises(CheckpointError, match=r"guard/rows/1 is a "):
        pack({"guard": {"rows": [0, value]}})


def test_keys_that_json_cannot_hold_are_refused():
    with pytest.raises(CheckpointError, match=r"table has the key \(1, 2\), a tuple"):
        pack({"table": {(1, 2): 0}})


def test_sparse_tensors_are_refused_with_their_path():
    with pytest.raises(CheckpointError, match="embedding is a sparse"):
        pack({"embedding": torch.eye(2).to_sparse()})
