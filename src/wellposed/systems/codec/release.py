"""Weights to give away: at the level of what they are given, in half the bytes, without paths."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from wellposed.data.audio import Waveform
from wellposed.engine.storage.modelfile import load_model, save_model, without_paths
from wellposed.errors import DataError
from wellposed.nn.causal import CausalConv
from wellposed.systems.codec.coder import Coder
from wellposed.systems.codec.network import Decoder
from wellposed.systems.codec.spectrum import SpectrumDecoder

SMALL = torch.float16
"""Type of the numbers in the file: 11 bit each. Books and rows of weights are kept to -66 dB."""


@dataclass(frozen=True)
class Released:
    """What was done to the weights."""

    scaled_db: float
    parameters: int
    bytes: int


def release(
    source: Path,
    target: Path,
    recordings: Iterable[tuple[str, Waveform, int]],
    licence: str | None = None,
) -> Released:
    """Write the weights of `source` to `target`, with a decoder that keeps levels.

    A decoder trained on differences is too quiet where it is unsure. Its last layer and patterns of
    bands, or where levels are upheld what they tell, are scaled so that the mean ratio of the RMS
    of decoded `recordings` to that of the originals, with all stages, is 1. Numbers are rounded to
    half precision. Raises DataError: no recording with sound.
    """
    coder = Coder.load(source)
    ratio = amplitude_ratio(coder, recordings)
    _scale(coder.network.decoder, 1 / ratio)
    tensors, card = load_model(source)
    for name, value in coder.network.state_dict().items():
        tensors[f"model/{name}"] = value.to(SMALL) if value.is_floating_point() else value
    card = without_paths(card) | {"scaled_db": round(-20 * float(np.log10(ratio)), 3)}
    if licence is not None:
        card["licence"] = licence
    kept = {name: value for name, value in tensors.items() if name.startswith("model/")}
    save_model(target, kept, card)
    count = sum(tensor.numel() for tensor in kept.values())
    return Released(card["scaled_db"], count, target.stat().st_size)


def _scale(decoder: Decoder | SpectrumDecoder, factor: float) -> None:
    """Make what a decoder gives louder."""
    network = decoder.network if isinstance(decoder, SpectrumDecoder) else decoder
    if isinstance(decoder, SpectrumDecoder):
        decoder.correction.mul_(factor**2)
    last = network.layers[-1]
    assert isinstance(last, CausalConv)
    last.gain.mul_(factor)
    if network.bands is not None:
        network.bands.patterns.gain.mul_(factor)


def amplitude_ratio(coder: Coder, recordings: Iterable[tuple[str, Waveform, int]]) -> float:
    """Mean ratio of the RMS of decoded mono recordings to that of the originals, all stages."""
    ratios = []
    for _, wave, rate in recordings:
        given = float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))
        if given > 0:
            made = coder.again(wave, rate)
            ratios.append(float(np.sqrt(np.mean(np.square(made, dtype=np.float64)))) / given)
    if not ratios:
        raise DataError("no recording with sound to take the level from; give at least one")
    return float(np.mean(ratios))
