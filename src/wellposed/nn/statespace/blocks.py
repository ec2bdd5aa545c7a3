"""The blocks themselves: what both share, and walking in pieces."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.nn.scan import Backend, Hold
from wellposed.nn.statespace.ways import Mamba2Way, MambaWay, State, Way


class StateSpace(nn.Module):
    """What both blocks share: the ways, and walking in pieces. Build `Mamba` or `Mamba2`."""

    def __init__(
        self, channels: int, forth: Way, back: Way | None, backend: Backend | None
    ) -> None:
        """Run one way, or two of which `back` walks backwards; each gives `channels` numbers."""
        super().__init__()
        self.channels = channels
        self.forth, self.back, self.backend = forth, back, backend

    @property
    def causal(self) -> bool:
        """Whether no output sees a later input."""
        return self.back is None

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, frames, features)` to the same shape, from rest."""
        gate, inner = self.enter(x)
        made, _ = self.forth(inner, self.rest(x), self.backend)
        if self.back is not None:
            other, _ = self.back(inner.flip(1), self.rest(x), self.backend)
            made = made + other.flip(1)
        return self.leave(made, gate)

    def rest(self, x: Tensor) -> State:
        """State before the first frame of inputs like `x`, whose first axis is the batch."""
        window, h = self.forth.blank
        return State(x.new_zeros(len(x), *window), x.new_zeros(len(x), *h, dtype=torch.float32))

    def walk(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Map `(batch, frames, features)`, any number of frames; the state goes to the next."""
        self._needs_causal()
        if x.shape[1] == 0:
            return x, state
        gate, inner = self.enter(x)
        made, state = self.forth(inner, state, self.backend)
        return self.leave(made, gate), state

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Map one frame `(batch, features)`, in plain operations that can be exported."""
        self._needs_causal()
        gate, inner = self.enter(x)
        made, state = self.forth.step(inner, state)
        return self.leave(made, gate), state

    def one_way(self, x: Tensor, state: State, direction: int) -> tuple[Tensor, State]:
        """One direction alone, 1 forth or -1 back, `(batch, frames, features)` in its own order.

        Gives `(batch, frames, channels)`; the sum of both directions goes to `join`.
        """
        way = self.forth if direction > 0 else self.back
        if way is None:
            raise ValueError("this block runs one way: it has no way back")
        return way(self.enter(x)[1], state, self.backend)

    def join(self, x: Tensor, made: Tensor) -> Tensor:
        """Output for the inputs `x`, from the sum of what `one_way` gave for them."""
        return self.leave(made, self.enter(x)[0])

    def memories(self) -> Tensor:
        """Memory at rest, 1 / dt [frames], of every channel or head of every way."""
        ways = [way for way in (self.forth, self.back) if way is not None]
        return torch.cat([1 / way.pace.rest().detach() for way in ways])

    def enter(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give the gate, and the input of the ways."""
        raise NotImplementedError

    def leave(self, made: Tensor, gate: Tensor) -> Tensor:
        """Give the output from what the ways made."""
        raise NotImplementedError

    def _needs_causal(self) -> None:
        if not self.causal:
            raise ValueError("a block that runs both ways has no state to carry: use forward")


class Mamba(StateSpace):
    """Mamba: every channel has its own step and its own `states` rates of decay."""

    def __init__(
        self,
        features: int,
        *,
        states: int = 16,
        channels: int | None = None,
        taps: int = 4,
        bidirectional: bool = False,
        hold: Hold = "exact",
        backend: Backend | None = None,
    ) -> None:
        """Scan `channels` (None: twice the features) after a convolution of `taps` frames."""
        channels = channels or 2 * features
        forth = MambaWay(channels, states, taps, hold)
        back = MambaWay(channels, states, taps, hold) if bidirectional else None
        super().__init__(channels, forth, back, backend)
        self.into = nn.Linear(features, 2 * channels, bias=False)
        self.out = nn.Linear(channels, features, bias=False)

    def enter(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give the gate, and the input of the ways."""
        gate, inner = self.into(x).chunk(2, -1)
        return gate, inner

    def leave(self, made: Tensor, gate: Tensor) -> Tensor:
        """Give the output from what the ways made."""
        return self.out(made * functional.silu(gate))


class Mamba2(StateSpace):
    """Mamba-2: channels in heads, one step and one rate of decay per head."""

    def __init__(
        self,
        features: int,
        *,
        states: int = 32,
        channels: int | None = None,
        head: int | None = None,
        taps: int = 4,
        bidirectional: bool = False,
        hold: Hold = "exact",
        backend: Backend | None = None,
    ) -> None:
        """Scan `channels` (None: twice the features) in heads of `head` channels each.

        No `head`: the largest power of two up to 32 that divides the channels. A `backend` other
        than "compiled" means plain matrix products. Raises ValueError for channels that do not
        divide into such heads.
        """
        channels = channels or 2 * features
        head = head or math.gcd(channels, 32)
        if channels % head:
            raise ValueError(f"{channels} channels do not divide into heads of {head}")
        heads = (channels // head, head)
        forth = Mamba2Way(features, heads, states, taps, hold)
        back = Mamba2Way(features, heads, states, taps, hold) if bidirectional else None
        super().__init__(channels, forth, back, backend)
        self.gate = nn.Linear(features, channels, bias=False)
        self.norm = nn.RMSNorm(channels)
        self.out = nn.Linear(channels, features, bias=False)

    def enter(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give the gate, and the input of the ways."""
        return self.gate(x), x

    def leave(self, made: Tensor, gate: Tensor) -> Tensor:
        """Give the output from what the ways made."""
        return self.out(self.norm(made * functional.silu(gate)))
