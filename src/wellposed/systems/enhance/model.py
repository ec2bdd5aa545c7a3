"""A band-split network that filters noise out of a spectrum: BSRNN, or MBS-Net.

They are one network with another block in its paths: LSTM, Mamba or Mamba-2 (nn/dualpath.py).

Luo and Yu, "Music source separation with band-split RNN", 2023 (arXiv:2209.15174), as used
for speech by Yu et al., "High fidelity speech enhancement with band-split RNN", 2023
(arXiv:2212.00406), with three changes that the tests rest on: no statistics over the whole
signal (so the causal variant is causal and long files can be cut), input features that do
not depend on the level (so the output follows the input's level exactly), and filter taps
whose first and last frames see only what exists.
"""

import torch
from torch import Tensor

from wellposed.dsp.bands import band_widths
from wellposed.dsp.stft import Stft
from wellposed.dsp.taps import filter_taps
from wellposed.nn.bandfilter import BandFilter
from wellposed.nn.bandsplit import BandSplit, BandTaps
from wellposed.nn.dualpath import DualPath
from wellposed.systems.enhance.recipe import Model

TAPS = 3


class Bsrnn(BandFilter):
    """Noisy waveform `(batch, time)` to enhanced waveform `(batch, time)`.

    The same `forward` serves training and use. Scaling the input scales the output; exact
    silence gives exact silence; the output has the input's length.
    """

    audible: Tensor

    def __init__(self, recipe: Model, rate: int) -> None:
        """Build the network of `recipe` for audio at `rate` [Hz]."""
        super().__init__()
        self.rate = rate
        self.causal = recipe.causal
        self.stft = Stft.of_duration(rate, recipe.window_ms, recipe.hop_ms)
        self.level_frames = max(1, round(recipe.level_window_s * 1000 / recipe.hop_ms))
        self.exponent = recipe.input_exponent
        widths = band_widths(self.stft.bins, self.stft.bin_hz, recipe.bands)
        lookahead = 0 if recipe.causal else 1
        self.split = BandSplit(widths, recipe.features)
        self.paths = DualPath(
            recipe.features,
            recipe.hidden,
            recipe.depth,
            causal=recipe.causal,
            block=recipe.block,
            states=recipe.states,
        )
        self.taps = BandTaps(
            widths, recipe.features, recipe.taps_hidden, TAPS, identity=TAPS - 1 - lookahead
        )
        self.lookahead = lookahead
        audible = torch.arange(self.stft.bins) * self.stft.bin_hz >= recipe.lowest_hz
        self.register_buffer("audible", audible.float(), persistent=False)

    def forward(self, noisy: Tensor, *, whole: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Enhance `(batch, time)`; computes spectra in float32 under mixed precision.

        `whole`: give the filtered spectrum `(batch, frames, bins)` as well, of which the waveform
        is the inverse.
        """
        with torch.autocast(noisy.device.type, enabled=False):
            spectrum = self.stft.forward(noisy.float())
            features = self.features(spectrum)
        taps = self.taps(self.paths(self.split(features)))
        with torch.autocast(noisy.device.type, enabled=False):
            made = self.filtered(spectrum, taps)
            estimate = self.stft.inverse(made, noisy.shape[-1])
        return (estimate, made) if whole else estimate

    def filtered(self, spectrum: Tensor, taps: Tensor) -> Tensor:
        """Apply the taps, and silence the bins that hold no voice."""
        return filter_taps(spectrum, taps, self.lookahead) * self.audible
