"""Recurrent layers that walk along time and across bands in turn.

Statistics are taken over the features of one frame and band only, never over time: so a
causal layer is causal, and a long recording can be processed in pieces.
"""

from torch import Tensor, nn


class RecurrentPath(nn.Module):
    """Residual LSTM along one axis: `x + linear(lstm(norm(x)))`.

    `axis` is "time" or "bands" of a `(batch, frames, bands, features)` tensor.
    """

    def __init__(self, axis: str, features: int, hidden: int, *, bidirectional: bool) -> None:
        """Build the layer; `hidden` counts the units of one direction."""
        super().__init__()
        if axis not in ("time", "bands"):
            raise ValueError(f"axis {axis!r}: a path runs along 'time' or 'bands'")
        self.axis = axis
        self.norm = nn.LayerNorm(features)
        self.lstm = nn.LSTM(features, hidden, batch_first=True, bidirectional=bidirectional)
        self.out = nn.Linear(hidden * (2 if bidirectional else 1), features)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to the same shape."""
        along = self.norm(x)
        if self.axis == "time":
            along = along.transpose(1, 2)
        shape = along.shape
        walked, _ = self.lstm(along.reshape(-1, *shape[-2:]))
        mixed = self.out(walked).reshape(shape)
        if self.axis == "time":
            mixed = mixed.transpose(1, 2)
        return x + mixed


class DualPath(nn.Module):
    """A time path followed by a band path, `depth` times over.

    The band path always runs both ways (bands have no future); the time path runs both ways
    only if `causal` is false.
    """

    def __init__(self, features: int, hidden: int, depth: int, *, causal: bool) -> None:
        """Build `depth` pairs of paths of `features`, with `hidden` units a direction."""
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers.append(RecurrentPath("time", features, hidden, bidirectional=not causal))
            layers.append(RecurrentPath("bands", features, hidden, bidirectional=True))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to the same shape."""
        return self.layers(x)
