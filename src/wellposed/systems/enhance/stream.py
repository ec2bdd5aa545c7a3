"""Enhancing a signal while it comes in; what is promised stands in data/live.py."""

from pathlib import Path

from wellposed.data.live import LiveStream
from wellposed.engine.use import open_device
from wellposed.errors import CheckpointError
from wellposed.nn.walk import LOOKS_AHEAD
from wellposed.systems.enhance.loading import CAUSAL, WEIGHTS, load_network
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.walk import Walk


class EnhanceStream(LiveStream):
    """A causal network on a live signal: `push` chunks, `flush` at the end.

    What is put out is what `Enhancer` makes of the whole.
    """

    def __init__(
        self,
        model: Bsrnn | Path | str | None = None,
        rate: int | None = None,
        channels: int | None = None,
        *,
        device: str = "cpu",
    ) -> None:
        """Stream at `rate` [Hz], None for the network's own, in chunks of (channels, time).

        Without `channels` chunks are (time,). `model` is a network, copied as it is and where it
        is, or as `Shelf.find` says; None: the shipped causal one. Raises CheckpointError: no such
        weights, damaged, or a network that is not causal; RecipeError: no such device; DataError: a
        rate or number of channels below one.
        """
        if not isinstance(model, Bsrnn):
            model = _loaded(model, device)
        super().__init__(Walk(model), rate, channels)


def _loaded(model: Path | str | None, device: str) -> Bsrnn:
    path = WEIGHTS.find(CAUSAL if model is None else model)
    network = load_network(path, open_device(device))
    if not network.causal:
        raise CheckpointError(f"{path}: {LOOKS_AHEAD}")
    return network
