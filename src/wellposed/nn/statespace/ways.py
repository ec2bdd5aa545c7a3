"""One direction of a state-space block: what selects the inputs of the scan, and the scan."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.nn.scan import Backend, Hold, selective_scan
from wellposed.nn.scan.frame import selective_step
from wellposed.nn.scan.ssd import ssd
from wellposed.nn.scan.walk import HIDDEN, Held, PassOn, walk
from wellposed.nn.statespace.pace import Decay, Pace


class State(NamedTuple):
    """What a causal block remembers: inputs of its convolution, and states of its scan."""

    window: Tensor
    h: Tensor


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


class Way(nn.Module):
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


class MambaWay(Way):
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


class Mamba2Way(Way):
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
