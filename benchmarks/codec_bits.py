"""How much of its bitrate a codec uses: entropy of the codes of many test scenes, nothing else.

python benchmarks/codec_bits.py WEIGHTS --data DIR [--scenes 150]
"""

import argparse
import itertools
from pathlib import Path

import torch

from wellposed.metrics.rate import Usage, nominal_kbps
from wellposed.systems.codec.coder import Coder
from wellposed.systems.codec.loading import WEIGHTS
from wellposed.systems.codec.recipe import FRAMES_PER_SECOND
from wellposed.systems.codec.recordings import recordings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=150)
    options = parser.parse_args()
    torch.set_num_threads(1)
    weights = WEIGHTS.find(options.weights)
    coder = Coder.load(weights)
    usage = Usage(coder.network.books)
    for _, wave, rate in itertools.islice(
        recordings(weights, options.data, options.scenes), options.scenes
    ):
        usage.add(coder.codes_in(coder.file_of(wave, rate)))
    whole = nominal_kbps(usage.books, FRAMES_PER_SECOND)
    used = usage.effective_kbps(FRAMES_PER_SECOND)
    print(f"{usage.frames} frames{'' if usage.enough() else ', too few: a lower bound'}")
    print(f"{used:.2f} of {whole:.2f} kbit/s, {used / whole:.0%}; perplexity by stage:")
    print(", ".join(f"{value:.0f}" for value in usage.perplexities()))


if __name__ == "__main__":
    main()
