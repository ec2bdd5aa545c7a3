"""The array that finds directions: well as it is, and each story of it shows what it says."""

import math

import pytest
import torch

from wellposed.engine.randomness import generator
from wellposed.engine.system import Moment
from wellposed.faults.bearings import SENSORS, SOURCES, Bearings, BearingsRecipe, truth
from wellposed.faults.stories import all_stories
from wellposed.faults.stories.bearings import Loaded, RankWasInnocent


def gradient(system: Bearings, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Of the weighted loss of the first batch, in all parameters."""
    torch.manual_seed(0)
    network = system.build()["model"].to(dtype)
    batch = system.collate([system.item("train", number) for number in range(4)])
    batch = {name: each.to(dtype) for name, each in batch.items()}
    moment = Moment(0, generator(torch.device("cpu"), 0, "test"))
    terms = system.terms("model", {"model": network}, batch, moment)
    loss = torch.stack([system.weights("model")[k] * v.mean() for k, v in terms.items()]).sum()
    assert bool(loss.isfinite())
    loss.backward()
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


def with_attributes(**changes: object) -> Loaded:
    system = Loaded(BearingsRecipe())
    vars(system).update(changes)
    return system


@pytest.mark.parametrize("changes", [{}, {"blended": True}, {"loading": 10.0}])
def test_a_loaded_covariance_has_no_gradient_through_eigenvectors_whatever_its_rank(changes):
    assert not bool(gradient(with_attributes(**changes)).isfinite().all())


def test_double_precision_does_not_untie_eigenvalues():
    assert not bool(gradient(with_attributes(), torch.float64).isfinite().all())


@pytest.mark.parametrize("changes", [{"loading": 0.0}, {"way": "projector"}])
def test_a_rank_of_five_is_innocent_and_so_is_loading_before_a_projector(changes):
    assert bool(gradient(with_attributes(**changes)).isfinite().all())


def test_the_terms_of_the_truth_are_known_on_paper():
    system = Bearings(BearingsRecipe())
    batch = system.collate([system.item("valid", number) for number in range(3)])
    terms = system.compared(truth(batch), batch)
    assert terms["covariance"].abs().max() == 0
    assert float(terms["subspace"].abs().max()) < 1e-5
    # Each source's own power is half of the trace, and its beam gathers that of all sensors.
    assert float(terms["peak"].max()) < -math.log(0.5 / SOURCES)
    assert truth(batch).shape == (3, SENSORS, SENSORS)


def test_the_conjugate_of_a_response_hears_nothing_of_its_source():
    system = Bearings(BearingsRecipe())
    batch = system.collate([system.item("valid", number) for number in range(8)])
    right = system.compared(truth(batch), batch)["peak"].median()
    system.conjugated = True
    wrong = system.compared(truth(batch), batch)["peak"].median()
    assert float(wrong - right) > math.log(100)


def test_the_story_is_found_and_its_variants_are_attributes_of_the_system():
    assert all_stories()["rank-was-innocent"] is RankWasInnocent
    system = RankWasInnocent.system(RankWasInnocent.recipe())
    for each in system.interventions():
        assert all(hasattr(system, name) for name in each.attributes())
    again = system.with_recipe(system.recipe)
    assert isinstance(again, Loaded)
    assert again.way == "eigh"
