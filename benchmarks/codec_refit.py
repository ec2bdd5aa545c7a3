"""Weights of the same codec to train on from: latents of the waveform larger, books refitted.

The search for codes minds what is large. Rows of the encoder's last layer and of the books are
scaled, the columns of the decoder's first layer scaled back: without the search nothing changes.
Then each code moves to the mean of what the other stages leave for it, searched along all paths.

    python benchmarks/codec_refit.py WEIGHTS OUT --data DIR [--scale 2] [--rounds 3]
"""

import argparse
from pathlib import Path

import torch
from codec_subject import subject
from torch import Tensor

from wellposed.engine.storage.modelfile import load_model, save_model
from wellposed.nn.causal import CausalConv, Whole
from wellposed.nn.quantizers import EmaStage
from wellposed.nn.quantizers.search import search
from wellposed.systems.codec.loading import WEIGHTS
from wellposed.systems.codec.model import Codec

FIRST_SCENE = 90_000
"""Scenes beyond those of the training."""
PRIOR = 2.0
"""Latents that the place of a code before counts as."""
AT_ONCE = 200


def scale(codec: Codec, factor: float) -> None:
    """Scale the latents of the waveform, the first ones."""
    last, first = codec.encoder.layers[-1], codec.decoder.layers[0]
    assert isinstance(last, CausalConv)
    assert isinstance(first, CausalConv)
    waveform = len(last.gain)
    last.gain.mul_(factor)
    if last.bias is not None:
        last.bias.mul_(factor)
    for stage in codec.quantizer.stages:
        assert isinstance(stage, EmaStage)
        stage.book[:, :waveform] *= factor
    weight = first.kernel().weight.clone()
    weight[:, :waveform] /= factor
    first.assign(weight)


def refit(codec: Codec, latents: Tensor) -> float:
    """Move all codes once; return the ratio of latents to errors before [dB]."""
    stages = [stage for stage in codec.quantizer.stages if isinstance(stage, EmaStage)]
    rows = latents.unflatten(0, (-1, AT_ONCE)).transpose(1, 2)
    quantizer = codec.quantizer
    ways = quantizer.paths, quantizer.branches
    codes = torch.cat([search(stages, each, Whole(), *ways) for each in rows.split(8)])
    values = [stage.value(codes[:, n], Whole()) for n, stage in enumerate(stages)]
    total = torch.stack(values).sum(0)
    ratio = 10 * torch.log10(rows.square().mean() / (rows - total).square().mean())
    for number, stage in enumerate(stages):
        left = (rows - total + values[number]).transpose(1, 2).flatten(0, 1)
        chosen = codes[:, number].flatten()
        counts = torch.bincount(chosen, minlength=stage.size)[:, None]
        sums = torch.zeros_like(stage.book).index_add_(0, chosen, left)
        stage.book[1:] = ((sums + PRIOR * stage.book) / (counts + PRIOR))[1:]
        total += stage.value(codes[:, number], Whole()) - values[number]
    return float(ratio)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--latents", type=int, default=16_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = WEIGHTS.find(options.weights)
    codec, system = subject(options.weights, options.data)
    scale(codec, options.scale)
    found, number = [], FIRST_SCENE
    wanted = options.latents // AT_ONCE * AT_ONCE
    while sum(map(len, found)) < wanted:
        found.append(codec.latents(system.item("train", number)["wave"][None]))
        number += 1
    latents = torch.cat(found)[:wanted]
    for step in range(options.rounds):
        print(f"round {step + 1}: {refit(codec, latents):.1f} dB before", flush=True)
    tensors, card = load_model(path)
    tensors |= {f"model/{name}": value for name, value in codec.state_dict().items()}
    save_model(options.out, tensors, card)


if __name__ == "__main__":
    main()
