"""Any system is a problem that can be audited."""

import pytest
import torch
import toy

from wellposed.engine.problem import problem_of
from wellposed.errors import RunError
from wellposed.guard.audit.problem import audit_problem
from wellposed.guard.audit.problem.rehearsal import Rehearsal


@pytest.mark.parametrize("player", [0, 1])
def test_networks_of_one_player_are_asked(player):
    system = toy.Duel(toy.recipe(toy.Duel))
    problem = problem_of(system, system.players[player])
    audit = audit_problem(problem, only=("parameters_move",))
    assert audit.findings == ()
    count = len(list(system.build()[system.players[player].networks[0]].parameters()))
    assert audit.numbers["parameters"] == count


def test_batches_terms_weights_and_plan_are_those_of_the_run():
    system = toy.Toy(toy.recipe(training={"batch_size": 3, "steps": 7}))
    problem = problem_of(system)
    assert torch.equal(problem.batch(2)["clean"][0], system.item("train", 6)["clean"])
    assert problem.weight("size") == 0.1
    assert problem.plan.steps == 7
    assert len(problem.validation) == 4
    assert torch.equal(problem.validation[1]["clean"][0], system.item("valid", 1)["clean"])
    assert set(problem.terms(problem.build(), problem.batch(0))) == {"square", "size"}


def test_what_a_system_draws_differs_from_step_to_step_and_is_the_same_at_every_call():
    problem = problem_of(toy.Toy(toy.recipe(model={"dropout": 0.5})))
    rehearsal = Rehearsal(problem)
    # In evaluation mode only what the moment's generator draws is left to chance.
    networks = {name: each.eval() for name, each in problem.build().items()}
    first, second, again = (
        rehearsal.terms(networks, problem.batch(0), step)["square"] for step in (0, 1, 0)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_a_system_that_shows_no_estimate_says_what_to_do():
    problem = problem_of(toy.Toy(toy.recipe()))
    with pytest.raises(RunError, match=r"call moment\.show"):
        problem.estimate(problem.build(), problem.batch(0))
