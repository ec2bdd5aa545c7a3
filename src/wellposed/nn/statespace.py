"""State-space blocks, Mamba and Mamba-2: one way in time, or both ways.

Gu and Dao, 2023 (arXiv:2312.00752) and Dao and Gu, 2024 (arXiv:2405.21060), with the input held
exactly (nn/scan) and the initialisation out of reach: what the scan starts from lies in buffers,
and every parameter beside it is an offset that starts at zero. So an initialiser that walks over
the whole model, as many do, can blur it and cannot wipe it out; and the memory at rest, 1 / dt,
stays between 10 and 1000 frames whatever is written into the parameters.

Both map `(batch, frames, features)` to the same shape, without norm and residual.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.nn.scan import Backend, Hold, selective_scan
from wellposed.nn.scan.frame import selective_step
from wellposed.nn.scan.ssd import ssd
from wellposed.nn.scan.walk import HIDDEN, Held, PassOn, walk

MEMORY = (10.0, 1000.0)
"""Shortest and longest memory at rest [frames]; dt from 0.001 to 0.1 is Mamba's own start."""
_SPREAD = (0.1, 0.9)
"""Where channels start within it, on a log scale: away from the ends, which are hard to leave."""


class State(NamedTuple):
    """What a causal block remembers: inputs of its convolution, and states of its scan."""

    window: Tensor
    h: Tensor


class Settled(nn.Module):
    """A module whose `value` depends on weights alone and, once settled, is computed no more.

    For use, not for training: a settled value no longer follows the weights.
    """

    _settled: Tensor | None = None

    def settle(self) -> None:
        """Compute `value` for the last time."""
        self._settled = self.computed().detach()

    def value(self) -> Tensor:
        """Compute the value, or give the one that was settled."""
        return self.computed() if self._settled is None else self._settled

    def computed(self) -> Tensor:
        """Value by the weights as they are."""
        raise NotImplementedError


class Pace(Settled):
    """Time step of each channel, `softplus(raw + bias)`, at rest within 1 / `MEMORY`.

    The bias is a bounded function of the parameter `shift`, so no value of it leaves the range;
    `raw`, which follows the input, may: a long step forgets at once, as a selective scan should.
    """

    start: Tensor

    def __init__(self, channels: int) -> None:
        """Spread the memories of `channels` evenly on a log scale."""
        super().__init__()
        low, high = _SPREAD
        place = low + (high - low) * (torch.arange(channels) + 0.5) / channels
        self.register_buffer("start", place.logit())
        self.shift = nn.Parameter(torch.zeros(channels))

    def rest(self) -> Tensor:
        """Step without input [frames], `(channels,)`."""
        short, long = (math.log(frames) for frames in MEMORY)
        return torch.exp(-long + (long - short) * torch.sigmoid(self.start + self.shift))

    def forward(self, raw: Tensor) -> Tensor:
        """Steps `(..., channels)` [frames] in float32, from the projected input."""
        return functional.softplus(raw.float() + self.value())

    def computed(self) -> Tensor:
        """Bias `(channels,)`: the inverse of softplus of `rest`, without loss for small steps."""
        rest = self.rest()
        return rest + torch.log(-torch.expm1(-rest))


class Decay(Settled):
    """Rates `A < 0`, which start at `-1, -2, ... -states` in every channel, or at -1 per head."""

    start: Tensor

    def __init__(self, channels: int, states: int | None = None) -> None:
        """Rates `(channels, states)`, or `(channels,)` if `states` is None."""
        super().__init__()
        rates = torch.ones(channels) if states is None else torch.arange(1.0, states + 1)
        shape = (channels,) if states is None else (channels, states)
        self.register_buffer("start", rates.log())
        self.shift = nn.Parameter(torch.zeros(shape))

    def forward(self) -> Tensor:
        """Rates [1 / frame at dt = 1] in float32."""
        return self.value()

    def computed(self) -> Tensor:
        """Rates by the weights as they are."""
        return -torch.exp(self.start + self.shift.float())


class ShortConv(nn.Module):
    """Causal convolution of each channel alone, and SiLU; carries its window."""

    def __init__(self, channels: int, taps: int) -> None:
        """Let each output see `taps` frames, the last one its own."""
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, taps, groups=channels)

    def forward(self, x: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
        """Map `(batch, frames, channels)` after `window` `(batch, taps - 1, channels)`."""
        seen = torch.cat([window.to(x.dtype), x], 1)
        # Seen as a picture of height 1, channels last: in `Conv1d`'s own order of memory the same
        # numbers took three times as long forward and backward (CPU, one thread, 224 x 126 x 64).
        made = functional.conv2d(
            seen.mT.unsqueeze(2), self.conv.weight.unsqueeze(2), self.conv.bias, groups=x.shape[2]
        )
        return functional.silu(made.squeeze(2).mT), seen[:, x.shape[1] :]


class _Way(nn.Module):
    """One direction of a block: the scan, and what selects its inputs."""

    pace: Pace
    decay: Decay
    skip: nn.Parameter
    hold: Hold
    hidden = HIDDEN
    blank: tuple[tuple[int, int], tuple[int, ...]]
    """Shapes of a blank state, without the batch."""

    def parts(self, x: Tensor, window: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Give u, dt, B and C, and the next window."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: State, backend: Backend | None) -> tuple[Tensor, State]:
        """Map `(batch, frames, inputs)` to `(batch, frames, channels)`."""
        raise NotImplementedError

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Map one frame `(batch, inputs)` to `(batch, channels)`."""
        raise NotImplementedError

    @torch.no_grad()
    def examine(
        self, x: Tensor, state: State, backend: Backend | None = None, *, pass_on: PassOn
    ) -> tuple[Tensor, State]:
        """Compute what `forward` does frame by frame, and show what it never forms.

        `pass_on(name, values)` is called with every quantity of `hidden` and what it returns is
        gone on with: so values can be looked at, or changed. Slow, and of no gradient.
        """
        u, dt, b, c, window = self.parts(x, state.window)
        walked = walk(Held(u, dt, self.decay(), b, c, state.h, self.hold), pass_on)
        skip = (1 + self.skip).reshape(-1, *[1] * (u.dim() - 3))
        return (walked.y + skip * u).flatten(2), State(window, walked.h)


class MambaWay(_Way):
    """One direction of a Mamba block."""

    def __init__(self, channels: int, states: int, taps: int, hold: Hold) -> None:
        super().__init__()
        self.rank, self.states, self.hold = -(-channels // 32), states, hold
        self.conv = ShortConv(channels, taps)
        self.select = nn.Linear(channels, self.rank + 2 * states, bias=False)
        self.step_of = nn.Linear(self.rank, channels, bias=False)
        self.pace, self.decay = Pace(channels), Decay(channels, states)
        self.skip = nn.Parameter(torch.zeros(channels))
        self.blank = (taps - 1, channels), (channels, states)

    def parts(self, x: Tensor, window: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Give u, dt, B and C, and the next window."""
        u, window = self.conv(x, window)
        raw, b, c = self.select(u).split([self.rank, self.states, self.states], -1)
        return u, self.pace(self.step_of(raw)), b, c, window

    def forward(self, x: Tensor, state: State, backend: Backend | None) -> tuple[Tensor, State]:
        """Map `(batch, frames, inputs)` to `(batch, frames, channels)`."""
        u, dt, b, c, window = self.parts(x, state.window)
        y, h = selective_scan(
            u, dt, self.decay(), b, c, 1 + self.skip, h0=state.h, backend=backend, hold=self.hold
        )
        return y, State(window, h)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Map one frame `(batch, inputs)` to `(batch, channels)`."""
        u, dt, b, c, window = self.parts(x.unsqueeze(1), state.window)
        u, dt, b, c = (part.squeeze(1) for part in (u, dt, b, c))
        exact = self.hold == "exact"
        y, h = selective_step(state.h, u, dt, self.decay(), b, c, exact=exact)
        return y + (1 + self.skip) * u, State(window, h)


class Mamba2Way(_Way):
    """One direction of a Mamba-2 block."""

    def __init__(self, features: int, heads: tuple[int, int], states: int, taps: int, hold: Hold):
        super().__init__()
        self.heads, self.hold = heads, hold
        count, channels = heads[0], heads[0] * heads[1]
        self.widths = [channels, states, states]
        self.into = nn.Linear(features, sum(self.widths) + count, bias=False)
        self.conv = ShortConv(sum(self.widths), taps)
        self.pace, self.decay = Pace(count), Decay(count)
        self.skip = nn.Parameter(torch.zeros(count))
        self.blank = (taps - 1, sum(self.widths)), (*heads, states)

    def parts(self, x: Tensor, window: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Give u by heads, dt, B and C, and the next window."""
        mixed, raw = self.into(x).split([sum(self.widths), self.heads[0]], -1)
        mixed, window = self.conv(mixed, window)
        u, b, c = mixed.split(self.widths, -1)
        return u.unflatten(-1, self.heads), self.pace(raw), b, c, window

    def forward(self, x: Tensor, state: State, backend: Backend | None) -> tuple[Tensor, State]:
        """Map `(batch, frames, inputs)` to `(batch, frames, channels)`."""
        u, dt, b, c, window = self.parts(x, state.window)
        way = None if backend is None else "compiled" if backend == "compiled" else "matrix"
        exact = self.hold == "exact"
        y, h = ssd(u, dt, self.decay(), b, c, state.h, exact=exact, backend=way)
        return (y + (1 + self.skip).unsqueeze(-1) * u).flatten(2), State(window, h)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Map one frame `(batch, inputs)` to `(batch, channels)`."""
        u, dt, b, c, window = self.parts(x.unsqueeze(1), state.window)
        u, dt, b, c = (part.squeeze(1) for part in (u, dt, b, c))
        # Every channel has the step and the decay of its head.
        dt = dt.unsqueeze(-1).expand(-1, *self.heads).flatten(1)
        rates = self.decay().unsqueeze(-1).expand(*self.heads).flatten().unsqueeze(-1)
        exact = self.hold == "exact"
        y, h = selective_step(state.h.flatten(1, 2), u.flatten(1), dt, rates, b, c, exact=exact)
        y = y.unflatten(-1, self.heads) + (1 + self.skip).unsqueeze(-1) * u
        return y.flatten(1), State(window, h.unflatten(1, self.heads))


class StateSpace(nn.Module):
    """What both blocks share: the ways, and walking in pieces. Build `Mamba` or `Mamba2`."""

    def __init__(
        self, channels: int, forth: _Way, back: _Way | None, backend: Backend | None
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
