"""What the checks read: everything measured so far, by kind, each with a bounded past."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .findings import heard, spoken
from .plan import Plan
from .rows import Row

KEPT = 256
"""Records of a kind that are kept; a check that needs sums over the run keeps none of its own."""

Table = Mapping[str, Mapping[str, float]]
Scores = Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Record:
    """What one instrument read at one step: subject -> quantity -> value."""

    step: int
    table: Table


@dataclass(frozen=True)
class Validation:
    """Scores per item of one validation: metric -> one value an item, None where undefined."""

    step: int
    scores: Scores
    better: Mapping[str, str]
    """Metric -> "higher" or "lower"; metrics without an end are absent."""
    select: str | None = None
    """The metric that chooses the best checkpoint."""
    trivial: Mapping[str, Scores] = field(default_factory=dict)
    """Scores of outputs that need no network: "silence", "input", "constant"."""
    again: Scores = field(default_factory=dict)
    """Scores of the first items measured a second time, with the same weights."""
    items: str = ""
    """Name (hash) of the list of items; scores of different lists are never compared."""
    levels_db: Sequence[float | None] = ()
    """Gain of each estimate over its reference [dB]."""
    minimum_gain: float = 0.0
    """Smallest improvement of `select` that counts, in its unit."""
    training: tuple[str, ...] = ()
    """Networks that were in training mode while this was measured."""
    weights: str = ""
    """Fingerprint of the weights that were measured."""
    losses: Mapping[str, float] = field(default_factory=dict)
    """Mean of every term over the steps since the validation before, as far as they are kept."""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Validation":
        """Undo `asdict` with its tuples and spelled numbers."""
        given: dict[str, Any] = dict(heard(record))
        given["training"] = tuple(given["training"])
        return cls(**given)


@dataclass
class Evidence:
    """All that a check may look at. Checks change nothing in it."""

    plan: Plan = field(default_factory=Plan)
    rows: deque[Row] = field(default_factory=lambda: deque(maxlen=512))
    """One row a step, see `finite.COLUMNS`."""
    fresh: int = 0
    """How many of the last rows no check of rows has seen."""
    records: dict[str, deque[Record]] = field(default_factory=dict)
    """By kind of instrument: "parameters", "forces", "clamps", ..."""
    validations: list[Validation] = field(default_factory=list)
    step: int = 0
    """The step that is being judged."""

    def of(self, kind: str) -> Sequence[Record]:
        """The records of a kind, oldest first."""
        return self.records.get(kind, ())

    def add(self, kind: str, record: Record) -> None:
        """Take in one reading of an instrument."""
        self.records.setdefault(kind, deque(maxlen=KEPT)).append(record)
        self.step = record.step

    def judge(self, validation: Validation) -> None:
        """Take in a validation."""
        self.validations.append(validation)
        del self.validations[:-KEPT]
        self.step = validation.step

    def state(self) -> dict[str, Any]:
        """Everything but the rows and the plan, as strict JSON values."""
        return spoken_tree(
            {
                "step": self.step,
                "records": {
                    kind: [asdict(each) for each in records]
                    for kind, records in self.records.items()
                },
                "validations": _shortened(self.validations),
            }
        )

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self.step = state["step"]
        self.records = {
            kind: deque(
                (Record(each["step"], heard(each["table"])) for each in records), maxlen=KEPT
            )
            for kind, records in state["records"].items()
        }
        self.validations = []
        for each in state["validations"]:
            if each["trivial"] is None:
                each = {**each, "trivial": self.validations[-1].trivial}
            self.validations.append(Validation.from_json(each))


def _shortened(validations: Sequence[Validation]) -> list[dict[str, Any]]:
    # Scores of trivial outputs are the same as a rule, and longer than all others.
    told: list[dict[str, Any]] = []
    before = ""
    for each in validations:
        # By their digits, because no NaN equals another.
        trivial = repr(each.trivial)
        told.append({**asdict(each), "trivial": None} if trivial == before else asdict(each))
        before = trivial
    return told


def spoken_tree(value: Any) -> Any:
    """A tree whose numbers that strict JSON cannot hold are spelled as strings."""
    if isinstance(value, Mapping):
        return {str(key): spoken_tree(each) for key, each in value.items()}
    if isinstance(value, list | tuple | deque):
        return [spoken_tree(each) for each in value]
    return spoken(value) if isinstance(value, float) else value
