"""What an explanation says, of each suspect and of all of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Word = Literal["convicted", "acquitted", "undecided", "untested"]
ORDER: tuple[Word, ...] = ("convicted", "undecided", "acquitted", "untested")


@dataclass(frozen=True)
class Verdict:
    """What the replays say of one suspect."""

    name: str
    """The intervention, as the command line takes it."""
    about: str
    """What it does, as half a sentence."""
    word: Word
    blunt: bool = False
    """Whether the intervention holds up what is well, too."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Dotted keys and values that a recipe needs to keep it; empty: no recipe can say it."""
    yaml: str = ""
    """The same as a recipe file of differences."""
    pairs: int = 0
    """Pairs of replays, a control and a treated one."""
    removed: int = 0
    """Pairs whose control showed the symptom and whose treated replay did not."""
    kept: int = 0
    """Pairs in which both showed it."""
    share: float | None = None
    """Effect: removed / (removed + kept)."""
    low: float = 0.0
    """Interval of the share that holds whenever one looks (95 %)."""
    high: float = 1.0
    figure_difference: float | None = None
    """Mean of the symptom's figure, treated less control, where it has one."""
    original: bool | None = None
    """Whether the symptom came in the run itself with only this changed; None: not replayed."""
    wealth_against_nothing: float = 1.0
    """What a bet against "it does nothing" has won; convicted from suspects / level on."""
    wealth_against_removal: float = 1.0
    """What a bet against "it removes the symptom" has won; acquitted from 1 / level on."""
    brings: tuple[str, ...] = ()
    """Codes of findings above INFO that came with it and not in the controls."""
    why: str = ""
    """Why it could not be tested."""

    @property
    def untouched(self) -> bool:
        """Whether nothing was tried of it."""
        return not self.pairs and self.original is None


@dataclass(frozen=True)
class Explanation:
    """Everything that was tried and what it showed; `docs/explain.md` has the JSON."""

    finding: str
    """What is explained: code and step, as `--finding` takes it; or the name of a story."""
    title: str
    symptom: Mapping[str, Any]
    symptom_text: str
    system: str
    start: int
    """Step that replays began at."""
    source: str
    """File of the state that replays began from, or "the start"."""
    randomness: str
    """What the pairs differ in: "seed", "jitter" (weights moved by a little), or "none"."""
    reproduced: bool
    """Whether the run with nothing changed showed the symptom again."""
    same_bits: bool | None
    """Whether its logged values were those of the run; None: nothing to compare with."""
    control: str
    """The same in words."""
    controls: int
    """Controls with other randomness."""
    controls_shown: int
    """Those that showed the symptom."""
    verdicts: tuple[Verdict, ...]
    """Ranked: convicted first, of these the sharp before the blunt."""
    sentence: str
    """What a person can do now."""
    untested: tuple[str, ...]
    """What no replay could tell, each in a sentence."""
    replays: int
    seconds: float
    processor_s: float
    """Time on all processors, which other work on the machine does not lengthen."""
    budget_s: float
    workers: int
    level: float
    short: bool = False
    """Whether the budget ended replays, or left some out."""
    larger: str = ""
    """A budget that would have done, as `--budget` takes it; "" if it lasted, or none is known."""

    def to_json(self) -> dict[str, Any]:
        """Strict JSON values."""
        return {"format": 1, **asdict(self)}

    @property
    def convicted(self) -> tuple[str, ...]:
        """Names of the convicted."""
        return tuple(each.name for each in self.verdicts if each.word == "convicted")

    @property
    def acquitted(self) -> tuple[str, ...]:
        """Names of the acquitted."""
        return tuple(each.name for each in self.verdicts if each.word == "acquitted")


def ranked(verdicts: list[Verdict]) -> tuple[Verdict, ...]:
    """Convicted first; of these the sharp, those that bring nothing new, those that do most."""

    def place(each: Verdict) -> tuple[int, bool, bool, float]:
        return ORDER.index(each.word), each.blunt, bool(each.brings), -(each.share or 0.0)

    return tuple(sorted(verdicts, key=place))
