"""A codec whose output level collapses, told in two reports that blame each other's cures.

What is known: the quantizer has a way through for the gradient in every stage, so that the latent's
gradient is as many times too large as there are stages; and a distance of waveforms alone is least
for an output that is nearly silent, until the codes tell the phase. Activation, tanh and weight
normalisation are innocent of both. All of it can be changed here one by one.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.interventions import Intervention, Variant
from wellposed.faults.stories.story import Changes, Story
from wellposed.guard.audit.filterbank import filterbank_part
from wellposed.nn.causal import CausalConv, Kernel, Snake, Tape
from wellposed.nn.quantizers import ResidualQuantizer, Stage
from wellposed.nn.quantizers.residual import Quantized
from wellposed.systems.codec.model import Codec
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


class ReportedCodec(CodecSystem):
    """The codec with what the reports' code had."""

    ways: float = STAGES
    snake: bool = False
    tanh: bool = False
    normed: bool = False

    def interventions(self) -> list[Intervention]:
        """What the reports asked for, and what was found later."""
        return [
            *super().interventions(),
            Variant("one-way-through", "pass the gradient through the quantizer once", {"ways": 1}),
            Variant("snake", "take Snake as the activation", {"snake": True}),
            Variant("tanh", "put a tanh at the output", {"tanh": True}),
            Variant("weight-norm", "normalise the weights", {"normed": True}),
        ]

    def build(self) -> dict[str, nn.Module]:
        """Build the codec, then take away what the reports' code lacked."""
        networks = super().build()
        codec = networks["model"]
        assert isinstance(codec, Codec)
        quantizer = ManyWays(
            [stage for stage in codec.quantizer.stages if isinstance(stage, Stage)]
        )
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
            setattr(codec, "decoder", Bent(codec.decoder))  # noqa: B010 (another type, on purpose)
        return networks


SMALL: Changes = {
    "model.encoder_channels": (4, 8, 12, 16, 24),
    "model.decoder_channels": (4, 8, 12, 16, 24),
    "model.dilations": (1,),
    "model.latent": 16,
    "model.bands": 0,
    "model.follow": "frequency",
    "model.comb": 0.0,
    "model.stages": STAGES,
    "model.size": 64,
    "model.quantizer": "ema",
    "scenes.rate": 8000,
    "scenes.seconds": 0.5,
    "loss.mel": 1.0,
    "loss.waveform": 1.0,
    "loss.commitment": 1.0,
    "loss.dropout": 0.0,
    "loss.quantize_from": 0,
    "training.batch_size": 4,
    "training.device": "cpu",
    "training.log_every": 1000,
    "optimizer.betas": (0.5, 0.9),
    "schedule.warmup_steps": 0,
    "schedule.shape": "constant",
    "average.decay": 0.0,
    "validation.every": 1000,
    "validation.scenes": 2,
}
"""The codec in small: a step of 40 ms on one core. The weights 1:1:1 are the reports'."""


class LevelOfWaveformsAlone(Story):
    """The level of a codec collapses, told as missing Snake, tanh and weight normalisation.

    The cure of the second report, "L1 and VQ only", is what the collapse needs: measured there, 35
    epochs on, 7 % of the amplitude were left.
    """

    system = ReportedCodec
    changes: ClassVar[Changes] = {
        **SMALL,
        "scenes.seconds": 0.25,
        "loss.mel": 0.0,
        "model.start": "random",
        "optimizer.learning_rate": 3e-3,
    }
    # -20 dB. Unchanged runs end at 0.016 to 0.044, with the mel term of descript-audio-codec at
    # 0.26 to 0.39.
    symptom = Symptom(steps=40, figure="amplitude_ratio", below=0.1, over=16)
    causes = ("recipe:loss.mel=15",)
    innocent = ("snake", "tanh", "weight-norm", "one-way-through")
    source = "The median of a waveform whose phase is not known is 0: L1 alone asks for silence."

    @classmethod
    def shown_by_audit(cls) -> Mapping[str, bool]:
        """The matrix of the reports' mel loss is no filterbank; the audit of losses reads it."""
        found = [each.finding for each in filterbank_part(FakeMel()).answers if each.finding]
        codes = {each.code for each in found}
        return {"the audit finds that the mel matrix is no filterbank (WP205)": "WP205" in codes}


class GradientOnceAStage(Story):
    """Gradients of a codec are clipped in every step, told as missing weight normalisation."""

    system = ReportedCodec
    changes: ClassVar[Changes] = {
        **SMALL,
        "model.start": "transform",
        "optimizer.learning_rate": 1e-3,
        "optimizer.clip_norm": 30.0,
    }
    # The recipe's clip. Unchanged runs lie at 55 to 175, with one way through at 8 to 23.
    symptom = Symptom(steps=32, figure="gradient_norm", above=30.0, over=24)
    causes = ("one-way-through",)
    innocent = ("snake", "tanh", "weight-norm")
    source = "d(sum of the stages' codes) / d(latent) is the number of stages, 8; it must be 1."


class FakeMel(nn.Module):
    """The reports' mel loss with the matrix as it was made."""

    mel_fb: Tensor

    def __init__(self) -> None:
        """Draw the matrix."""
        super().__init__()
        draws = torch.Generator().manual_seed(0)
        self.register_buffer("mel_fb", torch.randn(80, 257, generator=draws) * 0.1)
