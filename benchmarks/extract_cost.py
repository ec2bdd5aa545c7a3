"""Parameters and real-time factor of the extract presets, on one thread, in processor time.

python benchmarks/extract_cost.py [--rate 16000] [--seconds 10] [--enrolment 5]
"""

import argparse
import time

import torch
from this_machine import machine

from wellposed.systems.extract.model import Extract
from wellposed.systems.extract.recipe import SIZES


def main() -> None:
    """Print a line for every preset: the best of three passes, each with the enrolment."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=16000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--enrolment", type=float, default=5.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    mixture = torch.randn(1, round(options.seconds * options.rate))
    enrolment = torch.randn(1, round(options.enrolment * options.rate))
    for name, model in SIZES.items():
        network = Extract(model, options.rate).eval()
        took = []
        with torch.inference_mode():
            for _ in range(3):
                began = time.process_time()
                network(mixture, enrolment)
                took.append(time.process_time() - began)
        count = sum(p.numel() for p in network.parameters())
        print(f"{name:<14} {count / 1e6:.3f} M  real-time factor {min(took) / options.seconds:.3f}")


if __name__ == "__main__":
    main()
