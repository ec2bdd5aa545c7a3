"""The extraction network frame by frame, with one enrolment for all of them."""

import torch
from torch import Tensor

from wellposed.nn.cues import Cue, Enrolled
from wellposed.nn.dualpath import State as PathState
from wellposed.nn.walk import State, Walk
from wellposed.systems.extract.model import TAPS, Extract


class ExtractWalk(Walk):
    """A causal `Extract` that goes on from frame to frame; see nn/walk.py."""

    network: Extract

    def __init__(self, network: Extract, enrolled: Enrolled, *, compiled: bool = True) -> None:
        """Walk with a copy of `network`. Raises CheckpointError: it looks at the future."""
        super().__init__(network, TAPS, compiled=compiled)
        self.cues = [cue for cue in self.network.cues if isinstance(cue, Cue)]
        with torch.inference_mode():
            self.known = [cue.memory(enrolled) for cue in self.cues]
        self.memories = self.known
        self.heard: list[Tensor] = []
        """Logits `(batch, frames)` that the speaker speaks, of all calls until it is emptied."""

    def rest(self, batch: int) -> State:
        """State before the first sample of `batch` signals, which share the enrolment."""
        self.memories = [memory.of(batch) for memory in self.known]
        self.heard.clear()
        return super().rest(batch)

    def along(self, features: Tensor, states: list[PathState]) -> tuple[Tensor, list[PathState]]:
        """Take features through cues and paths, and note who speaks."""
        looks, waiting = iter(zip(self.cues, self.memories, strict=True)), iter(states)
        left: list[PathState] = []
        for path in self.network.paths.paths:
            if path.axis == "bands":
                features = path(features)
                continue
            cue, memory = next(looks)
            features, state = path.walk(cue.look(features, memory), next(waiting))
            left.append(state)
        self.heard.append(self.network.presence(features))
        return features, left
