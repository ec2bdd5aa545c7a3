"""What the enhance system wants: named terms, one value per scene each."""

import torch
from torch import Tensor

from wellposed.dsp.hearing import hearing_weights
from wellposed.dsp.levels import POWER_FLOOR
from wellposed.dsp.stft import Stft
from wellposed.losses.compressed import compressed_complex, compressed_magnitude
from wellposed.losses.level import level_distance
from wellposed.losses.waveform import waveform_l1
from wellposed.systems.enhance.recipe import Loss

TERMS = ("complex", "magnitude", "waveform", "level")
"""Names of the terms, and of their weights in the recipe."""


def enhance_terms(
    estimate: Tensor, clean: Tensor, noisy: Tensor, loss: Loss, rate: int
) -> dict[str, Tensor]:
    """Compare `(batch, time)` waveforms; return `{term: (batch,)}`, unweighted.

    Estimate and clean are divided by the level of the *mixture*: quiet and loud scenes count
    alike, a silent target is no division by zero, and an error of level still costs.
    """
    with torch.autocast(estimate.device.type, enabled=False):
        level = (noisy.float().square().mean(-1, keepdim=True) + POWER_FLOOR).sqrt()
        estimate, clean = estimate.float() / level, clean.float() / level
        complex_, magnitude = [], []
        for window_ms in loss.windows_ms:
            stft = Stft.of_duration(rate, window_ms, window_ms / 4)
            first, second = stft.forward(estimate), stft.forward(clean)
            heard = hearing_weights(stft.bins, rate, estimate.device) if loss.hearing else None
            complex_.append(compressed_complex(first, second, weights=heard))
            magnitude.append(compressed_magnitude(first, second, weights=heard))
        return {
            "complex": torch.stack(complex_).mean(0),
            "magnitude": torch.stack(magnitude).mean(0),
            "waveform": waveform_l1(estimate, clean),
            "level": level_distance(estimate, clean),
        }
