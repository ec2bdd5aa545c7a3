"""Layers that walk along time and across bands in turn: recurrent or state-space, one word apart.

Statistics are taken over the features of one frame and band only, never over time: so a
causal layer is causal, and a long recording can be processed in pieces.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.nn.statespace import Mamba, Mamba2, StateSpace
from wellposed.nn.statespace import State as Scanned

Block = Literal["lstm", "mamba", "mamba2"]
BLOCKS: tuple[Block, ...] = get_args(Block)
AXES = ("time", "bands")

State = tuple[Tensor, Tensor]
"""What one direction of a path remembers of its lines, `(lines, ...)` each."""
Way = Callable[[Tensor, State], tuple[Tensor, State]]
"""One direction: `(lines, length, features)` in its own order, to `(lines, length, half_size)`."""


class Memory(NamedTuple):
    """What an LSTM remembers, `(lines, hidden)` each: its output and its cell."""

    h: Tensor
    c: Tensor


class Path(nn.Module):
    """Residual layer along one axis, `x + mixed(norm(x))`, of `(batch, frames, bands, features)`.

    Along `axis` "time" every band is a line of its own, along "bands" every frame is. A path that
    runs along time one way can go on where it was left: `rest`, then `walk` or `step`.
    """

    half_size: int
    """Numbers per frame and band that one direction gives before the directions are joined."""
    remembers: tuple[str, ...]
    """Names of the parts of a state."""

    def __init__(self, axis: str, features: int, *, bidirectional: bool) -> None:
        """Raise ValueError for an axis that does not exist."""
        super().__init__()
        if axis not in AXES:
            raise ValueError(f"axis {axis!r}: a path runs along 'time' or 'bands'")
        self.axis, self.bidirectional = axis, bidirectional
        self.norm = nn.LayerNorm(features)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to the same shape."""
        along = self.norm(x)
        if self.axis == "time":
            along = along.transpose(1, 2)
        shape = along.shape
        mixed = self.mixed(along.reshape(-1, *shape[-2:])).reshape(shape)
        if self.axis == "time":
            mixed = mixed.transpose(1, 2)
        return x + mixed

    def rest(self, x: Tensor) -> State:
        """State before the first frame of `(batch, frames, bands, features)` like `x`."""
        return self.blank(x.new_zeros(x.shape[0] * x.shape[2], 0))

    def walk(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """As `forward` for the next frames, any number; the state goes to those that follow.

        Raises ValueError for a path across bands or both ways: it has nothing to carry.
        """
        self._needs_one_way_in_time()
        if x.shape[1] == 0:
            return x, state
        along = self.norm(x).transpose(1, 2)
        lines = along.reshape(-1, *along.shape[-2:])
        made, state = self.way(1)(lines, state)
        return x + self.join(lines, made).reshape(along.shape).transpose(1, 2), state

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """As `walk` for one frame `(batch, bands, features)`, in plain operations that export."""
        self._needs_one_way_in_time()
        mixed, state = self.stepped(self.norm(x).flatten(0, 1), state)
        return x + mixed.reshape(x.shape), state

    def mixed(self, lines: Tensor) -> Tensor:
        """Map normed lines `(lines, length, features)` to the same shape."""
        raise NotImplementedError

    def blank(self, lines: Tensor) -> State:
        """State before the first input of as many lines as `lines` has, on its device."""
        raise NotImplementedError

    def way(self, direction: int) -> Way:
        """One direction alone, 1 forwards or -1 backwards."""
        raise NotImplementedError

    def join(self, lines: Tensor, forth: Tensor, back: Tensor | None = None) -> Tensor:
        """What `mixed` gives, from what the ways gave for `lines`, all in the order of `lines`."""
        raise NotImplementedError

    def stepped(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Map one normed input of every line, `(lines, features)`."""
        raise NotImplementedError

    def _needs_one_way_in_time(self) -> None:
        if self.axis != "time" or self.bidirectional:
            raise ValueError(
                "only a path that runs along time one way carries a state; use forward here"
            )


class RecurrentPath(Path):
    """Path by an LSTM: `x + linear(lstm(norm(x)))`."""

    remembers = Memory._fields

    def __init__(self, axis: str, features: int, hidden: int, *, bidirectional: bool) -> None:
        """Build the layer; `hidden` counts the units of one direction."""
        super().__init__(axis, features, bidirectional=bidirectional)
        self.half_size = hidden
        self.lstm = nn.LSTM(features, hidden, batch_first=True, bidirectional=bidirectional)
        self.out = nn.Linear(hidden * (2 if bidirectional else 1), features)

    def mixed(self, lines: Tensor) -> Tensor:
        """Map normed lines `(lines, length, features)` to the same shape."""
        walked, _ = self.lstm(lines)
        return self.out(walked)

    def blank(self, lines: Tensor) -> Memory:
        """Zeros, as the LSTM starts from."""
        return Memory(*(lines.new_zeros(len(lines), self.half_size) for _ in range(2)))

    def way(self, direction: int) -> Way:
        """One direction of the LSTM, as one of its own."""
        lstm = self.lstm if direction > 0 and not self.bidirectional else self._half(direction)

        def walk(lines: Tensor, state: State) -> tuple[Tensor, State]:
            h, c = (part.unsqueeze(0) for part in state)
            walked, (h, c) = lstm(lines, (h, c))
            return walked, Memory(h.squeeze(0), c.squeeze(0))

        return walk

    def join(self, lines: Tensor, forth: Tensor, back: Tensor | None = None) -> Tensor:
        """Map the outputs of both directions, side by side."""
        return self.out(forth if back is None else torch.cat((forth, back), -1))

    def stepped(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Map one input of every line, by the LSTM's equations."""
        lstm, (h, c) = self.lstm, state
        of_x, of_h, bias_x, bias_h = lstm.parameters()
        gates = functional.linear(x, of_x, bias_x) + functional.linear(h, of_h, bias_h)
        enter, keep, new, show = gates.chunk(4, -1)
        c = torch.sigmoid(keep) * c + torch.sigmoid(enter) * torch.tanh(new)
        h = torch.sigmoid(show) * torch.tanh(c)
        return self.out(h), Memory(h, c)

    def _half(self, direction: int) -> nn.LSTM:
        with torch.random.fork_rng(devices=[]):  # building draws weights that are replaced at once
            half = nn.LSTM(self.lstm.input_size, self.half_size, batch_first=True)
        half.to(next(self.lstm.parameters()).device)
        suffix = "_reverse" if direction < 0 else ""
        half.load_state_dict(
            {name: getattr(self.lstm, name + suffix) for name, _ in half.named_parameters()}
        )
        return half.eval().requires_grad_(False)


class StateSpacePath(Path):
    """Path by a state-space block: `x + block(norm(x))`."""

    remembers = Scanned._fields

    def __init__(self, axis: str, features: int, block: StateSpace) -> None:
        """Take the block, which maps `(lines, length, features)` to the same shape."""
        super().__init__(axis, features, bidirectional=not block.causal)
        self.half_size = block.channels
        self.block = block

    def mixed(self, lines: Tensor) -> Tensor:
        """Map normed lines `(lines, length, features)` to the same shape."""
        return self.block(lines)

    def blank(self, lines: Tensor) -> State:
        """Zeros: no input was seen."""
        return self.block.rest(lines)

    def way(self, direction: int) -> Way:
        """One direction of the block, without its gate and output."""

        def walk(lines: Tensor, state: State) -> tuple[Tensor, State]:
            return self.block.one_way(lines, Scanned(*state), direction)

        return walk

    def join(self, lines: Tensor, forth: Tensor, back: Tensor | None = None) -> Tensor:
        """Add the directions, gate them by their input, and map the sum."""
        return self.block.join(lines, forth if back is None else forth + back)

    def stepped(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Map one normed input of every line, `(lines, features)`."""
        return self.block.step(x, Scanned(*state))


def make_path(
    block: Block, axis: str, features: int, hidden: int, *, bidirectional: bool, states: int = 16
) -> Path:
    """Path of the kind `block`; `hidden` counts LSTM units of a direction, or channels scanned.

    `states` is the size of the state of a channel, which an LSTM does not have. Raises ValueError
    for a kind that does not exist, and for channels that do not divide into heads (Mamba-2).
    """
    if block == "lstm":
        return RecurrentPath(axis, features, hidden, bidirectional=bidirectional)
    kinds: dict[str, type[Mamba] | type[Mamba2]] = {"mamba": Mamba, "mamba2": Mamba2}
    if block not in kinds:
        raise ValueError(f"block {block!r}: give one of {', '.join(BLOCKS)}")
    made = kinds[block](features, channels=hidden, states=states, bidirectional=bidirectional)
    return StateSpacePath(axis, features, made)


class DualPath(nn.Module):
    """A time path followed by a band path, `depth` times over.

    The band path always runs both ways (bands have no future); the time path runs both ways
    only if `causal` is false.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        depth: int,
        *,
        causal: bool,
        block: Block = "lstm",
        states: int = 16,
    ) -> None:
        """Build `depth` pairs of paths; `hidden` and `states` as in `make_path`."""
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(depth):
            for axis in AXES:
                both = axis == "bands" or not causal
                layers.append(
                    make_path(block, axis, features, hidden, bidirectional=both, states=states)
                )
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to the same shape."""
        return self.layers(x)

    @property
    def paths(self) -> list[Path]:
        """All layers in order."""
        return [layer for layer in self.layers if isinstance(layer, Path)]

    def rest(self, x: Tensor) -> list[State]:
        """States of the time paths before the first frame of inputs like `x`."""
        return [path.rest(x) for path in self.paths if path.axis == "time"]

    def walk(self, x: Tensor, states: list[State]) -> tuple[Tensor, list[State]]:
        """As `forward` for the next frames of `(batch, frames, bands, features)`, if causal."""
        waiting, after = iter(states), []
        for path in self.paths:
            if path.axis == "bands":
                x = path(x)
            else:
                x, state = path.walk(x, next(waiting))
                after.append(state)
        return x, after

    def step(self, x: Tensor, states: list[State]) -> tuple[Tensor, list[State]]:
        """As `walk` for one frame `(batch, bands, features)`, in plain operations along time."""
        waiting, after = iter(states), []
        for path in self.paths:
            if path.axis == "bands":
                x = path(x.unsqueeze(1)).squeeze(1)
            else:
                x, state = path.step(x, next(waiting))
                after.append(state)
        return x, after
