"""Interventions on networks as a whole: held, begun anew, begun another way."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from wellposed.engine.interventions.intervention import Intervention
from wellposed.engine.randomness import seed_global

if TYPE_CHECKING:
    from wellposed.engine.run import Run
    from wellposed.engine.system import System


def _unknown(network: str, system: "System[Any]") -> str:
    names = [name for player in system.players for name in player.networks]
    known = network in names
    return "" if known else f"there is no network {network}; there are {', '.join(names)}"


@dataclass(frozen=True)
class Freeze(Intervention):
    """A network that no optimizer moves; gradients go through it as before."""

    blunt: ClassVar[bool] = True
    network: str

    @property
    def name(self) -> str:
        """`freeze:NETWORK`."""
        return f"freeze:{self.network}"

    @property
    def about(self) -> str:
        """What is done."""
        return f"keep the weights of {self.network} as they are"

    def refusal(self, system: "System[Any]", start: int) -> str:
        """A network that does not exist, or the only one: nothing would be learned."""
        unknown = _unknown(self.network, system)
        alone = len({name for each in system.players for name in each.networks}) == 1
        return unknown or (f"{self.network} is all there is: nothing would move" if alone else "")

    def ready(self, run: "Run") -> None:
        """Take the gradients away just before the optimizer would use them."""
        held = list(run.networks[self.network].parameters())

        def forget(*_: object) -> None:
            for parameter in held:
                parameter.grad = None

        for optimizer in run.moving.optimizers.values():
            optimizer.register_step_pre_hook(forget)


@dataclass(frozen=True)
class ResetNetwork(Intervention):
    """A network with fresh weights and no moments, beside others as they were."""

    network: str

    @property
    def name(self) -> str:
        """`reset-network:NETWORK`."""
        return f"reset-network:{self.network}"

    @property
    def about(self) -> str:
        """What is done."""
        return f"begin {self.network} with fresh weights"

    def refusal(self, system: "System[Any]", start: int) -> str:
        """A network that does not exist, or one that is fresh anyway."""
        fresh = "" if start else "the replay begins at the start, where all weights are fresh"
        return _unknown(self.network, system) or fresh

    def ready(self, run: "Run") -> None:
        """Load what the same system builds from another draw."""
        seed_global(run.recipe.seed, "fresh", self.network)
        fresh = run.system.build()[self.network]
        kept = run.networks[self.network]
        kept.load_state_dict(fresh.state_dict())
        parameters = set(kept.parameters())
        for optimizer in run.moving.optimizers.values():
            for parameter in parameters & set(optimizer.state):
                del optimizer.state[parameter]


SCHEMES = ("xavier", "orthogonal", "usual")


@dataclass(frozen=True)
class Initialise(Intervention):
    """Matrices and kernels drawn another way; all else begins as it would."""

    scheme: str

    @property
    def name(self) -> str:
        """`initialise:SCHEME`."""
        return f"initialise:{self.scheme}"

    @property
    def about(self) -> str:
        """What is done."""
        drawn = "as PyTorch's layers do" if self.scheme == "usual" else f"by {self.scheme}"
        return f"draw the first weights {drawn}"

    def refusal(self, system: object, start: int) -> str:
        """Later than the start, or by a scheme that is none."""
        if self.scheme not in SCHEMES:
            return f"there is no scheme {self.scheme}; there are {', '.join(SCHEMES)}"
        return f"the replay begins at step {start}, with learned weights" if start else ""

    @torch.no_grad()
    def build(self, networks: dict[str, nn.Module]) -> None:
        """Draw again from the global generator, which is keyed when networks are built."""
        for network in networks.values():
            for module in network.modules():
                if self.scheme == "usual":
                    again = getattr(module, "reset_parameters", None)
                    if callable(again):
                        again()
                    continue
                for parameter in module.parameters(recurse=False):
                    if parameter.ndim > 1 and self.scheme == "xavier":
                        nn.init.xavier_uniform_(parameter)
                    elif parameter.ndim > 1:
                        nn.init.orthogonal_(parameter)
