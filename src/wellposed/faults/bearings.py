"""A small system that finds directions with an array: a covariance factor from snapshots.

Twelve by twelve sensors hear a few sources in 16 snapshots. A network sees the power of every beam
and answers with five columns F; R = F F^H, of trace one, is compared with the covariance that the
sources have without noise. The attributes of `Bearings` are ways to do this that people have tried.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from wellposed.data.wavefields import ArrayScenes, Population, Split
from wellposed.dsp.arrays.geometry import plane
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.snapshots import sample_covariance
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.subspace import signal_subspace
from wellposed.engine.recipe import Recipe, Section
from wellposed.engine.system import Batch, Item, Moment, Networks, System

SIDE, SOURCES, COLUMNS = 12, 2, 5
"""Sensors along each side of the plane, sources of a scene, columns of the factor."""
SENSORS = SIDE * SIDE
SHRINKAGE = 0.3
"""Share of the sample covariance in a blend, as in the pipeline that is imitated."""
Way = Literal["projector", "eigh", "svd"]


class BearingsModel(Section):
    """Size of the network."""

    hidden: int = 16
    """Channels between beams and columns."""


class BearingsScenes(Section):
    """What is heard."""

    snapshots: int = 16
    """Snapshots of a scene."""
    snr_db: tuple[float, float] = (-10.0, 0.0)
    """Of the strongest source at the origin, over the noise of one sensor [dB]."""


class BearingsLoss(Section):
    """Weights."""

    covariance: float = 1.0
    """Squared distance of covariances over that of the true one from zero."""
    subspace: float = 0.5
    """Share of the signal subspace that is missed; the weight of the pipeline that is imitated."""
    peak: float = 0.2
    """Minus the logarithm of the power in the true directions; the same."""


class BearingsRecipe(Recipe):
    """A run of a few seconds, one minute on a busy core."""

    system: Literal["bearings"] = "bearings"
    model: BearingsModel = BearingsModel()
    scenes: BearingsScenes = BearingsScenes()
    loss: BearingsLoss = BearingsLoss()


class Beamed(nn.Module):
    """Snapshots `(batch, sensors, time, 2)` to a factor `(batch, sensors, columns)`, complex."""

    beams: Tensor

    def __init__(self, recipe: BearingsModel) -> None:
        """Draw the weights; the beams are those of a discrete Fourier transform, orthogonal."""
        super().__init__()
        number = torch.arange(SIDE, dtype=torch.float64)
        line = torch.exp(2j * math.pi / SIDE * torch.outer(number - (SIDE - 1) / 2, number))
        beams = torch.kron(line, line).to(torch.complex64) / SIDE
        self.register_buffer("beams", torch.view_as_real(beams))
        # Beams lie on a torus: the last is the neighbour of the first.
        self.hidden = nn.Conv2d(1, recipe.hidden, 3, padding=1, padding_mode="circular")
        self.out = nn.Conv2d(recipe.hidden, COLUMNS, 3, padding=1, padding_mode="circular")

    def forward(self, snapshots: Tensor) -> Tensor:
        """Weigh the beams that hear something, each column in its own way."""
        beams = torch.view_as_complex(self.beams)
        heard = beams.mH @ torch.view_as_complex(snapshots)
        power = heard.abs().square().mean(-1)
        power = power / power.mean(-1, keepdim=True)
        seen = (power + 1e-3).log().view(-1, 1, SIDE, SIDE)
        gains = self.out(torch.tanh(self.hidden(seen))).flatten(2).exp()
        # A snapshot in beams has the phases between them, which powers have not.
        first = heard[..., :COLUMNS].transpose(-1, -2)
        return beams @ (gains * first).transpose(-1, -2)


class Bearings(System[BearingsRecipe]):
    """Directions from snapshots, by way of a covariance."""

    name = "bearings"
    recipe_type: ClassVar[type[Recipe]] = BearingsRecipe
    inputs = ("snapshots",)
    labels = ("factor", "angles")

    way: Way = "projector"
    """How the signal subspace is differentiated: as a projector, or through eigenvectors, by
    `eigh` or `svd`."""
    loading: float = 0.0
    """Of the diagonal, over the mean eigenvalue, before the subspace is taken."""
    shrinkage: float = 0.0
    """The same by a convex sum with the identity."""
    blended: bool = False
    """Blend the estimate with the sample covariance, which raises its rank."""
    leaking: bool = False
    """Blend it with the true covariance, as a fall-back for the sample covariance."""
    conjugated: bool = False
    """Steer by another sign of the phase in the loss than in the scenes."""

    def with_recipe(self, recipe: BearingsRecipe) -> "Bearings":
        """Return the same under another recipe."""
        made = type(self)(recipe)
        vars(made).update({k: v for k, v in vars(self).items() if k != "recipe"})
        return made

    def build(self) -> dict[str, nn.Module]:
        """Make the network."""
        return {"model": Beamed(self.recipe.model)}

    @property
    def array(self) -> Array:
        """Half a wavelength between neighbours, far sources."""
        return Array(plane(SIDE, SIDE, 0.5), 1.0, model="far")

    @property
    def data_digest(self) -> str:
        """Name the scenes; the recipe has the rest."""
        return "bearings/1"

    def item(self, split: str, index: int) -> Item:
        """Draw a scene."""
        return self.drawn(self.recipe.seed, split, index)

    def drawn(self, seed: int, split: str, index: int) -> Item:
        """Draw a scene by its key."""
        scenes = self.recipe.scenes
        population = Population(
            sources=(SOURCES, SOURCES),
            elevation_deg=(-30.0, 30.0),
            snr_db=scenes.snr_db,
            snapshots=scenes.snapshots,
        )
        kept: Split = "train" if split == "train" else "valid"
        scene = ArrayScenes(self.array, population, seed=seed).scene(kept, index)
        places = scene.sources.places
        factor = scene.array.response(places) * scene.sources.powers.sqrt()
        angles = torch.stack([places.azimuth, places.elevation], -1)
        return {
            "snapshots": torch.view_as_real(scene.snapshots.to(torch.complex64)),
            "factor": torch.view_as_real(factor.to(torch.complex64)),
            "angles": angles.float(),
        }

    def estimate(self, networks: Networks, batch: Batch) -> Tensor:
        """Covariance of trace one as pairs `(batch, sensors, sensors, 2)`."""
        made = normalised(networks["model"](batch["snapshots"]))
        if self.leaking:
            made = (1 - SHRINKAGE) * made + SHRINKAGE * truth(batch)
        elif self.blended:
            heard = sample_covariance(torch.view_as_complex(batch["snapshots"]))
            trace = heard.diagonal(dim1=-2, dim2=-1).real.sum(-1)[:, None, None]
            made = (1 - SHRINKAGE) * made + SHRINKAGE * heard / trace
        return torch.view_as_real(made)

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compare covariances, subspaces, and powers in the true directions."""
        estimate = self.estimate(networks, batch)
        moment.show(estimate=estimate, reference=torch.view_as_real(truth(batch)))
        return self.compared(torch.view_as_complex(estimate), batch)

    def compared(self, covariance: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The terms of a covariance."""
        true = truth(batch)
        gap = (covariance - true).abs().square().sum((-2, -1))
        steered = self._steered(batch["angles"])
        power = (steered.conj() * (covariance @ steered)).sum(-2).real / SENSORS
        return {
            "covariance": gap / true.abs().square().sum((-2, -1)),
            "subspace": self.subspace(covariance, batch),
            "peak": -(power + 1e-6).log().mean(-1),
        }

    def subspace(self, covariance: Tensor, batch: Batch) -> Tensor:
        """Share of the true subspace that the estimate's does not hold."""
        mean = covariance.diagonal(dim1=-2, dim2=-1).real.mean(-1)[:, None, None]
        eye = torch.eye(SENSORS, dtype=covariance.dtype)
        prepared = covariance + self.loading * mean * eye
        prepared = (1 - self.shrinkage) * prepared + self.shrinkage * mean * eye
        held = projector(prepared, self.way)
        return 1 - (held @ _basis(batch)).abs().square().sum((-2, -1)) / SOURCES

    def weights(self, player: str) -> dict[str, float]:
        """Weights of the recipe."""
        return self.recipe.loss.model_dump()

    def measure(self, networks: Networks, item: Item) -> dict[str, float | None]:
        """Score a scene."""
        batch = {name: each[None] for name, each in item.items()}
        return self.scores(torch.view_as_complex(self.estimate(networks, batch)), batch)

    def scores(self, covariance: Tensor, batch: Batch) -> dict[str, float | None]:
        """Share of the true subspace that is held, and how far the covariance is off."""
        held = signal_subspace(covariance, SOURCES).projector
        share = (held @ _basis(batch)).abs().square().sum((-2, -1)) / SOURCES
        gap = (covariance - truth(batch)).abs().square().sum((-2, -1)).sqrt()
        return {"held": float(share.mean()), "covariance_error": float(gap.mean())}

    @property
    def metrics(self) -> dict[str, str]:
        """The share chooses."""
        return {"held": "higher", "covariance_error": "lower"}

    def declared(self) -> Mapping[str, Any]:
        """Say where the truth is, so that the terms can be asked whether they lead there."""
        return {"toward": self._toward}

    def show_examples(self, networks: Networks, folder: Path) -> None:
        """Nothing to see."""

    def _toward(self, networks: Networks, batch: Batch, share: float) -> dict[str, Tensor]:
        """The terms of an estimate that was moved this share of the way to the truth."""
        made = torch.view_as_complex(self.estimate(networks, batch))
        return self.compared(torch.lerp(made, truth(batch), share), batch)

    def _steered(self, angles: Tensor) -> Tensor:
        """Responses of unit entries `(batch, sensors, sources)`."""
        places = Places.of(angles[..., 0], angles[..., 1])
        response = self.array.to(angles.dtype).response(places)
        return response.conj() if self.conjugated else response


def truth(batch: Batch) -> Tensor:
    """Covariance of the sources without noise, of trace one."""
    return normalised(torch.view_as_complex(batch["factor"]))


def normalised(factor: Tensor) -> Tensor:
    """F F^H over its trace."""
    trace = factor.abs().square().sum((-2, -1))[:, None, None]
    return factor @ factor.mH / trace


def projector(covariance: Tensor, way: Way) -> Tensor:
    """Onto the vectors of the two largest values, differentiated in one of three ways."""
    if way == "projector":
        return signal_subspace(covariance, SOURCES).projector
    if way == "svd":
        vectors = torch.linalg.svd(covariance)[0][..., :SOURCES]
    else:
        vectors = torch.linalg.eigh(covariance)[1][..., -SOURCES:]
    return vectors @ vectors.mH


def _basis(batch: Batch) -> Tensor:
    """Orthonormal columns that span the true subspace."""
    return torch.linalg.qr(torch.view_as_complex(batch["factor"]))[0]
