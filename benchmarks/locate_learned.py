"""Where a learned start helps a locator, and where it does not: starts in pairs.

Each condition changes what the scenes of the shipped weights were drawn from. All starts are
followed by the same fit and the same counting; "both" keeps of each scene what the Bayesian
information criterion prefers, which needs no truth. "pursuit twice" is the control of "both": a
second pursuit on another, finer map in place of the network. "truth" starts at the true places:
what the same fit and the same counting would make of a perfect start. Memory is taken as
`wellposed locate` takes it.

    python benchmarks/locate_learned.py [--model surface-small] [--scenes 256]
"""

import argparse

import torch
from this_machine import machine

from wellposed.cli.process import keep_freed, set_up
from wellposed.dsp.arrays.wavefront import Places
from wellposed.engine.system import Batch
from wellposed.systems.locate.estimate import Start, both, known_of, located, preferred, pursued
from wellposed.systems.locate.evaluation import evaluate
from wellposed.systems.locate.loading import WEIGHTS, load_network
from wellposed.systems.locate.model import Locator
from wellposed.systems.locate.recipe import LocateRecipe, Model, Refinement
from wellposed.systems.locate.refine import State, refine
from wellposed.systems.locate.rows import Begin

EXACT = {"scenes.measurements": (16, 16), "scenes.channel_error_db": None}
ALIKE = EXACT | {"scenes.path_loss": (0.0, 0.0)}
FEW = {"scenes.sources": (1, 3), "scenes.snr_db": (5.0, 20.0)}
REPORTED = EXACT | {
    "scenes.path_loss": (2.0, 2.0),
    "scenes.codes": "columns",
    "scenes.rician": (0.5 / 144, 10 / 144),
}
"""The generator of field report 003 with exact wavefronts: free space, its codes, its channel."""
CONDITIONS = {
    "reference": ALIKE,
    "up to 3 sources": ALIKE | {"scenes.sources": (1, 3)},
    "up to 3 above 5 dB": ALIKE | FEW,
    "field report 003": REPORTED,
    "field report 003, up to 3 above 5 dB": REPORTED | FEW,
    "free space": EXACT | {"scenes.path_loss": (2.0, 2.0)},
    "3 sources below 5 dB": ALIKE | {"scenes.sources": (3, 3), "scenes.snr_db": (-5.0, 5.0)},
    "H off by -15 dB": ALIKE | {"scenes.channel_error_db": (-15.0, -15.0)},
    "5 of 16 codes": ALIKE | {"scenes.measurements": (5, 5)},
}


def second_map() -> Start:
    """Two pursuits, the second on a map of its own; nothing is learned."""
    model = Model(directions=(28, 16), curvatures=8, width=8, blocks=1)
    fine = Locator(LocateRecipe(model=model))

    def twice(network: Locator, batch: Batch, recipe: Refinement) -> list[State]:
        return preferred(pursued(network, batch, recipe), pursued(fine, batch, recipe))

    return twice


@torch.no_grad()
def from_truth(network: Locator, batch: Batch, recipe: Refinement) -> list[State]:
    """The fit from the true places."""
    there = torch.arange(batch["places"].shape[1]) < batch["count"][:, None]
    azimuth, elevation, inverse = batch["places"].double().unbind(-1)
    inverse = torch.where(there, inverse, 1.0)
    begin = Begin(Places(azimuth, elevation, 1 / inverse), batch["count"], recipe.added)
    return refine(known_of(network, batch), [begin], network.cells, recipe)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="surface-small")
    parser.add_argument("--scenes", type=int, default=256)
    parser.add_argument("--only", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--starts", nargs="+", help="by default all")
    options = parser.parse_args()
    set_up()
    keep_freed()
    torch.set_num_threads(1)
    print(f"{machine()}, torch {torch.__version__}, processor time of one thread")
    starts: dict[str, Start] = {"both": both, "network": located, "truth": from_truth}
    starts |= {"pursuit twice": second_map(), "pursuit": pursued}
    starts = {name: each for name, each in starts.items() if name in (options.starts or starts)}
    network, recipe = load_network(WEIGHTS.find(options.model), torch.device("cpu"))
    for name in options.only:
        made = evaluate(network, recipe, options.scenes, changes=CONDITIONS[name], starts=starts)
        print(f"\n== {name}\n{made.text()}", flush=True)


if __name__ == "__main__":
    main()
