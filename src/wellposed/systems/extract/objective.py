"""What the extract system wants: named terms, one value per scene each.

A scene may belong to two classes: where the target may speak its estimate is compared with it,
where the target is silent the estimate shall be, too. Terms of a class are means over the class in
the whole batch. As every batch has the same counts, which the recipe says, the mean over a class is
a mean over all scenes of values that are scaled by the inverse share of the class: so neither the
size of a batch nor how it is divided changes the objective.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from wellposed.dsp.levels import POWER_FLOOR
from wellposed.dsp.stft import Stft
from wellposed.losses.extraction import soft_error_db, squared_log_gain
from wellposed.losses.spectrum import real_imaginary
from wellposed.losses.waveform import neg_snr_db
from wellposed.systems.extract.model import Extracted
from wellposed.systems.extract.recipe import ExtractRecipe, Loss, Scenes

SPEAKING = 1e-3
"""A frame of the target counts as speech within 30 dB of the loudest, as for active levels."""


@dataclass(frozen=True)
class Wanted:
    """The labels of a batch, none of which the estimate depends on."""

    mixture: Tensor
    """`(batch, time)`"""
    target: Tensor
    """`(batch, time)`"""
    span: Tensor
    """`(batch, 2)`: first and last sample (exclusive) where the target may speak."""


def terms_of(recipe: ExtractRecipe) -> dict[str, float]:
    """Weights by the names of the terms that scenes of this recipe have."""
    scenes, loss = recipe.scenes, recipe.loss
    weights = {"snr": loss.snr, "spectrum": loss.spectrum, "anchor": loss.anchor}
    if not scenes.present + scenes.partial:
        weights = {}
    if scenes.absent + scenes.partial:
        weights["absent"] = loss.absent
    if scenes.absent and scenes.present + scenes.partial:
        weights["presence"] = loss.presence
    weights["presence_frames"] = loss.presence_frames
    return {name: weight for name, weight in weights.items() if weight > 0}


def extract_terms(made: Extracted, wanted: Wanted, recipe: ExtractRecipe) -> dict[str, Tensor]:
    """Compare a batch with what is wanted; return `{term: (batch,)}`, unweighted."""
    model = recipe.model
    stft = Stft.of_duration(recipe.scenes.rate, model.window_ms, model.hop_ms)
    with torch.autocast(made.estimate.device.type, enabled=False):
        found = signal_terms(made.estimate, wanted, recipe)
        here = (wanted.span[:, 1] > wanted.span[:, 0]).float()
        scenes = recipe.scenes
        rows = torch.where(
            here > 0, _inverse(scenes, scenes.present + scenes.partial),
            _inverse(scenes, scenes.absent),
        )  # fmt: skip
        told = functional.binary_cross_entropy_with_logits
        found["presence"] = 0.5 * rows * told(made.whole.float(), here, reduction="none")
        speaks = speaking(wanted.target, stft).float()
        frames = told(made.frames.float(), speaks, reduction="none")
        found["presence_frames"] = frames.mean(-1)
    return {name: found[name] for name in terms_of(recipe)}


def signal_terms(estimate: Tensor, wanted: Wanted, recipe: ExtractRecipe) -> dict[str, Tensor]:
    """Terms of the waveforms, each scaled by the inverse share of its class."""
    loss, scenes = recipe.loss, recipe.scenes
    level = (wanted.mixture.float().square().mean(-1, keepdim=True) + POWER_FLOOR).sqrt()
    mixture, target = wanted.mixture.float() / level, wanted.target.float() / level
    time = torch.arange(mixture.shape[-1], device=mixture.device)
    inside = (time >= wanted.span[:, :1]) & (time < wanted.span[:, 1:])
    estimate = estimate.float() / level
    speech, rest = estimate * inside, estimate * ~inside
    of_present = inside.any(-1) * _inverse(scenes, scenes.present + scenes.partial)
    of_absent = (~inside).any(-1) * _inverse(scenes, scenes.absent + scenes.partial)
    silence = torch.zeros_like(rest)
    # Relative to the whole mixture: where nobody else speaks the rest of it is nothing, and what a
    # window smears over the edge would be infinitely much of that.
    leaked = soft_error_db(rest, silence, mixture, loss.absent_floor)
    # The dearest term is not computed for nothing.
    dear = {}
    if loss.spectrum > 0:
        dear["spectrum"] = of_present * _spectrum(speech, target, loss, scenes.rate)
    return dear | {
        "snr": of_present * neg_snr_db(speech, target, loss.snr_cap_db),
        "anchor": of_present * squared_log_gain(speech, target),
        "absent": of_absent * leaked,
    }


def speaking(target: Tensor, stft: Stft) -> Tensor:
    """In which frames a target `(batch, time)` speaks: `(batch, frames)`."""
    spectrum = stft.forward(target.float())
    power = (spectrum.real.square() + spectrum.imag.square()).mean(-1)
    loudest = power.amax(-1, keepdim=True)
    return (power >= SPEAKING * loudest) & (power > 0)


def _spectrum(estimate: Tensor, target: Tensor, loss: Loss, rate: int) -> Tensor:
    gaps = []
    for window_ms in loss.windows_ms:
        stft = Stft.of_duration(rate, window_ms, window_ms / 4)
        gaps.append(real_imaginary(stft.forward(estimate), stft.forward(target)))
    return torch.stack(gaps).mean(0)


def _inverse(scenes: Scenes, count: int) -> float:
    """Inverse share of a class; 0 for one that the recipe does not have."""
    return scenes.block / count if count else 0.0
