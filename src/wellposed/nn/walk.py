"""A causal band-split network frame by frame: its forward's numbers, all that it remembers outside.

What one frame hands to the next is a dictionary of tensors, so that a stream can keep it, and an
exported network can take it as inputs and give it as outputs. Nothing here is learned.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.dsp.levels import continued_mean
from wellposed.errors import CheckpointError
from wellposed.nn.bandfilter import BandFilter
from wellposed.nn.dualpath import State as PathState
from wellposed.nn.settled import settle
from wellposed.nn.statespace import Settled

State = dict[str, Tensor]
"""What is remembered between frames, by name; every tensor is float32.

`heard` (batch, window - hop): the last samples. `powers` (batch, level frames - 1) and `frames`
(batch, 1): the window of the running level, and how many frames are in it. `bins` (batch,
reach - 1, bins, 2): the last frames, real and imaginary parts. `lap` (batch, window - hop): what
the next frames are added to. `timeN.NAME`: the
state of the Nth path along time, (batch * bands, ...).
"""

LOOKS_AHEAD = (
    "this network looks at the whole recording before its first output, so it cannot work on a "
    "stream. Use one that was trained with --model.causal True."
)


class Walk(nn.Module):
    """`walk(samples, state) -> samples, state`: any whole number of hops, in and out.

    The output is that of the network's `forward`, later by `delay` samples. What a network does
    beyond its paths, a system says in a subclass.
    """

    analysis: Tensor
    synthesis: Tensor

    def __init__(self, network: BandFilter, reach: int, *, compiled: bool = True) -> None:
        """Walk with a copy of `network`, on its device; `reach` counts the taps of a bin.

        `compiled`: take C++ for its paths where there is a form of them (nn/settled.py), which is
        found out here. Raises CheckpointError: the network looks at the future.
        """
        super().__init__()
        if not network.causal:
            raise CheckpointError(LOOKS_AHEAD)
        network = deepcopy(network).eval().requires_grad_(False)
        for module in network.modules():
            if isinstance(module, Settled):
                module.settle()
        if compiled:
            settle(network.paths)
        self.network: Any = network
        self.reach = reach
        self.rate, self.hop = network.rate, network.stft.hop
        self.delay = network.stft.window - network.stft.hop
        like = network.split.bias
        self.register_buffer("analysis", network.stft.analysis_window(like), persistent=False)
        self.register_buffer("synthesis", network.stft.synthesis_window(like), persistent=False)
        along_time = (path for path in network.paths.paths if path.axis == "time")
        self.names = [
            [f"time{number}.{part}" for part in path.remembers]
            for number, path in enumerate(along_time)
        ]

    @property
    def device(self) -> torch.device:
        """Where it works."""
        return self.analysis.device

    @property
    def loudest(self) -> float:
        """Far beyond full scale: louder, sums of powers over the level's window overflow."""
        terms = self.network.stft.window * self.network.level_frames
        return float((torch.finfo(torch.float32).max / terms) ** 0.5)

    def rest(self, batch: int) -> State:
        """State before the first sample of `batch` signals."""
        network, zeros = self.network, self.analysis.new_zeros
        state = {
            "heard": zeros(batch, self.delay),
            "powers": zeros(batch, network.level_frames - 1),
            "frames": zeros(batch, 1),
            "bins": zeros(batch, self.reach - 1, network.stft.bins, 2),
            "lap": zeros(batch, self.delay),
        }
        bands, features = network.split.bias.shape[0], network.split.bias.shape[-1]
        begun = network.paths.rest(zeros(batch, 1, bands, features))
        return state | self._named(begun)

    def forward(self, samples: Tensor, state: State) -> tuple[Tensor, State]:
        """Map `(batch, hops * hop)`, at least one hop, to as many samples, and the next state."""
        after: State = {}
        bins = self.transform(self._windows(samples, state, after))
        features = self.network.split(self._compressed(bins, state, after))
        begun = [(state[first], state[second]) for first, second in self.names]
        features, left = self.along(features, begun)
        after |= self._named(left)
        filtered = self._filtered(bins, self.network.taps(features), state, after)
        return self._overlapped(self.inverse(filtered), state, after), after

    def along(self, features: Tensor, states: list[PathState]) -> tuple[Tensor, list[PathState]]:
        """Take features `(batch, frames, bands, features)` through the paths from `states` on."""
        paths = self.network.paths
        if features.shape[1] == 1:
            stepped, left = paths.step(features.squeeze(1), states)
            return stepped.unsqueeze(1), left
        return paths.walk(features, states)

    def kept(self, bins: Tensor) -> Tensor:
        """What of the filtered bins `(batch, frames, bins, 2)` is put out: all."""
        return bins

    def transform(self, windows: Tensor) -> Tensor:
        """Transform windows `(batch, frames, window)` to `(batch, frames, bins, 2)`."""
        return torch.view_as_real(torch.fft.rfft(windows))

    def inverse(self, bins: Tensor) -> Tensor:
        """Transform `(batch, frames, bins, 2)` back to `(batch, frames, window)`."""
        return torch.fft.irfft(torch.view_as_complex(bins), n=self.network.stft.window)

    def _windows(self, samples: Tensor, state: State, after: State) -> Tensor:
        known = torch.cat((state["heard"], samples), dim=1)
        after["heard"] = known[:, samples.shape[1] :]
        return known.unfold(1, self.network.stft.window, self.hop) * self.analysis

    def _compressed(self, bins: Tensor, state: State, after: State) -> Tensor:
        power = bins[..., 0].square() + bins[..., 1].square()
        level, left = continued_mean(power.mean(-1), state["powers"], state["frames"])
        after["powers"], after["frames"] = left
        return torch.view_as_complex(bins * self.network.gain(power, level).unsqueeze(-1))

    def _filtered(self, bins: Tensor, taps: Tensor, state: State, after: State) -> Tensor:
        """Apply the taps to the frames and those before them, as `filter_taps` does."""
        frames = bins.shape[1]
        known = torch.cat((state["bins"], bins), dim=1)
        after["bins"] = known[:, frames:]
        # Pairs of real numbers: exporters know little of complex ones.
        near = torch.stack([known[:, i : i + frames] for i in range(self.reach)], dim=3)
        real, imag = torch.view_as_real(taps).unbind(-1)
        made = (
            real * near[..., 0] - imag * near[..., 1],
            real * near[..., 1] + imag * near[..., 0],
        )
        return self.kept(torch.stack(made, dim=-1).sum(3))

    def _overlapped(self, windows: Tensor, state: State, after: State) -> Tensor:
        batch, frames, _ = windows.shape
        blocks = (windows * self.synthesis).unflatten(-1, (-1, self.hop))
        lap = state["lap"].unflatten(-1, (-1, self.hop))
        ahead = blocks.shape[2] - 1
        out = torch.cat((lap, blocks.new_zeros(batch, frames, self.hop)), dim=1)
        for i in range(ahead + 1):
            out = out + functional.pad(blocks[:, :, i], (0, 0, i, ahead - i))
        after["lap"] = out[:, frames:].flatten(1)
        return out[:, :frames].flatten(1)

    def _named(self, states: list[tuple[Tensor, Tensor]]) -> State:
        pairs = zip(self.names, states, strict=True)
        return {
            name: part for names, parts in pairs for name, part in zip(names, parts, strict=True)
        }
