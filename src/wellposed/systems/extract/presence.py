"""When the wanted speaker speaks, as a table in time."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wellposed.engine.storage.atomic import replacing


@dataclass(frozen=True)
class Presence:
    """What the network says of one channel."""

    times_s: NDArray[np.floating]
    """Middles of the frames [s]."""
    probabilities: NDArray[np.floating]
    """That the wanted speaker speaks in a frame."""
    logit: float
    """Of the speaker being in the recording at all."""
    threshold: float
    """Logit from which the recording is said to have the speaker, set on the validation list."""

    @property
    def present(self) -> bool:
        """Whether the wanted speaker is in the recording."""
        return self.logit >= self.threshold

    @property
    def speaking_share(self) -> float:
        """Share of the frames with a probability of a half or more."""
        return float(np.mean(self.probabilities >= 0.5))


def track(
    logits: NDArray[np.floating], whole: tuple[float, float], grid: tuple[float, float, float]
) -> Presence:
    """Put logits of frames in time; `whole` is logit and threshold, `grid` window, hop and length.

    Those three in seconds. Frame t ends at (t + 1) hops; frames whose middle is outside of the
    recording are left out.
    """
    window_s, hop_s, length_s = grid
    times = np.arange(1, len(logits) + 1, dtype=np.float64) * hop_s - window_s / 2
    inside = (times >= 0) & (times <= length_s)
    if not inside.any():
        inside[:] = True
    probabilities = 1 / (1 + np.exp(-np.clip(logits[inside].astype(np.float64), -700, 700)))
    return Presence(times[inside], probabilities, *whole)


def write_presence(path: Path, channels: list[Presence]) -> None:
    """Write a line for every frame: channel, time_s, probability, speaking (0 or 1)."""
    lines = ["channel,time_s,probability,speaking"]
    for number, each in enumerate(channels):
        pairs = zip(each.times_s, each.probabilities, strict=True)
        lines += [f"{number},{t:.4f},{p:.4f},{int(p >= 0.5)}" for t, p in pairs]
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())
