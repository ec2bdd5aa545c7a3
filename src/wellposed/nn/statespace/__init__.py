"""State-space blocks, Mamba and Mamba-2: one way in time, or both ways.

Gu and Dao, 2023 (arXiv:2312.00752) and Dao and Gu, 2024 (arXiv:2405.21060), with the input held
exactly (nn/scan) and the initialisation out of reach: what the scan starts from lies in buffers,
and every parameter beside it is an offset that starts at zero. So an initialiser that walks over
the whole model, as many do, can blur it and cannot wipe it out; and the memory at rest, 1 / dt,
stays between 10 and 1000 frames whatever is written into the parameters.

Both map `(batch, frames, features)` to the same shape, without norm and residual.
"""

from wellposed.nn.statespace.blocks import Mamba, Mamba2, StateSpace
from wellposed.nn.statespace.pace import MEMORY, Decay, Pace, Settled
from wellposed.nn.statespace.ways import Mamba2Way, MambaWay, State

__all__ = [
    "MEMORY",
    "Decay",
    "Mamba",
    "Mamba2",
    "Mamba2Way",
    "MambaWay",
    "Pace",
    "Settled",
    "State",
    "StateSpace",
]
