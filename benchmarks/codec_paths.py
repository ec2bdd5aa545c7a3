"""What the search for codes gives and costs: PESQ, SI-SDR and time by paths and branches.

python benchmarks/codec_paths.py WEIGHTS --data DIR [--scenes 8]
"""

import argparse
import time
from pathlib import Path
from statistics import fmean

import torch
from codec_subject import subject

from wellposed.metrics.speech import pesq_wb, si_sdr_db
from wellposed.nn.quantizers import ResidualQuantizer

TRIED = ((1, 1), (4, 2), (8, 2), (8, 4), (8, 8), (16, 4))
"""Paths, and codes that each tries in a stage."""


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    codec, system = subject(options.weights, options.data)
    waves = torch.stack([system.item("valid", n)["wave"] for n in range(options.scenes)])
    seconds, stages = waves.numel() / codec.rate, len(codec.books)
    print("paths, branches, stages: PESQ, SI-SDR [dB], real-time factor of encoding")
    for paths, branches in TRIED:
        for each in codec.quantizer.modules():
            if isinstance(each, ResidualQuantizer):
                each.paths, each.branches = paths, branches
        begun = time.process_time()
        codes = codec.encode(waves)
        took = (time.process_time() - begun) / seconds
        for count in (stages, stages // 2):
            made = codec.decode(codes[:, :count], waves.shape[-1])
            pairs = [(a.numpy(), b.numpy()) for a, b in zip(made, waves, strict=True)]
            quality = fmean(pesq_wb(*pair, codec.rate).value or 1.0 for pair in pairs)
            ratio = fmean(si_sdr_db(*pair).value or 0.0 for pair in pairs)
            print(f"{paths:2d} {branches} {count:2d}: {quality:.3f} {ratio:5.2f} {took:.3f}")


if __name__ == "__main__":
    main()
