"""A sequential test: has an intervention removed a symptom, or has it not, and how sure is that?

Replays come in pairs, a control and a treated one under the same other randomness. Two wealths grow
and shrink with every pair, and each may be looked at whenever one likes: by Ville's inequality the
wealth of a bet that is fair under a hypothesis ever reaches 1 / level with a probability of at most
`level` if that hypothesis is true (Ville, 1939; Shafer, "Testing by betting", 2021; Ramdas et al.,
"Game-theoretic statistics and safe anytime-valid inference", arXiv:2210.01948).

- *It does nothing*: treated replays show the symptom as often as controls. The bet is the
  e-variable of two samples of Turner, Ly and Grünwald, "Generic E-variables for exact sequential
  k-sample tests that allow for optional stopping", arXiv:2106.02693: for a control that shows y and
  a treated one that shows z, p(y) q(z) / (m(y) m(z)) with m = (p + q) / 2 and any p, q fixed before
  the pair. Its mean is 1 at most when both rates are equal and the two are independent. Pairs have
  their randomness in common, so that both tend to the same answer; then it is less: as
  p (1 - q) + q (1 - p) >= 2 m (1 - m), pairs that agree pay less than those that do not.
- *It removes the symptom* in half of the replays or more that would show it. The bet is the ratio
  of likelihoods of a smaller rate to one half, at every control that has shown it.

What is bet on follows from pairs before (the posterior mean of a Beta prior), never from the pair.
"""

from dataclasses import dataclass
from math import exp, inf, lgamma, log

LEVEL = 0.05
"""False convictions of an explanation, all suspects together; and false acquittals of a suspect.
Where a second look may follow, from the start, each of the two has half of it."""
REMOVES = 0.5
"""A suspect whose intervention removes the symptom less often than this is no cause of it."""
EXPECTED = 0.95
"""Rate that the first bets are on: controls show the symptom, treated ones do not, one in twenty
aside. Any value is valid; those near 1 win most where a cause is clear."""
PRIOR = 4.0
"""Pairs that this guess counts for, beside those that were seen."""


@dataclass
class Wealth:
    """What was seen of a suspect so far, and both wealths."""

    control_shown: int = 0
    treated_shown: int = 0
    pairs: int = 0
    removed: int = 0
    """Pairs whose control showed the symptom and whose treated replay did not."""
    kept: int = 0
    """Pairs in which both showed it."""
    log_does_nothing: float = 0.0
    """Logarithm of the wealth against "it does nothing"."""
    log_removes: float = 0.0
    """Logarithm of the wealth against "it removes the symptom"."""

    def see(self, control: bool, treated: bool) -> None:
        """Take in a pair."""
        p = _mean(self.control_shown, self.pairs, EXPECTED)
        q = _mean(self.treated_shown, self.pairs, 1 - EXPECTED)
        # Bets on the symptom coming back more often than in controls are not what is asked.
        self.log_does_nothing += log_e(p, q, control, treated) if p > q else 0.0
        if control:
            rate = min(_mean(self.removed, self.removed + self.kept, 1 - EXPECTED), REMOVES)
            ratio = (1 - rate) / (1 - REMOVES) if treated else rate / REMOVES
            self.log_removes += log(ratio)
            self.removed += not treated
            self.kept += treated
        self.control_shown += control
        self.treated_shown += treated
        self.pairs += 1

    def convicts(self, suspects: int, level: float = LEVEL) -> bool:
        """Whether "it does nothing" is refuted, when so many suspects were asked for at once."""
        return self.log_does_nothing >= log(suspects / level)

    def acquits(self, level: float = LEVEL) -> bool:
        """Whether "it removes the symptom" is refuted."""
        return self.log_removes >= log(1 / level)

    @property
    def share(self) -> float:
        """Share of the controls' symptoms that were removed; NaN before any was seen."""
        seen = self.removed + self.kept
        return self.removed / seen if seen else float("nan")

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Interval of that share, which holds at all times at once; see `share_interval`."""
        return share_interval(self.removed, self.kept, level)


def log_e(p: float, q: float, control: bool, treated: bool) -> float:
    """Logarithm of the two-sample e-variable for one pair, bet on rates `p` and `q`."""
    m = (p + q) / 2
    one = log((p if control else 1 - p) / (m if control else 1 - m))
    other = log((q if treated else 1 - q) / (m if treated else 1 - m))
    return one + other


def share_interval(ones: int, zeros: int, level: float = LEVEL) -> tuple[float, float]:
    """Rates of a coin against which a bet has not won 1 / level, whenever one looks.

    The bet is the Beta(1/2, 1/2) mixture of all rates (Robbins, 1970; Howard et al., "Time-uniform,
    nonparametric, nonasymptotic confidence sequences", arXiv:1810.08240).
    """
    half = lgamma(0.5)
    mixture = (
        lgamma(ones + 0.5) + lgamma(zeros + 0.5) - lgamma(ones + zeros + 1) - 2 * half + lgamma(1)
    )

    def keeps(rate: float) -> bool:
        against = ones * _log(rate) + zeros * _log(1 - rate)
        return mixture - against < log(1 / level)

    top = ones / (ones + zeros) if ones + zeros else 0.5
    return _edge(keeps, top, 0.0), _edge(keeps, top, 1.0)


def _edge(keeps, inside: float, end: float) -> float:
    if keeps(end):
        return end
    for _ in range(50):
        middle = (inside + end) / 2
        inside, end = (middle, end) if keeps(middle) else (inside, middle)
    return inside


def _log(value: float) -> float:
    return log(value) if value > 0 else -inf


def _mean(ones: int, number: int, guess: float) -> float:
    return (ones + PRIOR * guess) / (number + PRIOR)


def smallest_conviction(suspects: int, level: float = LEVEL) -> int:
    """Pairs that a clear cause needs: every control shows the symptom, no treated replay does."""
    wealth = Wealth()
    while not wealth.convicts(suspects, level):
        wealth.see(control=True, treated=False)
    return wealth.pairs


def smallest_acquittal(level: float = LEVEL) -> int:
    """Pairs that a clear innocent needs: all show the symptom."""
    wealth = Wealth()
    while not wealth.acquits(level):
        wealth.see(control=True, treated=True)
    return wealth.pairs


def as_number(log_wealth: float) -> float:
    """A wealth that JSON can hold."""
    return exp(min(log_wealth, 700.0))
