"""Figures of a step for the history: how the books are used, and whether levels are kept."""

import torch
from torch import Tensor

from wellposed.dsp.levels import POWER_FLOOR
from wellposed.engine.system import Moment
from wellposed.nn.quantizers.stage import REVIVED_BELOW, Stage
from wellposed.systems.codec.model import Codec, Estimate
from wellposed.systems.codec.recipe import FRAMES_PER_SECOND


@torch.no_grad()
def tell_levels(moment: Moment, made: Estimate, wave: Tensor) -> None:
    """Tell the RMS of the latents and the ratio of the output's amplitude to the input's."""
    out, given = (each.float().square().mean() for each in (made.wave, wave))
    moment.tell(
        latent_level=made.latent.square().mean().sqrt(),
        amplitude_ratio=(out / (given + POWER_FLOOR)).sqrt(),
    )


@torch.no_grad()
def tell_books(moment: Moment, codec: Codec) -> None:
    """Tell the effective bitrate, and perplexity and codes in use of every stage.

    Over about the last 100 steps; a code in use has a tenth of an even share or more.
    """
    bits = []
    for number, stage in enumerate(codec.quantizer.stages, start=1):
        assert isinstance(stage, Stage)
        bits.append(stage.bits)
        used = (stage.share >= REVIVED_BELOW / stage.size).sum().float()
        moment.tell(
            **{f"stage/{number}/perplexity": 2 ** bits[-1], f"stage/{number}/used_codes": used}
        )
    moment.tell(effective_kbit_s=torch.stack(bits).sum() * FRAMES_PER_SECOND / 1000)
