"""What the codec system wants: named terms, one value per scene each."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from wellposed.dsp.hearing import hearing_weights
from wellposed.dsp.levels import POWER_FLOOR
from wellposed.dsp.stft import Stft
from wellposed.losses.compressed import compressed_complex, compressed_magnitude
from wellposed.losses.level import level_distance
from wellposed.losses.loudness import loudness_distance
from wellposed.losses.mel import mel_distance
from wellposed.losses.waveform import waveform_l1
from wellposed.nn.critics import Said
from wellposed.nn.critics.least_squares import fooling_term, matching_term
from wellposed.systems.codec.model import Estimate
from wellposed.systems.codec.recipe import CodecRecipe

RECONSTRUCTION = ("mel", "waveform")
SPECTRAL = {"complex": compressed_complex, "magnitude": compressed_magnitude}
"""Terms on compressed spectra."""
MORE = ("level", *SPECTRAL, "loudness")
"""Terms that exist only where the recipe weighs them."""
WINDOWS_MS = (16.0, 32.0, 64.0)
"""Windows of those spectra, hop a quarter; several, so that no artefact hides."""
ADVERSARIAL = ("fooling", "matching")
QUANTIZER = {"factorised": ("commitment", "codebook"), "ema": ("commitment",), "scalar": ()}
"""Terms that each kind of quantizer needs."""


def names_of(recipe: CodecRecipe) -> tuple[str, ...]:
    """Names of the coder's terms, and of their weights in the recipe."""
    adversarial = ADVERSARIAL if recipe.critic.from_step else ()
    more = (name for name in MORE if getattr(recipe.loss, name) > 0)
    return (*RECONSTRUCTION, *more, *QUANTIZER[recipe.model.quantizer], *adversarial)


def coder_terms(
    made: Estimate,
    wave: Tensor,
    recipe: CodecRecipe,
    said: tuple[Sequence[Said], Sequence[Said]] | None,
) -> dict[str, Tensor]:
    """Compare with `wave` `(batch, time)`; return `{term: (batch,)}`, unweighted.

    `said` is what a critic says of estimates and of originals; None: there is none as yet.
    """
    with torch.autocast(wave.device.type, enabled=False):
        # Relative to the level of the scene: quiet and loud ones count alike.
        level = (wave.square().mean(-1, keepdim=True) + POWER_FLOOR).sqrt()
        terms = {
            "mel": mel_distance(made.wave, wave, recipe.scenes.rate),
            "waveform": waveform_l1(made.wave / level, wave / level),
            "level": level_distance(made.wave / level, wave / level),
            "commitment": made.commitment,
            "codebook": made.codebook,
        }
        if recipe.loss.loudness:
            scaled = made.wave / level, wave / level
            terms["loudness"] = loudness_distance(*scaled, recipe.scenes.rate)
        terms |= _spectral(made.wave / level, wave / level, recipe)
        if said is not None:
            fake, real = said
            terms["fooling"] = fooling_term([each.scores for each in fake])
            terms["matching"] = matching_term(
                [each.layers for each in fake], [each.layers for each in real]
            )
    nothing = torch.zeros(len(wave), device=wave.device)
    return {name: terms.get(name, nothing) for name in names_of(recipe)}


def _spectral(estimate: Tensor, wave: Tensor, recipe: CodecRecipe) -> dict[str, Tensor]:
    """Terms on compressed spectra that the recipe weighs, every auditory filter counting alike."""
    wanted = [name for name in SPECTRAL if getattr(recipe.loss, name) > 0]
    values: dict[str, list[Tensor]] = {name: [] for name in wanted}
    for window_ms in WINDOWS_MS if wanted else ():
        stft = Stft.of_duration(recipe.scenes.rate, window_ms, window_ms / 4)
        pair = stft.forward(estimate), stft.forward(wave)
        heard = hearing_weights(stft.bins, recipe.scenes.rate, wave.device)
        for name in wanted:
            values[name].append(SPECTRAL[name](*pair, weights=heard))
    return {name: torch.stack(each).mean(0) for name, each in values.items()}


def latent_shares(
    terms: Mapping[str, Tensor], weights: Mapping[str, float], made: Estimate
) -> dict[str, Tensor]:
    """Share of each weighted term in the sum of the norms of their gradients at the latents.

    A term that moves only the books has no gradient there.
    """
    norms = {}
    for name, term in terms.items():
        if term.requires_grad:
            total = (weights[name] * term).mean()
            (pull,) = torch.autograd.grad(total, made.latent, retain_graph=True, allow_unused=True)
            if pull is not None:
                norms[name] = pull.norm()
    total = torch.stack(list(norms.values())).sum().clamp(min=1e-30)
    return {name: norm / total for name, norm in norms.items()}
