"""Quantizers: latents to codes and back, in stages that each code what is left."""

from wellposed.nn.quantizers.ema import EmaStage
from wellposed.nn.quantizers.factorised import FactorisedStage
from wellposed.nn.quantizers.residual import Quantized, ResidualQuantizer
from wellposed.nn.quantizers.scalar import ScalarStage
from wellposed.nn.quantizers.stage import Stage

__all__ = [
    "EmaStage",
    "FactorisedStage",
    "Quantized",
    "ResidualQuantizer",
    "ScalarStage",
    "Stage",
]
