"""Learning rate as a pure function of the step: nothing to save, nothing to forget."""

import math

from wellposed.engine.sections import Schedule


def rate_factor(schedule: Schedule, step: int, steps: int) -> float:
    """Rate of `step` (0 is the first) relative to the peak, in a run of `steps`.

    A linear rise over `warmup_steps`, whose first step already moves, then the chosen shape
    down to `final_factor` at the last step.
    """
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    span = max(1, steps - 1 - schedule.warmup_steps)
    part = min(1.0, (step - schedule.warmup_steps) / span)
    if schedule.shape == "constant":
        return 1.0
    fall = part if schedule.shape == "linear" else 0.5 - 0.5 * math.cos(math.pi * part)
    return 1.0 + (schedule.final_factor - 1.0) * fall
