"""SNR-equivalents: what an estimate is worth is the SNR of a noisy one that costs as much.

A loss has a unit of its own; decibels of SNR have a meaning. Estimates from 60 to -40 dB are
priced every 5 dB, with the same noise at every step so that steps compare in pairs, and the price
in question is found between two of them by asking for two more.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

from .asked import Asked
from .probes import Probes

HIGHEST_DB, LOWEST_DB, STEP_DB = 60, -40, 5
"""60 dB is below the quantisation of 10 bits, at -40 dB nothing is left of the reference."""

GOOD_DB = 20.0
"""SNR of a good estimate, where gains, transforms and gradients are measured. What costs no more
than this without resembling the reference is a cheat."""


@dataclass
class Ladder:
    """Prices of noisy estimates by their SNR [dB]."""

    asked: Asked
    probes: Probes
    prices: dict[float, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Price every step."""
        for snr_db in range(HIGHEST_DB, LOWEST_DB - 1, -STEP_DB):
            self.price(float(snr_db))

    def price(self, snr_db: float) -> float:
        """Loss of estimates at this SNR."""
        if snr_db not in self.prices:
            estimate = self.probes.noisy(snr_db)
            self.prices[snr_db] = self.asked.value(estimate, self.probes.reference)
        return self.prices[snr_db]

    def worth(self, price: float) -> float:
        """SNR [dB] at which a noisy estimate costs `price`; +-inf beyond the ladder.

        Where the ladder is not monotone: the best SNR that costs no less.
        """
        if math.isnan(price):
            return math.nan
        above = self._first_costing(price)
        if above is None:
            return -math.inf
        if above == max(self.prices):
            return math.inf
        for _ in range(2):
            below = self._better(above)
            if abs(self.prices[above] - self.prices[below]) == 0:
                return above
            self.price(self._between(price, above, below))
            above = self._first_costing(price)
            if above is None or above == max(self.prices):
                return math.inf if above else -math.inf
        return self._between(price, above, self._better(above))

    def rises(self, tolerance: float) -> list[tuple[float, float]]:
        """Steps (worse SNR, better SNR) on which the better estimate costs more."""
        steps = sorted(self.prices)
        pairs = pairwise(steps)
        return [(a, b) for a, b in pairs if self.prices[b] > self.prices[a] + tolerance]

    def _first_costing(self, price: float) -> float | None:
        """The best SNR that costs no less than `price`."""
        enough = [snr for snr, each in self.prices.items() if each >= price]
        return max(enough, default=None)

    def _better(self, snr_db: float) -> float:
        return min(each for each in self.prices if each > snr_db)

    def _between(self, price: float, worse: float, better: float) -> float:
        high, low = self.prices[worse], self.prices[better]
        share = (high - price) / (high - low) if high > low else 0.0
        return worse + share * (better - worse)
