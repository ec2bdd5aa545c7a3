"""What the ear resolves: the width of its filters along frequency."""

import torch
from torch import Tensor


def erb_hz(frequency_hz: Tensor) -> Tensor:
    """Equivalent rectangular bandwidth of the auditory filter [Hz] at a frequency [Hz].

    Source: Glasberg and Moore, "Derivation of auditory filter shapes from notched-noise data",
    1990, eq. 3: 24.7 (4.37 f / kHz + 1).
    """
    return 24.7 * (4.37e-3 * frequency_hz + 1)


def hearing_weights(bins: int, rate: int, device: torch.device | None = None) -> Tensor:
    """Weights `(bins,)` from 0 to rate / 2, mean 1, that make every auditory filter count alike.

    Bins of equal width count the octave from 4 to 8 kHz as half of all that is heard; it holds
    6 of the 33 filters below 8 kHz.
    """
    frequency = torch.linspace(0.0, rate / 2, bins, device=device)
    density = 1 / erb_hz(frequency)
    return density / density.mean()
