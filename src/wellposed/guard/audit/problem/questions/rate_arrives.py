"""Can the planned rate and steps move every weight by its own length?

Signal: the longest relative step norm(dw)/norm(w) of the first steps at the peak rate, times the
sum of the planned rates over the peak: the longest way there is. Threshold P (the plan) and R (the
weight's own length), as in the check `lr_arrival`: below 1 a weight cannot travel its length; below
1 / sqrt(smaller dimension) not even one direction can change by what the strongest one is worth:
FAIL where that holds for the weights with half of all entries. A step longer than the weight itself
destroys it (WP117).
"""

import math

from ....findings import Severity
from ...verdict import Answer, Part, bad
from ..rehearsal import STEPS, Rehearsal
from ..unasked import Unasked

QUESTION = "existence"
CODES = ("WP104", "WP117")
QUICK = True
GRID = 1000
"""Steps at which the planned rate is asked: smooth enough for its mean."""


def ask(rehearsal: Rehearsal) -> Part:
    """Measure the first steps, and add up the planned ones."""
    plan = rehearsal.problem.plan
    if not plan.steps:
        raise Unasked("the plan names no number of steps")
    if plan.fine_tuning:
        raise Unasked("the plan is fine-tuning: short ways are meant")
    begun = rehearsal.beginning
    steps, reaches, sizes = {}, {}, {}
    for name, weight in begun.before.items():
        taken = [each for each in begun.steps[name] if not math.isnan(each)]
        # Vectors (biases, norms) begin at 0 or 1; what they must travel is not their length.
        if weight.ndim > 1 and taken:
            steps[name], sizes[name] = max(taken), weight.numel()
            reaches[name] = max(taken) * math.sqrt(min(weight.shape[0], weight[0].numel()))
    if not steps:
        raise Unasked("no weight of two dimensions or more began away from 0")
    planned = _planned(rehearsal)
    numbers = {
        "planned_steps_at_full_rate": planned,
        "longest_way": {name: each * planned for name, each in steps.items()},
    }
    return Part([_arrives(rehearsal, steps, reaches, sizes, planned), *_whole(steps)], numbers)


def _arrives(
    rehearsal: Rehearsal,
    steps: dict[str, float],
    reaches: dict[str, float],
    sizes: dict[str, int],
    planned: float,
) -> Answer:
    slowest = min(steps, key=lambda name: steps[name])
    short = [name for name in steps if steps[name] * planned < 1]
    stuck = [name for name in steps if reaches[name] * planned < 1]
    if not short:
        way = steps[slowest] * planned
        return Answer(
            QUESTION,
            f"the plan can move each of {len(steps)} weights by its own length; the slowest, "
            f"{slowest}, {way:.2g} times",
        )
    most = 2 * sum(sizes[name] for name in stuck) >= sum(sizes.values())
    # Gradients may grow later: of a few weights it is a remark, of most of them the plan's fault.
    severity = Severity.FAIL if most else Severity.INFO
    name = min(stuck or short, key=lambda each: steps[each])
    way = steps[name] * planned
    return bad(
        QUESTION,
        "WP104",
        severity,
        f"with the gradients of the beginning, {name} can travel {way:.2g} of its length over all "
        f"{rehearsal.problem.plan.steps} planned steps; {len(short)} of {len(steps)} weights "
        "cannot travel their own",
        {
            "subject": name,
            "longest_way": way,
            "way_over_strongest_direction": reaches[name] * planned,
            "largest_relative_step": steps[name],
            "planned_steps_at_full_rate": planned,
            "largest_gradient": max(g or 0.0 for g in rehearsal.beginning.gradients[name]),
            "weights_below_their_length": len(short),
            "weights_that_cannot_turn": len(stuck),
        },
        suspects=(
            ("the learning rate", "ten times of it from the same start: the loss falls"),
            ("the gradients", "their norm per layer: vanishing ones move nothing"),
            ("eps of Adam (1e-8)", "smaller gradients are divided by it: a thousandth of eps"),
        ),
        advice=f"a learning rate {1 / way if way > 0 else math.inf:.2g} times as high, or more "
        "steps; Plan(fine_tuning=True) where small steps are meant",
    )


def _whole(steps: dict[str, float]) -> list[Answer]:
    """Say so when the median weight is left behind by a single step."""
    ordered = sorted(steps, key=lambda name: steps[name])
    name = ordered[len(ordered) // 2]
    if steps[name] <= 1:
        return []
    return [
        bad(
            QUESTION,
            "WP117",
            Severity.WARN,
            f"one of the first {STEPS} steps at the peak rate is {steps[name]:.2g} times as long "
            f"as the median weight, {name}",
            {"subject": name, "largest_relative_step": steps[name]},
            suspects=(("the learning rate", "a tenth of it from the same start"),),
            advice="a lower rate, or a warm-up",
        )
    ]


def _planned(rehearsal: Rehearsal) -> float:
    """Planned steps, each counted with its rate relative to the peak."""
    plan = rehearsal.problem.plan
    steps = plan.steps or 0
    if plan.rate is None:
        return float(steps)
    asked = min(steps, GRID)
    return sum(plan.rate(place * steps // asked) for place in range(asked)) * steps / asked
