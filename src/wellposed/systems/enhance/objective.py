"""What the enhance system wants: named terms, one value per scene each."""

import torch
from torch import Tensor

from wellposed.dsp.hearing import hearing_weights
from wellposed.dsp.levels import POWER_FLOOR
from wellposed.dsp.stft import Stft
from wellposed.losses.compressed import compressed_complex, compressed_magnitude
from wellposed.losses.level import level_distance
from wellposed.losses.phase import group_delay, instantaneous_frequency, phase
from wellposed.losses.spectrum import consistency, real_imaginary
from wellposed.losses.waveform import waveform_l1
from wellposed.systems.enhance.recipe import Loss

TERMS = ("complex", "magnitude", "waveform", "level")
"""Names of the terms that are always told, and of their weights in the recipe."""
MORE = ("real_imaginary", "phase", "consistency", "metric")
"""Names of terms that exist only where the recipe weighs them."""


def terms_of(loss: Loss) -> dict[str, float]:
    """Weights by the names of the terms that this recipe has."""
    names = (*TERMS, *(name for name in MORE if getattr(loss, name) > 0))
    return {name: getattr(loss, name) for name in names}


def enhance_terms(
    estimate: Tensor, clean: Tensor, noisy: Tensor, loss: Loss, rate: int
) -> dict[str, Tensor]:
    """Compare `(batch, time)` waveforms; return `{term: (batch,)}`, unweighted.

    Estimate and clean are divided by the level of the *mixture*: quiet and loud scenes count
    alike, a silent target is no division by zero, and an error of level still costs.
    `consistency` is not among them: it compares spectra, see `consistency_term`.
    """
    with torch.autocast(estimate.device.type, enabled=False):
        level = mixture_level(noisy)
        estimate, clean = estimate.float() / level, clean.float() / level
        spectral: dict[str, list[Tensor]] = {n: [] for n in terms_of(loss) if n in SPECTRAL}
        for window_ms in loss.windows_ms:
            stft = Stft.of_duration(rate, window_ms, window_ms / 4)
            pair = stft.forward(estimate), stft.forward(clean)
            heard = hearing_weights(stft.bins, rate, estimate.device) if loss.hearing else None
            for name, values in spectral.items():
                values.append(SPECTRAL[name](*pair, weights=heard))
        return {
            **{name: torch.stack(spectral[name]).mean(0) for name in ("complex", "magnitude")},
            "waveform": waveform_l1(estimate, clean),
            "level": level_distance(estimate, clean),
            **{name: torch.stack(spectral[name]).mean(0) for name in MORE if name in spectral},
        }


def consistency_term(spectrum: Tensor, noisy: Tensor, stft: Stft) -> Tensor:
    """How far a made spectrum `(batch, frames, bins)` is from that of its signal, `(batch,)`."""
    with torch.autocast(noisy.device.type, enabled=False):
        made = spectrum / mixture_level(noisy).unsqueeze(-1)
        signal = stft.inverse(made, noisy.shape[-1])
        return consistency(made, stft.forward(signal))


def mixture_level(noisy: Tensor) -> Tensor:
    """Root mean square of `(batch, time)`, `(batch, 1)`; that of silence is not zero."""
    return (noisy.float().square().mean(-1, keepdim=True) + POWER_FLOOR).sqrt()


def _phases(estimate: Tensor, reference: Tensor, weights: Tensor | None = None) -> Tensor:
    """Phase, group delay and instantaneous frequency, summed as in arXiv:2308.08926."""
    kinds = (phase, group_delay, instantaneous_frequency)
    return torch.stack([kind(estimate, reference, weights=weights) for kind in kinds]).sum(0)


SPECTRAL = {
    "complex": compressed_complex,
    "magnitude": compressed_magnitude,
    "real_imaginary": real_imaginary,
    "phase": _phases,
}
"""Terms that compare spectra in several resolutions."""
