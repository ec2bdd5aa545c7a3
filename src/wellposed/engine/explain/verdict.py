"""What an explanation says: of each suspect, of all of them, and in one sentence."""

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


def sentence(symptom: str, reproduced: bool, randomness: str, verdicts: tuple[Verdict, ...]) -> str:
    """One sentence that a person can act on."""
    if not reproduced:
        return (
            f"Nothing can be said of a cause: the run replayed with nothing changed does not show "
            f"{symptom}; look for what differs, such as the device, its kernels or the data."
        )
    if randomness == "none":
        healed = [each.about for each in verdicts if each.original is False]
        hint = f" In this one run it goes away if you {healed[0]}." if healed else ""
        return (
            f"{symptom} came once and never under other randomness, so that chance cannot be "
            f"told from a cause: look at the batch of that step.{hint}"
        )
    guilty = [each for each in verdicts if each.word == "convicted"]
    sharp = [each for each in guilty if not each.blunt] or guilty
    if sharp:
        first = sharp[0]
        also = [each.name for each in guilty if each is not first]
        more = f" (so does {_list(also)})" if also else ""
        keep = f"set {_settings(first.recipe)} in the recipe" if first.recipe else "change the code"
        return (
            f"To be rid of {symptom}, {first.about}: {keep}; it removed the symptom in "
            f"{first.removed} of {first.removed + first.kept} pairs of replays{more}."
        )
    open_ones = [each.name for each in verdicts if each.word == "undecided"]
    if open_ones:
        return (
            f"No cause of {symptom} is proven yet: {_list(open_ones)} "
            f"{'is' if len(open_ones) == 1 else 'are'} undecided; give a larger --budget."
        )
    return (
        f"None of what was tried is the cause of {symptom}: it stays in every case. Suspect what "
        "was not tried: the data, the network's form, a loss of another kind."
    )


def _settings(changes: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in changes.items()
    )


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
