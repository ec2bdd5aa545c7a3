"""A codec whose output level collapses, told in two reports with two wrong diagnoses.

What is known: the quantizer has a way through for the gradient in every stage, so that the latent's
gradient is that of the sum of all stages, as many times too large as there are stages; and the
terms of the quantizer count as much as the reconstruction. Activation, output and normalisation
are innocent. All of it can be changed here one by one.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.dsp.stft import Stft
from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.interventions import Intervention, Variant
from wellposed.engine.system import Batch, Moment, Networks
from wellposed.faults.stories.story import Changes, Story
from wellposed.nn.causal import CausalConv, Kernel, Snake, Tape
from wellposed.nn.quantizers import ResidualQuantizer
from wellposed.nn.quantizers.residual import Quantized
from wellposed.systems.codec.model import Codec, Estimate
from wellposed.systems.codec.system import CodecSystem

STAGES = 8


class ManyWays(ResidualQuantizer):
    """Stages each with their own way through: `ways` times the gradient, the same values."""

    ways: float = 1.0

    def forward(
        self,
        latent: Tensor,
        counts: Tensor,
        audible: Tensor,
        generator: torch.Generator | None = None,
    ) -> Quantized:
        """Quantize; the value that is added is zero."""
        made = super().forward(latent, counts, audible, generator)
        heard = latent * audible[:, None]
        more = (self.ways - 1) * (heard - heard.detach())
        return made._replace(value=made.value + more)


class Gelu(nn.Module):
    """The activation that was blamed."""

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """Apply."""
        return tape.settle(functional.gelu(x))


class Plain(CausalConv):
    """A convolution whose weights are not normalised."""

    def kernel(self) -> Kernel:
        """The weights as they are learned."""
        return Kernel(self.direction, self.bias)

    @classmethod
    @torch.no_grad()
    def of(cls, conv: CausalConv) -> None:
        """Make a convolution plain in place; it begins as the same function."""
        conv.direction.copy_(conv.kernel().weight)
        conv.gain.requires_grad_(False)
        conv.__class__ = cls


class Bent(nn.Module):
    """A decoder with a tanh behind it."""

    def __init__(self, decoder: nn.Module) -> None:
        """Take the decoder."""
        super().__init__()
        self.decoder = decoder

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """Decode and bend."""
        return torch.tanh(self.decoder(x, tape))


def averaged(estimate: Tensor, reference: Tensor, rate: int) -> Tensor:
    """What the reports called a mel loss: filters softmax(0.1 * randn), all nearly an average."""
    stft = Stft.of_duration(rate, 32, 8)
    draws = torch.Generator().manual_seed(0)
    filters = (0.1 * torch.randn(80, stft.bins, generator=draws)).softmax(-1)
    logs = []
    for wave in (estimate, reference):
        z = stft.forward(wave)
        magnitude = (z.real.square() + z.imag.square() + 1e-12).sqrt()
        logs.append((magnitude @ filters.T + 1e-5).log10())
    return (logs[0] - logs[1]).abs().flatten(1).mean(1)


class ReportedCodec(CodecSystem):
    """The codec with what the reports' code had."""

    ways: float = STAGES
    snake: bool = False
    tanh: bool = False
    normed: bool = False
    fitted: bool = False
    filters: str = "mel"

    def interventions(self) -> list[Intervention]:
        """What the reports asked for, and what was found later."""
        return [
            Variant("one-way-through", "pass the gradient through the quantizer once", {"ways": 1}),
            Variant("snake", "take Snake as the activation", {"snake": True}),
            Variant("tanh", "put a tanh at the output", {"tanh": True}),
            Variant("weight-norm", "normalise the weights", {"normed": True}),
            Variant("mel-filters", "take real mel filters", {"filters": "mel"}),
            Variant("fit-books", "fit the books to latents before they are used", {"fitted": True}),
        ]

    def build(self) -> dict[str, nn.Module]:
        """Build the codec, then take away what the reports' code lacked."""
        networks = super().build()
        codec = networks["model"]
        assert isinstance(codec, Codec)
        quantizer = ManyWays(list(codec.quantizer._stages()))
        quantizer.ways = float(self.ways)
        codec.quantizer = quantizer
        if not self.snake:
            for module in list(codec.modules()):
                for name, child in list(module.named_children()):
                    if isinstance(child, Snake):
                        setattr(module, name, Gelu())
        if not self.normed:
            for module in codec.modules():
                if isinstance(module, CausalConv):
                    Plain.of(module)
        if self.tanh:
            codec.decoder = Bent(codec.decoder)
        return networks

    def _tell(
        self,
        model: nn.Module,
        made: Estimate,
        wave: Tensor,
        terms: Mapping[str, Tensor],
        moment: Moment,
    ) -> None:
        super()._tell(model, made, wave, terms, moment)
        missed = (made.quantized - made.latent).detach().square().mean()
        moment.tell(missed=missed / made.latent.detach().square().mean())

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compute the terms, with the filters that were taken for mel filters."""
        terms = super().terms(player, networks, batch, moment)
        if self.filters == "random":
            shown = moment.shown["estimate"]
            terms["mel"] = averaged(shown, batch["wave"], self.recipe.scenes.rate)
        return terms

    def _fit(self, model: nn.Module, moment: Moment) -> None:
        if self.fitted:
            super()._fit(model, moment)
