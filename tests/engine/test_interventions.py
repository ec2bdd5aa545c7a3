"""Every intervention changes one thing: a run with it is compared with one without."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from explained import Broken, Pulled, case, small
from torch import Tensor
from toy import Duel, Toy, recipe

from wellposed.engine.distributed import World
from wellposed.engine.explain.replaying import Watcher, _Replayed
from wellposed.engine.interventions import RecipeChange, Variant, Without, as_yaml
from wellposed.engine.interventions.altered import altered
from wellposed.engine.interventions.registry import named, offered
from wellposed.engine.recipe import changed
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.errors import RecipeError


class Taken:
    """A run of a few steps under interventions, and what there was at its steps."""

    def __init__(self, path: Path, names: tuple[str, ...] = (), kind: Any = Toy, **changes: Any):
        path.mkdir(parents=True, exist_ok=True)
        plain = kind(recipe(kind, **changes))
        done = [named(name, plain) for name in names]
        self.system = altered(kind, plain.recipe, done)
        folder = RunFolder(path)
        watcher = Watcher(folder, self.system.recipe, case().symptom, "")
        self.run = _Replayed(self.system, folder, World(0, 1, torch.device("cpu")), watcher, done)
        self.before = self.weights()
        for each in done:
            each.ready(self.run)
        self.done = done

    def steps(self, number: int) -> list[dict[str, float]]:
        """Take steps; their values."""
        found = []
        for step in range(number):
            batch = self.run.batches.batch(step)
            values = self.run.stepper.step(self.run.batches.system_at(step), batch, step)
            found.append({name: float(value) for name, value in (values or {}).items()})
        return found

    def weights(self) -> dict[str, Tensor]:
        """All tensors."""
        return {
            f"{name}/{key}": value.clone()
            for name, network in self.run.networks.items()
            for key, value in network.state_dict().items()
        }


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether all have the same bits."""
    return all(torch.equal(first[name], second[name]) for name in first)


def test_nothing_changed_is_the_same_run_bit_for_bit(tmp_path):
    plain, other = Taken(tmp_path / "a"), Taken(tmp_path / "b")
    assert plain.steps(3) == other.steps(3)
    assert same(plain.weights(), other.weights())


def test_a_term_that_is_left_out_is_a_weight_of_zero_in_the_recipe(tmp_path):
    dropped = Taken(tmp_path / "a", ("drop-term:size",))
    weightless = Taken(tmp_path / "b", loss={"size": 0.0})
    values = dropped.steps(3)
    assert "loss/size" not in values[0]
    assert [row["loss/square"] for row in values] == [
        row["loss/square"] for row in weightless.steps(3)
    ]
    assert same(dropped.weights(), weightless.weights())
    (change,) = dropped.done
    assert change.proposal(recipe()) == {"loss.size": 0.0}
    assert yaml.safe_load(as_yaml(change.proposal(recipe()))) == {"loss": {"size": 0.0}}


def test_a_term_reweighed_has_the_bits_of_the_recipe_that_it_proposes(tmp_path):
    heavier = Taken(tmp_path / "a", ("reweight-term:size:10",))
    proposed = heavier.done[0].proposal(recipe())
    assert proposed == {"loss.size": pytest.approx(1.0)}
    written = Taken(tmp_path / "b", loss={"size": proposed["loss.size"]})
    heavier.steps(3), written.steps(3)
    assert same(heavier.weights(), written.weights())


def test_a_frozen_network_keeps_its_bits_and_the_other_learns(tmp_path):
    frozen = Taken(tmp_path, ("freeze:critic",), kind=Duel)
    frozen.steps(2)
    after = frozen.weights()
    kept = {key for key, value in after.items() if torch.equal(value, frozen.before[key])}
    assert {key for key in after if key.startswith("critic")} <= kept
    assert "model/out.weight" not in kept


def test_a_reset_network_is_fresh_and_the_other_is_as_it_was(tmp_path):
    reset = Taken(tmp_path, ("reset-network:critic",), kind=Duel)
    after = reset.weights()
    assert not torch.equal(after["critic/0.weight"], reset.before["critic/0.weight"])
    assert torch.equal(after["model/out.weight"], reset.before["model/out.weight"])


def test_moments_are_forgotten_and_weights_stay(tmp_path):
    taken = Taken(tmp_path)
    taken.steps(2)
    before = taken.weights()
    named("reset-moments", taken.system).ready(taken.run)
    assert all(not each.state for each in taken.run.moving.optimizers.values())
    assert same(before, taken.weights())


@pytest.mark.parametrize(
    ("name", "key", "factor"),
    [("rate:0.25", "learning_rate", 0.25), ("clip:0.01", "clip_norm", 0.01 / 0.5)],
)
def test_the_recipe_of_a_rate_or_a_clip_differs_in_one_value(name, key, factor):
    plain = recipe()
    change = named(name, Toy(plain))
    changes = change.changes(plain)
    assert list(changes) == [f"optimizer.{key}"]
    assert changes[f"optimizer.{key}"] == pytest.approx(factor * getattr(plain.optimizer, key))
    assert change.blunt


def test_a_quarter_of_the_rate_is_given_four_times_as_many_steps():
    assert named("rate:0.25", Toy(recipe())).stretch == 4
    assert named("rate:2", Toy(recipe())).stretch == 1


def test_a_skipped_batch_is_the_next_one_and_a_repeated_one_stays(tmp_path):
    plain = Taken(tmp_path / "a").run.batches
    skipped = Taken(tmp_path / "b", ("skip-batch:2",)).run.batches
    repeated = Taken(tmp_path / "c", ("repeat-batch:1",)).run.batches
    assert [skipped.keys(step)[0] // 4 for step in range(4)] == [0, 1, 3, 4]
    assert [repeated.keys(step)[0] // 4 for step in range(4)] == [0, 1, 1, 1]
    assert torch.equal(skipped.batch(2)["noisy"], plain.batch(3)["noisy"])


def test_an_excluded_item_is_replaced_and_its_neighbours_stay(tmp_path):
    plain = Taken(tmp_path / "a").run.batches.batch(0)["noisy"]
    without = Taken(tmp_path / "b", ("without-item:2",)).run.batches.batch(0)["noisy"]
    assert [torch.equal(a, b) for a, b in zip(plain, without, strict=True)] == [
        True, True, False, True,
    ]  # fmt: skip


def test_another_order_changes_training_scenes_and_no_validation_scene(tmp_path):
    plain, other = Taken(tmp_path / "a"), Taken(tmp_path / "b", ("other-order:1",))
    assert not torch.equal(plain.run.batches.batch(0)["noisy"], other.run.batches.batch(0)["noisy"])
    assert torch.equal(
        plain.system.item("valid", 0)["noisy"], other.system.item("valid", 0)["noisy"]
    )
    assert same(plain.weights(), other.weights())


def test_another_seed_changes_weights_and_scenes(tmp_path):
    plain, other = Taken(tmp_path / "a"), Taken(tmp_path / "b", ("seed:5",))
    assert not same(plain.weights(), other.weights())
    assert other.system.recipe.seed == 5


def test_jitter_moves_weights_by_a_little_and_draws_differ(tmp_path):
    runs = [Taken(tmp_path / str(n), (f"jitter:{n}",)) for n in (1, 2)]
    for each in runs:
        gap = (each.weights()["model/out.weight"] / each.before["model/out.weight"] - 1).abs()
        assert 0 < gap.max() < 6 * 2.0**-12
    assert not same(runs[0].weights(), runs[1].weights())


def test_in_float64_the_same_steps_agree_to_the_rounding_of_float32(tmp_path):
    plain, wide = Taken(tmp_path / "a"), Taken(tmp_path / "b", ("float64",))
    with wide.done[0].during():
        values = wide.steps(3)
    assert wide.weights()["model/out.weight"].dtype == torch.float64
    for narrow, row in zip(plain.steps(3), values, strict=True):
        assert row["loss"] == pytest.approx(narrow["loss"], rel=1e-4)
        assert row["loss"] != narrow["loss"]


def test_half_precision_is_widened_too(tmp_path):
    wide = Taken(tmp_path, ("float64",)).done[0]
    with wide.during():
        assert torch.ones(2).half().dtype == torch.float64
        assert torch.ones(2).to(torch.float32).dtype == torch.float64
        assert torch.ones(2, dtype=torch.complex64).dtype == torch.complex128


def test_limits_on_both_sides_are_gone_and_a_floor_stays():
    (change,) = [each for each in offered(Toy(recipe()), 0) if each.name == "without-clamps"]
    learned = torch.tensor([-2.0, 2.0], requires_grad=True)
    with change.during():
        assert torch.equal(learned.clamp(-1, 1), learned)
        assert torch.equal(torch.clamp(learned, min=-1, max=1), learned)
        assert learned.clamp(min=0)[0] == 0
        assert torch.tensor([2.0]).clamp(-1, 1) == 1
    assert learned.clamp(-1, 1)[0] == -1


def test_deterministic_kernels_are_asked_for_and_given_back():
    change = named("deterministic", Toy(recipe()))
    with change.during():
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_another_initialisation_begins_elsewhere(tmp_path):
    plain, other = Taken(tmp_path / "a"), Taken(tmp_path / "b", ("initialise:orthogonal",))
    made = other.weights()["model/walk.weight_hh_l0"]
    assert torch.allclose(made.T @ made, torch.eye(made.shape[1]), atol=1e-5)
    assert torch.equal(plain.weights()["model/out.bias"], other.weights()["model/out.bias"])


def test_a_variant_sets_an_attribute_of_this_object_alone():
    plain = Pulled(small())
    system = altered(Pulled, plain.recipe, [named("no-pull", plain)])
    assert getattr(system.held, "pull", None) == 0
    assert Pulled.pull == 1
    phase = system.with_recipe(plain.recipe)
    assert getattr(phase.held, "pull", None) == 0


def test_a_recipe_change_is_read_as_yaml_and_checked_by_the_recipe():
    change = RecipeChange.of("loss.size=0.5")
    assert dict(change.changes(recipe())) == {"loss.size": 0.5}
    with pytest.raises(RecipeError, match="did you mean"):
        altered(Toy, recipe(), [RecipeChange.of("loss.siz=0.5")])
    assert changed(recipe(), change.changes(recipe()), "x").loss.size == 0.5


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("drop-trem:size", "did you mean drop-term"),
        ("rate:fast", "rate:fast"),
        ("reweight-term:0.5", "wanted reweight-term:NAME:FACTOR"),
        ("recipe:loss.size", "wanted recipe:KEY=VALUE"),
    ],
)
def test_a_name_that_is_none_is_told(name, said):
    with pytest.raises(RecipeError, match=said):
        named(name, Toy(recipe()))


@pytest.mark.parametrize(
    ("name", "start", "said"),
    [
        ("drop-term:nothing", 0, "there are square, size"),
        ("freeze:model", 0, "all there is"),
        ("freeze:nothing", 0, "there is no network nothing"),
        ("reset-moments", 0, "there are no moments"),
        ("reset-network:model", 0, "all weights are fresh"),
        ("initialise:xavier", 4, "learned weights"),
        ("initialise:magic", 0, "there is no scheme magic"),
        ("skip-batch:2", 4, "after step 2"),
    ],
)
def test_what_cannot_be_tried_says_why(name, start, said):
    system = Toy(recipe())
    assert said in named(name, system).refusal(system, start)


def test_all_that_are_offered_are_found_by_their_names():
    for system in (Pulled(small()), Duel(recipe(Duel)), Broken(small())):
        for each in offered(system, 3):
            assert named(each.name, system) == each


def test_own_interventions_come_first():
    assert isinstance(offered(Pulled(small()), 3)[0], Variant)


def test_a_curriculum_that_has_begun_is_a_suspect_itself():
    phases = [{"from_step": 4, "changes": {"scenes.noise": 0.1}}]
    system = Toy(recipe(curriculum=phases))
    assert "first-phase" not in [each.name for each in offered(system, 3)]
    assert "first-phase" in [each.name for each in offered(system, 4)]
    first = named("first-phase", system)
    assert changed(system.recipe, first.changes(system.recipe), "test").curriculum == ()


def test_what_goes_round_a_part_is_blunt_and_proposes_nothing():
    without = Without("quiet", "take scenes without noise", (("scenes.noise", 0.0),))
    assert without.blunt
    assert without.changes(recipe()) == {"scenes.noise": 0.0}
    assert without.proposal(recipe()) == {}
