"""NaN in a system that finds directions: told as a rank deficiency, caused by tied eigenvalues."""

from collections.abc import Mapping
from typing import ClassVar

from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.interventions import Intervention, Variant
from wellposed.faults.bearings import Bearings, BearingsRecipe
from wellposed.faults.hosts import Located
from wellposed.faults.stories.story import Story, codes_audited


class Loaded(Bearings):
    """Diagonal loading, and a loss on eigenvectors."""

    way = "eigh"
    loading = 1.0

    def interventions(self) -> list[Intervention]:
        """What was said to be the cause, and what is."""
        return [
            *super().interventions(),
            Variant("differentiate-the-projector", "divide by gaps of signal and noise alone",
                    {"way": "projector"}),
            Variant("take-off-the-loading", "take the subspace before the diagonal is loaded",
                    {"loading": 0.0}),
            Variant("raise-the-rank", "blend with the covariance of the samples: rank 5 to 21",
                    {"blended": True}),
            Variant("load-more", "load ten times as much, so that the condition is better",
                    {"loading": 10.0}),
        ]  # fmt: skip


class RankWasInnocent(Story):
    """NaN gradients at 144 sensors, told as a rank of five; blending and loading were the cure."""

    system = Loaded
    changes: ClassVar = {**Located.changes, "training.steps": 24, "training.refusals_allowed": 30}
    symptom = Symptom(steps=4, codes=("WP302",), severity="FAIL")
    causes = ("differentiate-the-projector", "take-off-the-loading", "drop-term:subspace")
    innocent = ("raise-the-rank", "load-more", "float64", "rate:0.25", "drop-term:peak")
    source = """Loading ties the noise eigenvalues exactly, whatever the rank; eigenvectors of tied
    values have no derivative. `python benchmarks/tied_eigenvalues.py` measures it."""

    @classmethod
    def shown_by_audit(cls) -> Mapping[str, bool]:
        """The true covariance in the estimate, which no NaN tells: the report's code had it."""
        recipe = cls.recipe()
        assert isinstance(recipe, BearingsRecipe)
        leaking, tight = Bearings(recipe), Bearings(recipe)
        leaking.leaking = True
        codes = [codes_audited(system, "label_leak") for system in (leaking, tight)]
        return {"the audit finds the label in the estimate (WP206)": codes == [{"WP206"}, set()]}
