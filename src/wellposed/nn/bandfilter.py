"""What networks have in common that filter a spectrum by what they see in its bands."""

from torch import Tensor, nn

from wellposed.dsp.levels import compression_gain, running_mean
from wellposed.dsp.stft import Stft
from wellposed.nn.bandsplit import BandSplit
from wellposed.nn.dualpath import DualPath


class BandFilter(nn.Module):
    """A band split, paths and filter taps; a system says in a subclass how they meet."""

    rate: int
    """Sample rate [Hz]."""
    causal: bool
    """Whether an output sample depends on one window of the future at most."""
    stft: Stft
    level_frames: int
    """Frames over which the level runs that features are relative to."""
    exponent: float
    """Compression of the magnitudes of the features."""
    split: BandSplit
    paths: DualPath

    @property
    def latency_samples(self) -> int | None:
        """Samples of input needed beyond an output sample; None if all of the future counts."""
        return self.stft.window - 1 if self.causal else None

    def features(self, spectrum: Tensor) -> Tensor:
        """Compressed spectrum `(batch, frames, bins)` relative to its own running level."""
        power = spectrum.real.square() + spectrum.imag.square()
        ahead = 0 if self.causal else self.level_frames // 2
        level = running_mean(power.mean(-1), self.level_frames, ahead)
        return spectrum * self.gain(power, level)

    def gain(self, power: Tensor, level: Tensor) -> Tensor:
        """What compresses bins of `power` relative to their running level `(batch, frames)`."""
        return compression_gain(power, level, self.exponent)
