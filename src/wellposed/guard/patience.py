"""How often a thing must be seen before it is said, and what each look may cost."""

import itertools
import math
from collections.abc import Sequence


def sustained(budget: float) -> int:
    """Looks in a row that agree by chance with probability `budget`, if each is a toss of a coin.

    A state that holds in at most half of a healthy run's looks passes so many in a row no more
    often than that. 7 for the budget of 1 %.
    """
    return max(2, math.ceil(math.log2(1 / budget)))


def regular(steps: Sequence[int]) -> bool:
    """Whether these looks lie at equal distances: not those of a run's first steps, which crowd.

    What is seen in seven looks of the first 32 steps may still be the beginning; what is seen in
    seven regular ones has lasted.
    """
    return len({later - earlier for earlier, later in itertools.pairwise(steps)}) == 1


def level_at(budget: float, look: int) -> float:
    """Level of the test at look 1, 2, 3, ... when it is repeated without a planned end.

    `budget / (look (look + 1))`: all of them together spend the budget, however many follow.
    """
    return budget / (look * (look + 1))
