"""How often a thing must be seen before it is said, and what each look may cost."""

import math


def sustained(budget: float) -> int:
    """Looks in a row that agree by chance with probability `budget`, if each is a toss of a coin.

    A state that holds in at most half of a healthy run's looks passes so many in a row no more
    often than that. 7 for the budget of 1 %.
    """
    return max(2, math.ceil(math.log2(1 / budget)))


def level_at(budget: float, look: int) -> float:
    """Level of the test at look 1, 2, 3, ... when it is repeated without a planned end.

    `budget / (look (look + 1))`: all of them together spend the budget, however many follow.
    """
    return budget / (look * (look + 1))
