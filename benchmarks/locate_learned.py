"""Where a learned start helps a locator, and where it does not: starts in pairs, six conditions.

Each condition changes what the scenes of the shipped weights were drawn from. All starts are
followed by the same fit and the same counting; "both" keeps of each scene what the Bayesian
information criterion prefers, which needs no truth.

    python benchmarks/locate_learned.py [--model surface-small] [--scenes 256]
"""

import argparse

import torch
from this_machine import machine

from wellposed.systems.locate.evaluation import evaluate
from wellposed.systems.locate.loading import WEIGHTS, load_network

EXACT = {"scenes.measurements": (16, 16), "scenes.channel_error_db": None}
ALIKE = EXACT | {"scenes.path_loss": (0.0, 0.0)}
CONDITIONS = {
    "reference": ALIKE,
    "up to 3 sources": ALIKE | {"scenes.sources": (1, 3)},
    "free space": EXACT | {"scenes.path_loss": (2.0, 2.0)},
    "3 sources below 5 dB": ALIKE | {"scenes.sources": (3, 3), "scenes.snr_db": (-5.0, 5.0)},
    "H off by -15 dB": ALIKE | {"scenes.channel_error_db": (-15.0, -15.0)},
    "5 of 16 codes": ALIKE | {"scenes.measurements": (5, 5)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="surface-small")
    parser.add_argument("--scenes", type=int, default=256)
    parser.add_argument("--only", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}, torch {torch.__version__}, processor time of one thread")
    network, recipe = load_network(WEIGHTS.find(options.model), torch.device("cpu"))
    for name in options.only:
        made = evaluate(network, recipe, options.scenes, changes=CONDITIONS[name])
        print(f"\n== {name}\n{made.text()}", flush=True)


if __name__ == "__main__":
    main()
