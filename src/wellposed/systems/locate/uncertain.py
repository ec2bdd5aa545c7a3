"""How sure an estimate is: the inverse of the Fisher information at the estimate itself."""

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.metrics.bounds.fisher import Fisher, deterministic
from wellposed.metrics.bounds.observations import SOLID
from wellposed.systems.locate.refine import PER_SOURCE, State


def information(array: Array, state: State, noise: Tensor) -> Fisher:
    """Information on azimuths, elevations [rad] and ranges [m], blocks in this order."""
    powers = state.amplitudes[:, None] * state.amplitudes[None].conj()
    response = array.response(state.places)
    return deterministic(response, array.derivatives(state.places, SOLID), powers, noise)


def noise_of(state: State, numbers: int) -> Tensor:
    """Noise power of one chain from what a fit leaves, less what its unknowns took."""
    free = numbers - PER_SOURCE * len(state.amplitudes) / 2
    return torch.tensor(state.residual / max(free, 1.0), dtype=torch.float64)


def covariance_of(array: Array, state: State, numbers: int) -> Tensor:
    """Covariance `(3 sources, 3 sources)` of the estimate; inf where nothing determines it."""
    return information(array, state, noise_of(state, numbers)).bound()
