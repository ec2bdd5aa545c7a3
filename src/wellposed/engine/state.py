"""What a checkpoint holds, taken from and given back to a run; complete and small in ideas."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wellposed.engine.average import WeightAverage
from wellposed.engine.distributed import like, whole
from wellposed.engine.validation import Selection
from wellposed.guard import Guard


@dataclass
class Moving:
    """Everything in a run that changes from step to step."""

    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    average: WeightAverage
    scaler: torch.amp.GradScaler
    guard: Guard
    selection: Selection
    step: int = 0
    seconds: float = 0.0

    def capture(self) -> dict[str, Any]:
        """Gather the state, whole and on the CPU; every rank must call it."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "networks": {name: _whole(net.state_dict()) for name, net in self.networks.items()},
            "optimizers": {name: _whole(o.state_dict()) for name, o in self.optimizers.items()},
            "average": {"updates": self.average.updates, "weights": _whole(self.average.weights)},
            "scaler": self.scaler.state_dict(),
            "guard": self.guard.state_dict(),
            "selection": self.selection.state(),
        }

    def restore(self, state: Mapping[str, Any], *, reset_optimizer: bool = False) -> None:
        """Give a captured state back; the run goes on as if it had never stopped."""
        self.step, self.seconds = state["step"], state["seconds"]
        for name, network in self.networks.items():
            _load_network(network, state["networks"][name])
        if not reset_optimizer:
            for name, optimizer in self.optimizers.items():
                _load_optimizer(optimizer, state["optimizers"][name])
        weights = state["average"]["weights"]
        placed = {key: like(weights[key], live) for key, live in self.average.weights.items()}
        self.average.load(placed, state["average"]["updates"])
        if state["scaler"]:  # empty without float16
            self.scaler.load_state_dict(state["scaler"])
        self.guard.load_state_dict(state["guard"])
        if state["selection"]["scenes"] == self.selection.scenes:
            self.selection = Selection(**state["selection"])


def _whole(tree: Any) -> Any:
    """Copy a tree with every tensor unsharded and on the CPU."""
    if isinstance(tree, Tensor):
        return whole(tree.detach()).cpu()
    if isinstance(tree, Mapping):
        return {key: _whole(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_whole(value) for value in tree]
    return tree


def _load_network(network: nn.Module, saved: Mapping[str, Tensor]) -> None:
    live = network.state_dict()
    placed = {key: like(value, live[key]) for key, value in saved.items() if key in live}
    network.load_state_dict(placed)


def _load_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Load moments next to their parameters, sharded as these are."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state = {
        number: {
            # `step` counts on the CPU; moments have the shape of their parameter.
            key: like(value, parameters[number])
            if isinstance(value, Tensor)
            and value.shape == parameters[number].shape
            and key != "step"
            else value
            for key, value in entry.items()
        }
        for number, entry in saved["state"].items()
    }
    optimizer.load_state_dict({"state": state, "param_groups": saved["param_groups"]})
