"""A run is killed and resumed in real processes; what is lost on the way is named."""

import forgetful
import pytest
import torch
from toy import Duel, Toy, recipe

from wellposed.engine.rehearsal.resumption import Rehearsed, _bad, rehearse, resume_part, short
from wellposed.engine.rehearsal.witness import flatten, named_state
from wellposed.errors import RunError
from wellposed.guard import rule_codes


@pytest.mark.slow
def test_a_sound_system_is_resumed_to_the_bit():
    (answer,) = resume_part(Duel, recipe(Duel)).answers
    assert answer.word == "ok"
    assert "killed in step 3 of 6 and resumed: all" in answer.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (forgetful.Attribute, "attribute model.seen"),
        (forgetful.Buffer, "buffer model.level, which no checkpoint holds"),
        (forgetful.Generator, "generator system.draws (torch)"),
        (forgetful.Global, "module forgetful['STEPS_SEEN']"),
    ],
)
def test_a_state_outside_of_the_checkpoint_is_found_and_named(kind, named):
    part = resume_part(kind, recipe(kind))
    (finding,) = [each.finding for each in part.answers]
    assert finding is not None
    assert finding.code == "WP320"
    assert finding.severity == "FAIL"
    assert f"{named} is not what it was" in finding.title
    assert finding.evidence["first_difference"].startswith("step 3, train: values loss")
    assert finding.evidence["repeats_undisturbed"] == "True"


@pytest.mark.slow
def test_a_run_that_does_not_repeat_even_undisturbed_is_told_as_such():
    done = rehearse(forgetful.Restless, recipe(forgetful.Restless))
    assert not done.repeats
    assert "the same run twice, undisturbed, is not the same: step 1" in _bad(done).text


def test_a_system_that_no_other_process_can_import_is_refused():
    class Local(Toy):
        pass

    with pytest.raises(RunError, match="another process cannot import it"):
        rehearse(Local, recipe())


def test_a_difference_without_a_suspect_says_where_it_began():
    done = Rehearsed(7, "", ("optimizer model: exp_avg of model.out.weight",), (), True)
    answer = _bad(done)
    assert answer.text == (
        "a resumed run is another run: optimizer model: exp_avg of model.out.weight"
    )
    assert answer.finding is not None
    assert answer.finding.code in rule_codes()


def test_the_short_run_validates_and_saves_before_the_kill_and_after_it():
    made = short(recipe(curriculum=[{"from_step": 5, "changes": {"scenes.noise": 0.2}}]))
    assert made.curriculum == ()
    assert (made.training.steps, made.training.checkpoint_every) == (6, 2)
    assert made.validation.every == 2


def test_moments_bear_the_names_of_their_parameters():
    state = {
        "networks": {"model": {"out.weight": torch.zeros(2)}},
        "optimizers": {
            "model": {
                "state": {0: {"exp_avg": torch.ones(2), "step": torch.tensor(3.0)}},
                "param_groups": [{"lr": 0.1}],
            }
        },
        "average": {"updates": 3},
    }
    found = dict(named_state(state, {"model": ["model.out.weight"]}))
    assert "optimizer model: exp_avg of model.out.weight" in found
    assert found["optimizer model: group 0 lr"] == "0.1"
    assert "weights model out.weight" in found


def test_a_tensor_differs_by_one_bit_or_by_its_type():
    one, other = torch.zeros(3), torch.zeros(3)
    other[1] = torch.finfo(torch.float32).smallest_normal
    leaves = [dict(flatten(each, "x"))["x"] for each in (one, other, one.double())]
    assert len(set(leaves)) == 3
