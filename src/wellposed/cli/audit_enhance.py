"""What `wellposed audit enhance` asks: loss, objective and problem of a recipe.

The whole is asked as any loss is. The terms are asked where a trained network stands: on its
estimates of scenes with speech and of scenes without, mixed as the recipe mixes them. The problem
is asked where training begins: with fresh networks; so are corpus, resume and cost of its run.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from wellposed.cli.audit_run import audit_run
from wellposed.engine.recipe import changed
from wellposed.guard.audit import Audit, Items, Probes, audit_loss, audit_objective, merged
from wellposed.systems.enhance.loading import WEIGHTS, load_network
from wellposed.systems.enhance.objective import TERMS, enhance_terms
from wellposed.systems.enhance.recipe import EnhanceRecipe
from wellposed.systems.enhance.system import Enhance

SCENES = 4
"""Scenes of each kind: as many as the probes of a loss."""

MIXTURE_SNR_DB = 5.0
"""SNR of the mixtures that the whole loss is relative to; the middle of what scenes hold."""


@dataclass(frozen=True)
class Question:
    """What to ask, and with which sounds and network."""

    model: str | None = None
    """Run, weights file or shipped name; its recipe says the loss. None: the shipped weights."""
    data: Path | None = None
    probes: Probes | None = None
    seed: int = 0
    quick: bool = False
    """Leave out the questions about the problem that take long."""


def audit_enhance(question: Question) -> Audit:
    """Audit the loss and the problem of a recipe.

    Raises CheckpointError and DataError as their loaders do.
    """
    weights = WEIGHTS.find(question.model)
    recipe = WEIGHTS.recipe_of(weights)
    path = None if question.data is None else str(question.data.resolve())
    # The weights that these were once trained from need not be here: a run is planned from scratch.
    asked = {"data.path": path, "seed": question.seed, "training.start_from": None}
    recipe = changed(recipe, asked, "--data")
    probes = question.probes or Probes.synthetic(question.seed)
    whole = audit_loss(WholeLoss(recipe, probes), probes=probes, seed=question.seed)
    network = load_network(weights, torch.device("cpu"))
    items = {
        "present": _items(recipe, network, absent=0.0),
        "absent": _items(recipe, network, absent=1.0),
    }
    share = recipe.scenes.absent
    together = audit_objective(
        lambda estimate, items: enhance_terms(
            estimate, items.reference, _source(items), recipe.loss, recipe.scenes.rate
        ),
        {name: getattr(recipe.loss, name) for name in TERMS},
        {kind: each for kind, each in _shared(items, share).items() if each.share},
        batch_size=recipe.training.batch_size,
        rate=recipe.scenes.rate,
    )
    name = question.model or weights.stem
    run = audit_run(Enhance(recipe), torch.device("cpu"), quick=question.quick)
    return merged(f"enhance ({name})", [whole, together, _without_loss(run)])


def _without_loss(run: Audit) -> Audit:
    """Leave out that the loss was not asked with the problem: it was, by itself."""
    kept = [each for each in run.answers if each.asked or not each.text.startswith("loss audited")]
    return replace(run, answers=tuple(kept))


class WholeLoss:
    """The weighted sum of a recipe's terms as a function of (estimate, reference)."""

    def __init__(self, recipe: EnhanceRecipe, probes: Probes) -> None:
        """Fix the noise of the mixtures whose level the terms are relative to."""
        self._recipe = recipe
        self._level = probes.level
        self._noise = 10 ** (-MIXTURE_SNR_DB / 20) * probes.noise(50)

    def __call__(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """Return one value per item."""
        level = reference.float().square().mean(-1, keepdim=True).sqrt()
        # A silent target lies in noise of the usual level; others in noise relative to them.
        scale = torch.where(level > 0, level / self._level, 1.0)
        noisy = reference.float() + scale * self._noise
        recipe = self._recipe
        terms = enhance_terms(estimate, reference, noisy, recipe.loss, recipe.scenes.rate)
        return torch.stack([getattr(recipe.loss, name) * terms[name] for name in TERMS]).sum(0)


@torch.no_grad()
def _items(recipe: EnhanceRecipe, network: torch.nn.Module, absent: float) -> Items:
    """Scenes with or without speech, and what the network makes of them."""
    kept = recipe.model_copy(update={"scenes": recipe.scenes.model_copy(update={"absent": absent})})
    system = Enhance(kept)
    made = system.collate([system.item("train", index) for index in range(SCENES)])
    return Items(network(made["noisy"]), made["clean"], made["noisy"])


def _shared(items: dict[str, Items], absent: float) -> dict[str, Items]:
    shares = {"present": 1 - absent, "absent": absent}
    return {
        kind: Items(each.estimate, each.reference, each.source, shares[kind])
        for kind, each in items.items()
    }


def _source(items: Items) -> Tensor:
    assert items.source is not None  # `_items` above gives the mixture to every kind
    return items.source
