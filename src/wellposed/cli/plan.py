"""`wellposed plan`: what a run will cost, from a few measured steps."""

from dataclasses import dataclass
from functools import partial

from wellposed.cli.recipes import Wanted, read_arguments
from wellposed.engine.distributed import joined
from wellposed.engine.launch import prepared
from wellposed.engine.planning.measuring import STEPS, plan_run

FLAGS = """Flags of the recipe. Beside them: --price MONEY, --measured N, --json, --size NAME,
--data DIR and --steps N; see `wellposed plan --help`. Phases of a curriculum and criteria of the
validation have no flags: a YAML file states them, as `wellposed show SYSTEM` does."""


@dataclass
class Plan(Wanted):
    """Measure a few steps, scenes and checkpoints, and say what the whole run will take.

    Nothing is kept. Times are told as an interval, which holds that of 95 of 100 such runs.
    """

    price: float | None = None
    """Price of an hour of this machine, in any currency; without it no money is told."""
    measured: int = STEPS
    """Steps to measure, 2 or more; more make the interval narrower."""
    ranks: int = 1
    """Processes that torchrun will start; what they tell each other is not measured."""
    json: bool = False
    """Print JSON for machines."""


def plan(arguments: list[str]) -> int:
    """Say what a run will take."""
    head, kind, recipe = read_arguments(Plan, "wellposed plan", FLAGS, arguments)
    with joined(recipe.training.device) as world:
        budget = plan_run(
            partial(prepared, kind, recipe),
            world.device,
            ranks=head.ranks,
            steps=max(head.measured, 2),
            price=head.price,
        )
    print(budget.to_json() if head.json else budget.text())
    return 0
