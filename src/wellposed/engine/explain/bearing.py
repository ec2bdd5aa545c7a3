"""What could bear on a finding: every code of a run says which interventions are worth replays.

A replay costs as much as the run did, and every suspect that cannot bear on a finding raises what
the others have to win. So a finding about a validation gets no terms of the loss, and one about a
batch gets its batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wellposed.engine.recipe import Recipe

OWN = "own"
"""Stands for what a system names itself."""
TERMS = (OWN, "first-phase", "drop-term", "reweight-term")
"""What the output is pulled to."""
STEPS = ("reset-moments", "clip", "rate")
"""How far a step goes."""
PARTS = ("freeze", "reset-network")
LEARNING = (*TERMS, *PARTS, *STEPS)
"""What a network comes to."""
NUMBERS = (
    OWN, "first-phase", "drop-term", *PARTS, "without-clamps", "float64", *STEPS, "skip-batch",
)  # fmt: skip
"""Where a number stops being one. It stays so at any weight but 0, so that terms are left out."""
BATCH = ("skip-batch", OWN, "first-phase")
"""What was in a batch."""

Settings = Mapping[str, Callable[[Recipe], Any]]


@dataclass(frozen=True)
class Bearing:
    """What could bear on a code."""

    kinds: tuple[str, ...] = ()
    """Kinds of interventions: first words of their names, and `OWN`."""
    names: tuple[str, ...] = ()
    """Interventions that are worth it for such a finding alone."""
    settings: Settings = field(default_factory=dict)
    """Keys of the recipe and what they are set to, likewise."""
    whole: bool = False
    """Whether a replay has to begin at the start: from a checkpoint on there would be two lists of
    scenes, or an average that was there before."""
    why_none: str = ""
    """Why nothing can be tried, where nothing can."""


def _more_scenes(recipe: Recipe) -> int:
    """Four times as many: half the standard error."""
    return 4 * recipe.validation.scenes


def _faster(recipe: Recipe) -> float:
    """Ten times the rate, as the pages of these codes advise."""
    return 10 * recipe.optimizer.learning_rate


def _nothing(recipe: Recipe) -> float:
    return 0.0


FASTER: Settings = {"optimizer.learning_rate": _faster}
IN_CODE = "it is the code of the loop or of the network, which no replay changes"

BEARINGS: dict[str, Bearing] = {
    "WP104": Bearing(LEARNING, settings=FASTER),
    "WP105": Bearing(BATCH, names=("other-order:1",)),
    "WP106": Bearing((OWN, "first-phase", "reweight-term")),
    "WP107": Bearing((OWN, "first-phase", *TERMS)),
    "WP108": Bearing((*TERMS, *PARTS, *STEPS, "float64")),
    "WP109": Bearing(LEARNING),
    "WP110": Bearing((*BATCH, *PARTS)),
    "WP114": Bearing((*TERMS, *STEPS, "float64"), settings=FASTER),
    "WP115": Bearing(why_none=f"which parameters an optimizer has: {IN_CODE}"),
    "WP116": Bearing(("reset-moments",), settings={"optimizer.weight_decay": _nothing}),
    "WP117": Bearing(LEARNING, names=("initialise:xavier",)),
    "WP118": Bearing((*LEARNING, "without-clamps", "float64")),
    "WP119": Bearing(LEARNING),
    "WP204": Bearing(TERMS),
    "WP212": Bearing(settings={"average.decay": _nothing}, whole=True),
    "WP213": Bearing(why_none=f"the mode of a network: {IN_CODE}"),
    "WP301": Bearing(NUMBERS),
    "WP302": Bearing(NUMBERS),
    "WP305": Bearing(("without-clamps", *LEARNING)),
    "WP306": Bearing(("without-clamps", *TERMS)),
    "WP308": Bearing((*LEARNING, "without-clamps")),
    "WP309": Bearing((*LEARNING, "without-clamps")),
    "WP311": Bearing((*LEARNING, "skip-batch", "without-clamps")),
    "WP313": Bearing(("reset-moments", "first-phase", *TERMS, "clip", "rate")),
    "WP314": Bearing(("skip-batch", *TERMS, "clip")),
    "WP315": Bearing(NUMBERS),
    "WP316": Bearing(NUMBERS),
    "WP317": Bearing(why_none=f"when gradients are cleared: {IN_CODE}"),
    "WP318": Bearing((*LEARNING, "without-clamps", "float64")),
    "WP319": Bearing(LEARNING),
    "WP401": Bearing(LEARNING, settings=FASTER),
    "WP402": Bearing(LEARNING),
    "WP403": Bearing(names=("deterministic",)),
    "WP404": Bearing(settings={"validation.scenes": _more_scenes}, whole=True),
    "WP405": Bearing((*LEARNING, "without-clamps", "float64")),
    "WP407": Bearing(LEARNING),
    "WP408": Bearing(LEARNING),
    "WP414": Bearing((OWN, "first-phase"), names=("other-order:1",)),
    "WP415": Bearing((OWN, "first-phase"), names=("other-order:1",)),
}
"""Every code that the guard can find in a run. A test holds that none is missing."""

UNKNOWN = Bearing((*NUMBERS, "reweight-term"))
"""For a check of one's own: all that is offered."""


def bearing_on(code: str) -> Bearing:
    """What could bear on a code; all there is where nothing is said of it."""
    return BEARINGS.get(code, UNKNOWN)
