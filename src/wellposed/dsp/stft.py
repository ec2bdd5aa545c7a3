"""Short-time Fourier transform of fixed duration, with exact length and exact inverse.

The window is given in milliseconds, so the spacing of the bins [Hz] is the same at every
sample rate. Frame `t` ends at sample `(t + 1) * hop`: it never looks further ahead than its
own last sample, which is what a causal system needs. Any length from one sample up goes in,
and `inverse` returns exactly that length.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Stft:
    """Analysis and synthesis with the square root of a periodic Hann window.

    `window` [samples] is a multiple of `hop` [samples], at least two: then the squared
    windows of overlapping frames add up to the constant `window / hop / 2`, and synthesis
    needs no division by a data-dependent sum.
    """

    window: int
    hop: int
    rate: int

    def __post_init__(self) -> None:
        """Check what the constant overlap-add rests on."""
        if self.hop < 1 or self.window % self.hop or self.window < 2 * self.hop:
            raise ValueError(
                f"STFT window of {self.window} samples with hop {self.hop}: "
                "the window must be a multiple of the hop, at least two hops."
            )

    @classmethod
    def of_duration(cls, rate: int, window_ms: float, hop_ms: float) -> "Stft":
        """Round the hop to whole samples and keep the ratio `window_ms / hop_ms` exact.

        Raises ValueError when the ratio is not a whole number of at least two.
        """
        ratio = round(window_ms / hop_ms)
        if abs(ratio - window_ms / hop_ms) > 1e-6:
            raise ValueError(f"window of {window_ms} ms is no whole multiple of {hop_ms} ms hop")
        hop = max(1, round(rate * hop_ms / 1000))
        return cls(window=ratio * hop, hop=hop, rate=rate)

    @property
    def bins(self) -> int:
        """Number of frequency bins, 0 Hz and (for an even window) the Nyquist rate included."""
        return self.window // 2 + 1

    @property
    def bin_hz(self) -> float:
        """Distance of neighbouring bins [Hz]."""
        return self.rate / self.window

    def frames(self, samples: int) -> int:
        """Return the number of frames that `forward` makes of so many samples."""
        return -(-samples // self.hop) + self.window // self.hop - 1

    def forward(self, waveform: Tensor) -> Tensor:
        """Analyse `(..., time)` into a complex `(..., frames, bins)`.

        Scaled by `1 / sqrt(sum(window ** 2))`: white noise of unit power has unit power in
        every bin, whatever the window's length. Zeros surround the signal.
        """
        samples = waveform.shape[-1]
        if samples < 1:
            raise ValueError("the STFT of a signal without samples does not exist")
        lead = self.window - self.hop
        tail = self.frames(samples) * self.hop - samples
        padded = functional.pad(waveform, (lead, tail))
        framed = padded.unfold(-1, self.window, self.hop)
        return torch.fft.rfft(framed * self.analysis_window(waveform))

    def inverse(self, spectrum: Tensor, samples: int) -> Tensor:
        """Overlap-add a complex `(..., frames, bins)` to `(..., samples)`.

        The exact inverse of `forward`; for a changed spectrum the signal whose transform is
        nearest to it in the least-squares sense (Griffin and Lim, 1984).
        """
        window = self.synthesis_window(spectrum.real)
        framed = torch.fft.irfft(spectrum, n=self.window) * window
        lead = framed.shape[:-2]
        frames = framed.shape[-2]
        total = (frames - 1) * self.hop + self.window
        columns = framed.reshape(-1, frames, self.window).transpose(1, 2)
        summed = functional.fold(columns, (1, total), (1, self.window), stride=(1, self.hop))
        start = self.window - self.hop
        return summed.reshape(*lead, total)[..., start : start + samples]

    def analysis_window(self, like: Tensor) -> Tensor:
        """Window `(window,)` of unit energy, with the dtype and on the device of `like`."""
        shape = self._shape(like)
        return shape / shape.square().sum().sqrt()

    def synthesis_window(self, like: Tensor) -> Tensor:
        """Window `(window,)` that undoes `analysis_window` where frames overlap."""
        shape = self._shape(like)
        return shape * (shape.square().sum().sqrt() * (2 * self.hop / self.window))

    def _shape(self, like: Tensor) -> Tensor:
        shape = torch.hann_window(self.window, dtype=like.dtype, device=like.device)
        return torch.sqrt(shape)
