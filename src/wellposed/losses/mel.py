"""Distance of log-mel spectra at several resolutions: (estimate, reference) to one value each.

The reconstruction loss of descript-audio-codec (Kumar et al., arXiv:2306.06546, section 3.4): mean
absolute difference of log10 mel magnitudes at seven window lengths with as many filters as each
can resolve, and no term on magnitudes as such. A sum over resolutions, as there: weights in
papers are weights of that sum.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from wellposed.dsp.mel import Scale, log_mel

SCALES: tuple[tuple[float, int], ...] = (
    (2, 5), (4, 10), (8, 20), (16, 40), (32, 80), (64, 160), (128, 320),
)  # fmt: skip
"""Window [ms] and filters: 32 to 2048 samples at 16 kHz, as in descript-audio-codec."""


def mel_distance(
    estimate: Tensor,
    reference: Tensor,
    rate: int = 16000,
    scales: Sequence[tuple[float, int]] = SCALES,
    scale: Scale = "slaney",
) -> Tensor:
    """Compare `(batch, time)` waveforms at `rate` [Hz]: `(batch,)` in decades of magnitude.

    Zero when equal; 0.05 a scale is 1 dB in every filter. Sensitive to level, blind to phase.
    """
    distances = []
    for window_ms, mels in scales:
        first = log_mel(estimate, rate, window_ms, mels, scale)
        second = log_mel(reference, rate, window_ms, mels, scale)
        distances.append((first - second).abs().flatten(1).mean(1))
    return torch.stack(distances).sum(0)
