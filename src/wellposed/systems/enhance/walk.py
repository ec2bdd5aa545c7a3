"""A causal network frame by frame: the numbers of its forward, with all that it remembers outside.

What one frame hands to the next is a dictionary of tensors, so that a stream can keep it, and an
exported network can take it as inputs and give it as outputs. Nothing here is learned.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.dsp.levels import continued_mean
from wellposed.errors import CheckpointError
from wellposed.nn.settled import settle
from wellposed.nn.statespace import Settled
from wellposed.systems.enhance.model import TAPS, Bsrnn

State = dict[str, Tensor]
"""What is remembered between frames, by name; every tensor is float32.

`heard` (batch, window - hop): the last samples. `powers` (batch, level frames - 1) and `frames`
(batch, 1): the window of the running level, and how many frames are in it. `bins` (batch,
TAPS - 1, bins, 2): the last frames, real and imaginary parts. `lap` (batch, window - hop): what
the next frames are added to. `timeN.NAME`: the
state of the Nth path along time, (batch * bands, ...).
"""

LOOKS_AHEAD = (
    "this network looks at the whole recording before its first output, so it cannot work on a "
    "stream. Use one that was trained with --model.causal True."
)


class Walk(nn.Module):
    """`walk(samples, state) -> samples, state`: any whole number of hops, in and out.

    The output is that of the network's `forward`, later by `delay` samples.
    """

    analysis: Tensor
    synthesis: Tensor

    def __init__(self, network: Bsrnn, *, compiled: bool = True) -> None:
        """Walk with a copy of `network`, on its device.

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
        self.network = network
        self.hop = network.stft.hop
        self.delay = network.stft.window - network.stft.hop
        like = network.audible
        self.register_buffer("analysis", network.stft.analysis_window(like), persistent=False)
        self.register_buffer("synthesis", network.stft.synthesis_window(like), persistent=False)
        along_time = (path for path in network.paths.paths if path.axis == "time")
        self.names = [
            [f"time{number}.{part}" for part in path.remembers]
            for number, path in enumerate(along_time)
        ]

    def rest(self, batch: int) -> State:
        """State before the first sample of `batch` signals."""
        network, zeros = self.network, self.analysis.new_zeros
        state = {
            "heard": zeros(batch, self.delay),
            "powers": zeros(batch, network.level_frames - 1),
            "frames": zeros(batch, 1),
            "bins": zeros(batch, TAPS - 1, network.stft.bins, 2),
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
        if features.shape[1] == 1:
            stepped, left = self.network.paths.step(features.squeeze(1), begun)
            features = stepped.unsqueeze(1)
        else:
            features, left = self.network.paths.walk(features, begun)
        after |= self._named(left)
        filtered = self._filtered(bins, self.network.taps(features), state, after)
        return self._overlapped(self.inverse(filtered), state, after), after

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
        near = torch.stack([known[:, i : i + frames] for i in range(TAPS)], dim=3)
        real, imag = torch.view_as_real(taps).unbind(-1)
        made = (
            real * near[..., 0] - imag * near[..., 1],
            real * near[..., 1] + imag * near[..., 0],
        )
        return torch.stack(made, dim=-1).sum(3) * self.network.audible.unsqueeze(-1)

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
