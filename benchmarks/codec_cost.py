"""What each size of the codec costs: parameters, arithmetic, and time on one core.

Multiply-accumulates are counted from the layers: weights of every convolution times the rate of its
outputs, the search in the books included. The real-time factor is processor seconds per second of
audio on one thread, offline and in frames of 20 ms, in the exact arithmetic of use; beside it the
float32 forward pass of training. Sizes run in turn, medians.

`--dac` times descript-audio-codec's architecture with random weights in the same rounds.

    python benchmarks/codec_cost.py [--rate 16000] [--seconds 5] [--rounds 3] [--dac] [--json FILE]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from dac_architecture import Dac
from this_machine import machine
from torch import nn

from wellposed.nn.causal import CausalConv, CausalUpsample
from wellposed.nn.quantizers import ResidualQuantizer
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.network import Decoder, Encoder
from wellposed.systems.codec.recipe import FRAMES_PER_SECOND, SIZES
from wellposed.systems.codec.spectrum import SpectrumDecoder, SpectrumEncoder

DAC = "DAC, random weights"


def macs_per_second(codec: Codec) -> dict[str, int]:
    """Multiply-accumulates per second of audio of the encoder, the books and the decoder."""
    # Paths of the search (`nn/quantizers/search.py`) begin as one.
    books = sum(
        weight.numel() * (searched.paths if number else 1)
        for searched in codec.quantizer.modules()
        if isinstance(searched, ResidualQuantizer)
        for number, stage in enumerate(searched.stages)
        for weight in stage.state_dict().values()
        if weight.ndim > 1
    )
    encoder, decoder, transform = codec.encoder, codec.decoder, 0
    if isinstance(encoder, SpectrumEncoder):
        encoder, transform = encoder.network, codec.rate * codec.hop
    if isinstance(decoder, SpectrumDecoder):
        decoder = decoder.network
    return {
        "encoder": transform + _path(encoder.layers, float(codec.rate)) + _of_bands(encoder),
        "books": books * FRAMES_PER_SECOND,
        "decoder": transform + _path(decoder.layers, float(FRAMES_PER_SECOND)) + _of_bands(decoder),
    }


def _of_bands(side: Encoder | Decoder) -> int:
    """What measures or makes bands works once a frame."""
    if side.bands is None:
        return 0
    weights = (each.direction for each in side.bands.modules() if isinstance(each, CausalConv))
    return FRAMES_PER_SECOND * sum(weight.numel() for weight in weights)


def _path(layers: nn.ModuleList, rate: float) -> int:
    """Follow the sample rate from layer to layer."""
    total = 0.0
    for layer in layers:
        if isinstance(layer, CausalUpsample):
            total += layer.blocks.direction.numel() * rate
            rate *= layer.stride
            continue
        for each in layer.modules():
            if isinstance(each, CausalConv):
                rate /= each.stride
                total += each.direction.numel() * rate
    return round(total)


Ways = dict[str, Callable[[], object]]


def dac_ways(seconds: float) -> tuple[int, Ways]:
    """Number of parameters, and what is timed of the other architecture, in float32."""
    dac = Dac().eval()
    wave = 0.1 * torch.randn(1, round(seconds * 16000))
    codes = dac.encode(wave)
    timed: Ways = {"encode": lambda: dac.encode(wave), "decode": lambda: dac.decode(codes)}
    return sum(p.numel() for p in dac.parameters()), timed


def ways(codec: Codec, seconds: float) -> Ways:
    """What is timed."""
    wave = 0.1 * torch.randn(1, round(seconds * codec.rate))
    codes = codec.encode(wave)
    frame = wave[:, : codec.hop * FRAMES_PER_SECOND].split(codec.hop, -1)

    def streamed() -> None:
        encoder, decoder = codec.encoder_state(), codec.decoder_state()
        for _ in range(round(seconds)):
            for piece in frame:
                codec.decode_step(codec.encode_step(piece, encoder), decoder)

    return {
        "encode": lambda: codec.encode(wave),
        "decode": lambda: codec.decode(codes, wave.shape[-1]),
        "stream": streamed,
        "float32": lambda: codec(wave),
    }


def real_time_factors(
    timed: dict[str, Ways], seconds: float, rounds: int
) -> dict[str, dict[str, float]]:
    """Median processor seconds per second of audio, the networks in turn."""
    spent: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds + 1):
        for size, table in timed.items():
            for name, way in table.items():
                begun = time.process_time()
                way()
                if number:  # the first round warms up
                    took = (time.process_time() - begun) / seconds
                    spent.setdefault((size, name), []).append(took)
    return {
        size: {name: statistics.median(spent[size, name]) for name in table}
        for size, table in timed.items()
    }


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=16000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--dac", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    codecs = {size: Codec(SIZES[size], options.rate).eval() for size in options.sizes}
    timed = {size: ways(codec, options.seconds) for size, codec in codecs.items()}
    dac_count = 0
    if options.dac:
        dac_count, timed[DAC] = dac_ways(options.seconds)
    factors = real_time_factors(timed, options.seconds, options.rounds)
    print(f"{machine()}, one thread, torch {torch.__version__}, {options.rate} Hz,", end=" ")
    print(f"{options.seconds:g} s; medians of {options.rounds} interleaved rounds, processor time")
    print("| size | parameters | MMAC/s encoder | books | decoder | sum |", end="")
    print(" RTF encode | decode | stream, both | float32 forward |\n|" + "---|" * 10)
    figures = {}
    for size, codec in codecs.items():
        macs, count = macs_per_second(codec), sum(p.numel() for p in codec.parameters())
        figures[size] = {"parameters": count, "macs_per_s": macs, "real_time": factors[size]}
        shown = [f"{value / 1e6:.0f}" for value in (*macs.values(), sum(macs.values()))]
        times = [f"{factors[size][name]:.3f}" for name in ("encode", "decode", "stream", "float32")]
        print("| " + " | ".join([size, f"{count:,}", *shown, *times]) + " |")
    if options.dac:
        figures[DAC] = {"parameters": dac_count, "real_time": factors[DAC]}
        encode, decode = factors[DAC]["encode"], factors[DAC]["decode"]
        print(f"| {DAC} | {dac_count:,} | | | | | {encode:.3f} | {decode:.3f} | | |")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
