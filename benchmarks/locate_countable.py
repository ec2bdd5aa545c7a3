"""In how many scenes a source count can be right: what a test can see of the weakest source.

A source that is left out raises the likelihood ratio by a non-central chi-square variable of two
degrees, whose centre is twice the energy that it alone explains over the noise power: the part of
its measurements that no change of the other sources makes up for. It is seen where that exceeds a
threshold, and a count is right only where the weakest one is seen. Told is the mean chance of that,
for the threshold that noise alone exceeds somewhere in one scene of a hundred (that of use: places
unknown), and for the one that it exceeds at one given place: what a test could reach that was told
where to look. Others unknown: places and symbols of all other sources are estimated as well.
Others known: a test that was told those too. No network and no search is in these figures.

    python benchmarks/locate_countable.py [--scenes 1024] [--snr 8 20]
"""

import argparse

import torch
from locate_learned import CONDITIONS
from scipy.stats import chi2, ncx2
from this_machine import machine
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.power import power
from wellposed.dsp.surface import before_chains
from wellposed.engine.recipe import changed
from wellposed.systems.locate.front import wide
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.surface_front import SEARCHED
from wellposed.systems.locate.system import LocateSystem
from wellposed.systems.locate.truth import truth_of

SHOWN = ("reference", "field report 003")


def centres(array: Array, places: Places, symbols: Tensor, noise: Tensor) -> tuple[float, float]:
    """Of the weakest source: all others known, and all others unknown."""
    sources = len(symbols)
    seen = array.jet(places, SEARCHED) * symbols.repeat(1 + len(SEARCHED))
    responses, slopes = seen[:, :sources], seen[:, sources:]
    known = 2 * power(responses).sum(0) / noise
    unknown = []
    for one in range(sources):
        others = [k for k in range(sources) if k != one]
        # Real unknowns: two of each symbol, three of each place.
        moved = [responses[:, others], 1j * responses[:, others]]
        moved += [slopes[:, axis * sources :][:, others] for axis in range(len(SEARCHED))]
        own, span = (torch.cat((x.real, x.imag)) for x in (responses[:, one], torch.cat(moved, 1)))
        basis = torch.linalg.qr(span).Q
        left = own - basis @ (basis.mT @ own)
        unknown.append(2 * float(left.square().sum() / noise))
    return float(known.min()), min(unknown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=1024)
    parser.add_argument("--snr", type=float, nargs=2, default=(8.0, 20.0))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}, torch {torch.__version__}")
    for name in SHOWN:
        changes = CONDITIONS[name] | {"scenes.snr_db": tuple(options.snr)}
        system = LocateSystem(changed(LocateRecipe(), changes, name))
        front, rate = system.front, system.recipe.refinement.false_alarms
        counts, found = [], []
        for number in range(options.scenes):
            item = system.item("test", number)
            places, symbols = truth_of(item)
            array = before_chains(front.elements, *wide(item, "channel", "codes"))
            found.append(centres(array, places, symbols[:, 0], item["noise"].double()))
            counts.append(len(symbols))
        count, centre = torch.tensor(counts), torch.tensor(found).double()
        somewhere = float(front.counting.penalties(int(front.heard(item).numel()), 1, 2)[1])
        print(f"== {name}: {options.scenes} scenes; weakest source seen, and by sources 1 to 5")
        for title, threshold in (
            ("anywhere", somewhere), ("at a given place", float(chi2.isf(rate, 2)))
        ):  # fmt: skip
            for what, values in zip(("known", "unknown"), centre.unbind(1), strict=True):
                seen = torch.from_numpy(ncx2.sf(threshold, 2, values.numpy()))
                each = [f"{float(seen[count == k].mean()):.3f}" for k in range(1, 6)]
                print(
                    f"  {title}, threshold {threshold:.1f}, others {what}: {seen.mean():.3f}; "
                    f"{', '.join(each)}"
                )


if __name__ == "__main__":
    main()
