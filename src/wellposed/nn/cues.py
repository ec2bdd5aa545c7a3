"""Telling a network whom to listen to: attention to the frames of an enrolment, and an embedding.

All layers work frame by frame of the mixture: they neither see its future nor keep a state, so a
causal network stays causal, and a long recording can be processed in pieces.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.nn.dualpath import Block, DualPath


class Enrolled(NamedTuple):
    """What is known of the wanted speaker."""

    frames: Tensor
    """`(batch, frames, bands, features)`"""
    exists: Tensor
    """`(batch, frames)`: False where a shorter enrolment was filled up."""
    pooled: Tensor
    """`(batch, bands, features)`: mean over the frames that exist."""
    embedding: Tensor
    """`(batch, embedding)`"""


class Memory(NamedTuple):
    """What a cue keeps of an enrolment."""

    key: Tensor
    """`(batch, heads, frames, bands * keys)`"""
    value: Tensor
    """`(batch, heads, frames, bands * features / heads)`"""
    exists: Tensor
    """`(batch, frames)`"""
    scale: Tensor
    """`(batch, 1, bands, features)`"""
    shift: Tensor
    """`(batch, 1, bands, features)`"""

    def of(self, rows: int) -> "Memory":
        """One enrolment for `rows` signals."""
        return Memory(*(part.expand(rows, *part.shape[1:]) for part in self))


class EnrolmentEncoder(nn.Module):
    """Features of an enrolment `(batch, frames, bands, features)` to what cues look at.

    Its time path runs forwards only, so that frames after the end of a shorter enrolment in the
    batch cannot reach the others: filling up changes nothing.
    """

    def __init__(
        self, features: int, hidden: int, embedding: int, *, block: Block = "lstm", states: int = 16
    ) -> None:
        """Build one pair of paths and the pooling."""
        super().__init__()
        self.paths = DualPath(features, hidden, 1, causal=True, block=block, states=states)
        self.norm = nn.LayerNorm(features)
        self.embed = nn.Linear(features, embedding)

    def forward(self, features: Tensor, exists: Tensor) -> Enrolled:
        """Encode; `exists` `(batch, frames)` has one True a row at least."""
        frames = self.norm(self.paths(features))
        counted = exists.to(frames.dtype)
        share = counted / counted.sum(1, keepdim=True)
        pooled = (frames * share[:, :, None, None]).sum(1)
        embedding = (torch.tanh(self.embed(frames)).mean(2) * share[:, :, None]).sum(1)
        return Enrolled(frames, exists, pooled, embedding)


class Cue(nn.Module):
    """Residual layer: what the frames of an enrolment that are like this frame of the mixture hold.

    Frames are compared over all bands at once, a few numbers a band, as in the full-band attention
    of TF-GridNet (arXiv:2209.03952). Then every band is scaled and shifted by what is known of the
    speaker as a whole (FiLM, arXiv:1709.07871), by nothing at the start.
    """

    axis = "bands"
    """As a path across bands, it needs no other frame."""

    def __init__(self, features: int, embedding: int, *, heads: int, keys: int) -> None:
        """Compare by `keys` numbers per band and head."""
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(features)
        self.query = nn.Linear(features, heads * keys)
        self.key = nn.Linear(features, heads * keys)
        self.value = nn.Linear(features, features)
        self.out = nn.Linear(features, features)
        self.film = nn.Linear(features + embedding, 2 * features)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, enrolled: Enrolled) -> Tensor:
        """Map `(batch, frames, bands, features)` to the same shape."""
        return self.look(x, self.memory(enrolled))

    def memory(self, enrolled: Enrolled) -> Memory:
        """All that this layer needs of an enrolment: made once, looked at by every frame."""
        key, value = (self._heads(of(enrolled.frames)) for of in (self.key, self.value))
        bands = enrolled.frames.shape[2]
        whole = enrolled.embedding[:, None].expand(-1, bands, -1)
        film = self.film(torch.cat((enrolled.pooled, whole), -1))
        return Memory(key, value, enrolled.exists, *film[:, None].chunk(2, -1))

    def look(self, x: Tensor, memory: Memory) -> Tensor:
        """As `forward`, by what `memory` made of the enrolment."""
        query = self._heads(self.query(self.norm(x)))
        seen = functional.scaled_dot_product_attention(
            query, memory.key, memory.value, attn_mask=memory.exists[:, None, None, :]
        )
        found = seen.unflatten(-1, (x.shape[2], -1)).permute(0, 2, 3, 1, 4).flatten(-2)
        x = x + self.out(found)
        return x * (1 + memory.scale) + memory.shift

    def _heads(self, projected: Tensor) -> Tensor:
        """`(batch, frames, bands, heads * n)` to `(batch, heads, frames, bands * n)`."""
        return projected.unflatten(-1, (self.heads, -1)).permute(0, 3, 1, 2, 4).flatten(-2)


class BandGate(nn.Module):
    """Gain between 0 and 1 for every frame and band, near 1 at the start.

    Taps that are a sum over features reach silence only by cancelling; a sigmoid reaches it by one
    large number. At a start of 4 the gain is 0.98, and its slope is not yet lost.
    """

    def __init__(self, widths: tuple[int, ...], features: int) -> None:
        """Gate bands of these widths [bins]."""
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.gain = nn.Linear(features, 1)
        nn.init.constant_(self.gain.bias, 4.0)
        self.register_buffer("widths", torch.tensor(widths), persistent=False)
        self.widths: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to gains `(batch, frames, bins)`."""
        gains = torch.sigmoid(self.gain(self.norm(features)).squeeze(-1))
        return gains.repeat_interleave(self.widths, dim=-1)


class PresenceHead(nn.Module):
    """Whether the wanted speaker speaks: a logit for every frame, and one for all of them."""

    def __init__(self, features: int, hidden: int) -> None:
        """Look at all bands of a frame through `hidden` units."""
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.inner = nn.Linear(features, hidden)
        self.frame = nn.Linear(hidden, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to logits `(batch, frames)`."""
        return self.frame(torch.tanh(self.inner(self.norm(features))).mean(2)).squeeze(-1).float()

    def whole(self, frames: Tensor) -> Tensor:
        """Logit `(batch,)` of a scene from those of its frames `(batch, frames)`.

        The logarithm of their mean exponential: between the mean and the maximum, so that a speaker
        who is there for a short while counts. No frame is first or last, and repeating all of them
        changes nothing. Nothing is learned here: a threshold is calibrated anyway.
        """
        count = torch.log(torch.tensor(float(frames.shape[1]), device=frames.device))
        return torch.logsumexp(frames, 1) - count
