"""The enhancement network frame by frame, for streams and for export."""

from torch import Tensor

from wellposed.nn.walk import Walk as BandWalk
from wellposed.systems.enhance.model import TAPS, Bsrnn


class Walk(BandWalk):
    """A causal `Bsrnn` that goes on from frame to frame; see nn/walk.py."""

    network: Bsrnn

    def __init__(self, network: Bsrnn, *, compiled: bool = True) -> None:
        """Walk with a copy of `network`. Raises CheckpointError: it looks at the future."""
        super().__init__(network, TAPS, compiled=compiled)

    def kept(self, bins: Tensor) -> Tensor:
        """Silence the bins that hold no voice."""
        return bins * self.network.audible.unsqueeze(-1)
