"""What a column of a log means, guessed from its name; the person at the terminal confirms it."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Meaning(StrEnum):
    """What the numbers of a column are. The values are the words of `--map COLUMN=MEANING`."""

    STEP = "step"
    EPOCH = "epoch"
    TIME = "time"
    LOSS = "loss"
    TERM = "term"
    VALIDATION_LOSS = "validation-loss"
    HIGHER = "higher"
    LOWER = "lower"
    SI_SDR = "si-sdr"
    SNR = "snr"
    GAIN = "improvement"
    UNTREATED = "untreated"
    LEVEL_RATIO = "level-ratio"
    LEVEL_DB = "level-db"
    OUTPUT_LEVEL = "output-level"
    RATE = "learning-rate"
    GRADIENT = "gradient-norm"
    CRITIC = "critic-loss"
    BEST = "best"
    UNUSED = "unused"

    @property
    def better(self) -> int:
        """1: higher is better; -1: lower is better; 0: neither."""
        return BETTER.get(self, 0)


IN_WORDS = {
    Meaning.STEP: "optimizer step",
    Meaning.EPOCH: "epoch",
    Meaning.TIME: "time",
    Meaning.LOSS: "training loss",
    Meaning.TERM: "term of the training loss",
    Meaning.VALIDATION_LOSS: "validation loss, lower is better",
    Meaning.HIGHER: "validation metric, higher is better",
    Meaning.LOWER: "validation metric, lower is better",
    Meaning.SI_SDR: "SI-SDR [dB], higher is better",
    Meaning.SNR: "SNR [dB], higher is better, silence 0",
    Meaning.GAIN: "improvement over the input [dB], higher is better",
    Meaning.UNTREATED: "score of the untreated input",
    Meaning.LEVEL_RATIO: "output level over reference, 1 is right",
    Meaning.LEVEL_DB: "output level over reference [dB], 0 is right",
    Meaning.OUTPUT_LEVEL: "output level or energy",
    Meaning.RATE: "learning rate",
    Meaning.GRADIENT: "gradient norm",
    Meaning.CRITIC: "loss of the critic",
    Meaning.BEST: "mark of the best checkpoint",
    Meaning.UNUSED: "not used",
}
BETTER = {
    Meaning.VALIDATION_LOSS: -1,
    Meaning.LOWER: -1,
    Meaning.HIGHER: 1,
    Meaning.SI_SDR: 1,
    Meaning.SNR: 1,
    Meaning.GAIN: 1,
}
"""Sign of better of everything that can choose a checkpoint."""


@dataclass(frozen=True)
class Column:
    """A column, its meaning and why it was taken for that."""

    name: str
    meaning: Meaning
    why: str


@dataclass(frozen=True)
class _Rule:
    meaning: Meaning
    pattern: str
    why: str


_TIMED = r"(?:(?:global|train|trainer|training|optimizer|val|validation|total) )*"
_RULES = tuple(
    _Rule(*each)
    for each in (
        (Meaning.STEP, rf"{_TIMED}(?:steps?|iter|iters|iterations?|updates?)(?: k)?", "counts"),
        (Meaning.EPOCH, rf"{_TIMED}epochs?(?: \d)?", "counts epochs"),
        (
            Meaning.TIME,
            r"(?!.*\b(?:step|iter|batch|data|epoch) )(?:.* )?time(?: s| h| min| process)?|runtime"
            r"|timestamp|elapsed(?: s)?|hours|date",
            "time",
        ),
        (Meaning.BEST, r"(?:is |new )?best(?: so far| mark| checkpoint)?", "says best"),
        (Meaning.RATE, r"(?:.* )?(?:lr|learning rate)(?: .*)?", "says learning rate"),
        (
            Meaning.GRADIENT,
            r".*\b(?:grad(?:ients?)? norm|norm of grad\w*|gnorm).*",
            "gradient norm",
        ),
        (
            Meaning.CRITIC,
            r"(?:.* )?(?:disc|discriminator|critic|d) (?:.* )?loss.*"
            r"|.*\bloss (?:d|disc|discriminator|critic)",
            "loss of a critic",
        ),
        (
            Meaning.UNTREATED,
            r"(?:.* )?(?:noisy|untreated|unprocessed|mixture|input) (?:.* )?"
            r"(?:pesq.*|e?stoi|(?:si )?s[dn]r.*)",
            "a score of the input",
        ),
        (
            Meaning.GAIN,
            r"(?:.* )?(?:si )?s[dn]r ?(?:i|imp|improvement|gain)(?: db)?"
            r"|(?:.* )?delta (?:si )?s[dn]r.*",
            "improvement",
        ),
        (Meaning.SI_SDR, r"(?:.* )?si s[dn]r(?: db)?", "SI-SDR"),
        (
            Meaning.SNR,
            r"(?!.*\b(?:seg|input|in|min|max|low|high|range|target|train|mix)\b)"
            r"(?:.* )?snr(?: db)?",
            "SNR",
        ),
        (
            Meaning.LEVEL_RATIO,
            r"(?:.* )?(?:rms|level|amp|amplitude|gain|volume) (?:ratio|percent)"
            r"|(?:.* )?output (?:amp|amplitude)(?: percent)?",
            "a ratio of levels",
        ),
        (
            Meaning.LEVEL_DB,
            r"(?:.* )?(?:level|gain|loudness) (?:error|diff|difference|bias|offset)(?: db)?"
            r"|(?:.* )?(?:rms|level|gain) ratio db",
            "a level against the reference",
        ),
        (
            Meaning.OUTPUT_LEVEL,
            r"(?:.* )?(?:ta|output|out|est|estimate|silent|residual) "
            r"(?:energy|level|rms|power|std)(?: db)?",
            "a level of the output",
        ),
        (
            Meaning.HIGHER,
            r"(?:.* )?(?:pesq|stoi|estoi|sisdri|sdr|sdri|psnr|seg snr|mos|dnsmos|visqol|csig|cbak"
            r"|covl|ovrl|accuracy|acc|f1|auc|bleu|warp ?q|nisqa|utmos)(?: .*)?",
            "a metric that is better higher",
        ),
        (
            Meaning.LOWER,
            r"(?:.* )?(?:wer|cer|mcd|lsd|eer|rmsae|doa error|angular error)(?: .*)?",
            "a metric that is better lower",
        ),
    )
)
_LOSS = re.compile(r"\b(?:loss|losses|nll|objective|cost|criterion)\b")
_TOTAL = re.compile(
    r"(?:(?:train|training|tr|total|g|gen|generator|step|epoch|batch|avg|mean|model|running|all"
    r"|overall|sum|nll|objective|cost|smoothed|interval|per) ?)*"
    r"(?:loss(?:es)?|nll|objective|cost)"
    r"(?: (?:train|training|total|g|gen|generator|step|epoch|avg|mean|all|sum|smoothed))*"
)
_PART = re.compile(
    r"(?:.* )?(?:recon|reconstruction|commit|commitment|vq|kl|mel|stft|adv|l1|l2|mse|mae"
    r"|feature matching|fm)(?: .*)?"
)
_VALIDATION = {"val", "valid", "validation", "dev", "test", "eval", "evaluation", "cv"}
_TRAINING = {"train", "training", "tr"}
_RUNNING_BEST = re.compile(r"best (?!mark|checkpoint|so far$).+|(?!is |new ).+ best")
_INPUT = {"noisy", "untreated", "unprocessed", "mixture"}
_BESIDE = re.compile(r".*(?:/(?:low|high|n|failed|std|sd|se|ci|count)|__M(?:IN|AX))")


def guess(name: str) -> Column:
    """What a column's name says that it is; `UNUSED` where it says nothing known."""
    if _BESIDE.fullmatch(name):
        return Column(name, Meaning.UNUSED, "goes with another column")
    words = spelled(name)
    flags = set(words.split())
    bare = " ".join(word for word in words.split() if word not in _VALIDATION) or words
    if _RUNNING_BEST.fullmatch(bare):
        return Column(name, Meaning.UNUSED, "a running best")
    for rule in _RULES:
        if re.fullmatch(rule.pattern, bare):
            if flags & _INPUT and rule.meaning != Meaning.UNTREATED:
                return Column(name, Meaning.UNUSED, "of the input, not of the output")
            return _known(name, rule, flags)
    if _LOSS.search(bare) or _PART.fullmatch(bare):
        return _loss(name, bare, flags)
    return Column(name, Meaning.UNUSED, "its name says nothing known")


def spelled(name: str) -> str:
    """A column's name in small words: `Val/siSDR [dB]` is "val si sdr db"."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.replace("dB", "db")).lower()
    name = re.sub(r"[^a-z0-9]+", " ", name.replace("%", " percent ")).strip()
    name = re.sub(r"\b(si) ?(s[dn]r)(i|imp)?\b", r"\1 \2 \3", name)
    name = re.sub(r"\b(s[dn]r)i\b", r"\1 i", name)
    name = re.sub(r"\b(train|val|valid|test|eval|disc|gen|total|grad)(loss|norm)\b", r"\1 \2", name)
    return " ".join(name.split())


def _known(name: str, rule: _Rule, flags: set[str]) -> Column:
    if rule.meaning in BETTER and flags & _TRAINING:
        return Column(name, Meaning.UNUSED, f"{rule.why}, but measured on training batches")
    if rule.meaning in BETTER and "loss" in flags:
        meaning = Meaning.VALIDATION_LOSS if flags & _VALIDATION else Meaning.TERM
        return Column(name, meaning, f"{rule.why} as a loss")
    return Column(name, rule.meaning, rule.why)


def _loss(name: str, bare: str, flags: set[str]) -> Column:
    total = _TOTAL.fullmatch(bare) is not None
    if flags & _VALIDATION:
        if total:
            return Column(name, Meaning.VALIDATION_LOSS, "a loss, on validation data")
        if not _LOSS.search(bare):
            return Column(name, Meaning.LOWER, "an error, on validation data")
        return Column(name, Meaning.UNUSED, "a part of the validation loss")
    if total:
        return Column(name, Meaning.LOSS, "a loss, not said to be of validation")
    return Column(name, Meaning.TERM, "a part of a loss")
