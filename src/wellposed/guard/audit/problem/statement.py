"""`Problem`: what the audit must know of a learning problem, filled in with a few functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...plan import Plan

Batch = Mapping[str, Tensor]
Networks = Mapping[str, nn.Module]
Estimates = Tensor | Mapping[str, Tensor]
Axes = Mapping[str, int]

REFERENCE = "reference"
"""Name among the trivial outputs of the perfect one: no rival, but what none may beat."""


class Yardstick(NamedTuple):
    """A measure that is no loss: one score an item, NaN where it has none."""

    score: Callable[[Estimates, Batch], Tensor | Sequence[float | None]]
    better: str
    """"higher" or "lower"."""


class Observation(NamedTuple):
    """What is known of unknowns: measurements as a differentiable function of them."""

    observe: Callable[[Tensor], Tensor]
    points: Sequence[Tensor]
    """Typical values of the unknowns, flat tensors, preferably float64."""
    names: Mapping[str, int] = MappingProxyType({})
    """What the unknowns are, in their order: {"places": 6, "amplitudes": 4}."""
    not_given: str = ""
    """What the network is not given and would need, if that is known: told with a FAIL."""

    def name_of(self, entry: int) -> str:
        """Say which unknown this is: "unknown 7", with what it belongs to if that was told."""
        first = 0
        for name, count in self.names.items():
            if entry < first + count:
                return f"unknown {entry} ({name})"
            first += count
        return f"unknown {entry}"


class Between(NamedTuple):
    """Two modules by path, "model.split" and "model.paths", and an axis that both outputs have.

    What a waveform holds in one band leaks into others with every window; inside a network, past
    the split into bands, it is exactly apart.
    """

    first: str
    """The parts of its output are changed."""
    last: str
    """Its output is looked at."""
    axis: int
    """Of the first output."""
    last_axis: int
    """Of the last."""


@dataclass(frozen=True)
class Problem:
    """One learning problem. What is left out is listed as not asked, never as good.

    Tensors of a batch have the items along their first axis. `build` and all other functions may
    draw from torch's global generator, which is seeded before each call.
    """

    build: Callable[[], Networks]
    """Make the networks, freshly initialised."""
    batch: Callable[[int], Batch]
    """Training batch by number, the same at every call."""
    inputs: Sequence[str]
    """Names of the tensors of a batch that the estimate may depend on."""
    labels: Sequence[str]
    """Names of those that it must not see: references, targets."""
    estimate: Callable[[Networks, Batch], Estimates]
    """What training compares with the labels, made as training makes it; several by name."""
    terms: Callable[[Networks, Batch], Mapping[str, Tensor]]
    """Unweighted terms of the loss, one value an item each, as training computes them."""
    optimizer: Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]
    """Make the optimizer of the planned run, at its peak rate."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weight of each term; one where none is given."""
    plan: Plan = field(default_factory=Plan)
    """Steps of the planned run and its rate relative to the peak."""
    trained: Sequence[str] = ()
    """Networks that the optimizer moves; empty: all."""
    clip_norm: float | None = None
    """Largest norm of the whole gradient, if training clips it."""
    compare: Callable[[Estimates, Batch], Mapping[str, Tensor]] | None = None
    """The terms as a function of the estimate instead of the networks, where they are one: then
    the loss is audited, too. Only where the estimate and the one label are waveforms."""
    toward: Callable[[Networks, Batch, float], Mapping[str, Tensor]] | None = None
    """The terms after the estimate was moved this share of the way to the truth: 0 as `terms`, 1
    those of the truth itself."""
    use: Callable[[Networks, Batch], Estimates] | None = None
    """The path of use: the same estimates, from the inputs alone, as a user gets them."""
    use_rounds: float = 0.0
    """Difference that use is meant to have from training, relative to the estimate's size: such as
    that of arithmetic on a grid. More than rounding and this is a fault."""
    yardsticks: Mapping[str, Yardstick | tuple[Callable[..., object], str]] = field(
        default_factory=dict
    )
    """Measures of an estimate against a batch, by name."""
    select: str | None = None
    """The yardstick that chooses the best checkpoint."""
    learned_by: str | None = None
    """The yardstick by which a handful of items is known by heart, where `select` also measures
    what follows the networks, such as a fit that succeeds without them. None: `select`."""
    blind: Sequence[str] = ()
    """What `select` is meant not to notice: gain offset polarity shift phase band. Only where
    the estimate and the one label are waveforms `(batch, time)`."""
    smallest_gain: float = 0.0
    """Smallest improvement of `select` that counts, in its unit; 0: not stated."""
    trivial: Callable[[Batch], Mapping[str, Estimates]] | None = None
    """Outputs that need no network: "silence", "input", "constant", and "reference": the best."""
    validation: Sequence[Batch] = ()
    """Batches of the validation; may be a lazy sequence."""
    axes: Mapping[str, Axes] = field(default_factory=dict)
    """Meaning of the axes of each input, and of "estimate": {"noisy": {"time": 1}}. Known
    meanings: time, band, channel."""
    waveforms: Sequence[str] = ()
    """Inputs, and "estimate", that are sampled sound along their time axis."""
    between: Mapping[str, Between] = field(default_factory=dict)
    """By meaning of an axis ("band"), the modules between which its parts must meet."""
    apart: Sequence[str] = ()
    """Meanings of axes along which the parts need not know of each other, such as "band"."""
    lookahead: int | None = None
    """A causal estimate: samples of its time axis that it may look ahead. None: not causal."""
    invariants: Mapping[str, Callable[[Networks], tuple[float, float, float]]] = field(
        default_factory=dict
    )
    """What must hold of freshly built networks: a value, and the range it was meant to be in."""
    observation: Observation | None = None
    """Whether the measurements determine the unknowns is asked of this."""
    name: str = "problem"
    seed: int = 0

    def weight(self, term: str) -> float:
        """Weight of a term."""
        return self.weights.get(term, 1.0)

    def missing(self) -> list[str]:
        """Say what is contradictory in this statement, one line each."""
        found = []
        if both := sorted(set(self.inputs) & set(self.labels)):
            found.append(f"{', '.join(both)} are inputs and labels at once")
        if self.select is not None and self.select not in self.yardsticks:
            found.append(f"select is {self.select!r}, which is none of the yardsticks")
        if self.learned_by is not None and self.learned_by not in self.yardsticks:
            found.append(f"learned_by is {self.learned_by!r}, which is none of the yardsticks")
        ends = {name: yardstick[1] for name, yardstick in self.yardsticks.items()}
        found += [
            f"yardstick {name} is better {end!r}; wanted 'higher' or 'lower'"
            for name, end in ends.items()
            if end not in ("higher", "lower")
        ]
        return found
