"""Terms of locating: finite gradients that are not zero, and less on the way to the truth."""

import pytest
import torch
from little_locator import batch_of, line_system, network_of, system

from wellposed.engine.randomness import generator
from wellposed.engine.system import Moment
from wellposed.systems.locate.ideal import between, ideal
from wellposed.systems.locate.objective import locate_terms, weights_of
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.truth import Truth

NAMES = tuple(weights_of(LocateRecipe()))
FRONTS = {"surface": system, "line": line_system}


@pytest.fixture(scope="module", params=FRONTS)
def asked(request):
    made = FRONTS[request.param](scenes__sources=(1, 3))
    batch = batch_of(made, 6)
    network = network_of(made)
    with torch.no_grad():
        begun = network(*(batch[name] for name in network.front.inputs))
    best = ideal(begun, Truth.of(batch), network.cells, network.elements)
    return made, batch, network, begun, best


@pytest.mark.parametrize("name", NAMES)
def test_a_term_falls_on_the_way_to_the_truth_and_ends_near_zero(asked, name):
    system, batch, network, begun, best = asked
    if name not in weights_of(system.recipe):
        pytest.skip("sources before a line have no range")
    values = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        made = between(begun, best, share)
        terms = locate_terms(made, Truth.of(batch), network.cells, network.elements)
        values.append(float(terms[name].mean()))
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]
    assert abs(values[-1]) < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_a_term_has_a_finite_gradient_that_is_not_zero(asked, name):
    system, batch, network, _, _ = asked
    if name not in weights_of(system.recipe):
        pytest.skip("sources before a line have no range")
    network.zero_grad(set_to_none=True)
    proposed = network(*(batch[name] for name in network.front.inputs))
    terms = locate_terms(proposed, Truth.of(batch), network.cells, network.elements)
    terms[name].mean().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(bool(torch.isfinite(each).all()) for each in gradients)
    assert sum(float(each.abs().sum()) for each in gradients) > 0


def test_the_order_of_the_sources_changes_no_term(asked):
    _, batch, network, begun, _ = asked
    truth = Truth.of(batch)
    turned = truth._replace(places=truth.places.clone(), strength=truth.strength.clone())
    for row, count in enumerate(truth.count.tolist()):
        turned.places[row, :count] = truth.places[row, :count].flip(0)
        turned.strength[row, :count] = truth.strength[row, :count].flip(0)
    first, second = (
        locate_terms(begun, each, network.cells, network.elements) for each in (truth, turned)
    )
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("front", FRONTS)
def test_every_term_depends_on_what_is_shown(front):
    # Ten sensors have 35 cells: the root then begins at an odd place of what is shown.
    given = {"scenes__line__sensors": 10} if front == "line" else {}
    made = FRONTS[front](scenes__sources=(1, 3), **given)
    batch, network = batch_of(made, 1), network_of(made)
    moment = Moment(0, generator(torch.device("cpu"), 0, "test"))
    terms = made.terms("model", {"model": network}, batch, moment)
    for term in terms.values():
        (slope,) = torch.autograd.grad(term.sum(), moment.shown["estimate"], retain_graph=True)
        assert bool((slope.abs().sum(-1) > 0).all())


def test_the_labels_reach_neither_the_estimate_nor_its_covariance():
    made = system()
    batch = batch_of(made, 3)
    network = network_of(made)
    shown = []
    for changed in (
        batch,
        batch | {"places": batch["places"].flip(0), "count": batch["count"] * 0 + 1},
    ):
        moment = Moment(0, generator(torch.device("cpu"), 0, "test"))
        with torch.no_grad():
            made.terms("model", {"model": network}, changed, moment)
        shown.append(moment.shown["estimate"])
    assert torch.equal(*shown)
