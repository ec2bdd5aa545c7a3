"""The loss as the audit asks it: one value, or a value with its gradient at the estimate."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

LossFunction = Callable[[Tensor, Tensor], Tensor]

DOMAINS = ("waveform", "spectrum")
"""What a loss compares: `(batch, time)`, or complex `(batch, frames, bins)`."""

WINDOW_S = 0.032
"""Window of the spectra that a loss in the domain "spectrum" is given [s]."""


@dataclass(frozen=True)
class Slope:
    """A value of the loss, and its gradient with respect to the estimate `(batch, time)`."""

    value: float
    gradient: Tensor
    connected: bool
    """Whether the loss has any path to the estimate; without it the gradient is zero."""

    @property
    def rows(self) -> Tensor:
        """Norm of every item's gradient `(batch,)`."""
        return self.gradient.double().flatten(1).norm(dim=1)

    @property
    def norm(self) -> float:
        """Norm of the whole gradient."""
        return float(self.rows.norm())


@dataclass
class Asked:
    """A loss function under audit; probes are waveforms whatever the loss compares."""

    fn: LossFunction
    domain: str = "waveform"
    rate: int = 16000
    calls: int = field(default=0)

    def __post_init__(self) -> None:
        """Refuse a domain that is not known."""
        if self.domain not in DOMAINS:
            raise ValueError(f"domain {self.domain!r} is unknown; known: {', '.join(DOMAINS)}")

    @torch.no_grad()
    def value(self, estimate: Tensor, reference: Tensor) -> float:
        """The loss of a batch: the mean when it gives one value per item."""
        return float(self._mean(estimate, reference).double())

    def slope(self, estimate: Tensor, reference: Tensor) -> Slope:
        """The loss of a batch with its gradient."""
        estimate = estimate.detach().clone().requires_grad_()
        with torch.enable_grad():
            value = self._mean(estimate, reference)
            if not value.requires_grad:
                return Slope(float(value.double()), torch.zeros_like(estimate.detach()), False)
            (gradient,) = torch.autograd.grad(value, [estimate], allow_unused=True)
        connected = gradient is not None
        gradient = torch.zeros_like(estimate) if gradient is None else gradient
        return Slope(float(value.detach().double()), gradient.detach(), connected)

    def _mean(self, estimate: Tensor, reference: Tensor) -> Tensor:
        self.calls += 1
        given = (estimate, reference)
        if self.domain == "spectrum":
            given = (spectrum(estimate, self.rate), spectrum(reference, self.rate))
        made = self.fn(*given)
        if not isinstance(made, Tensor):
            raise TypeError(f"the loss returned a {type(made).__name__}; wanted is a tensor")
        if made.ndim and made.shape != estimate.shape[:1] and made.numel() != 1:
            raise ValueError(
                f"the loss returned shape {tuple(made.shape)} for a batch of {len(estimate)}; "
                "wanted is one number, or one per item: take the mean over the other axes"
            )
        return made.mean()


def spectrum(waveform: Tensor, rate: int) -> Tensor:
    """Complex `(batch, frames, bins)`; white noise of unit power has unit power in every bin."""
    hop = max(1, round(WINDOW_S * rate / 4))
    window = torch.hann_window(4 * hop, dtype=waveform.dtype, device=waveform.device).sqrt()
    tail = 4 * hop + (-waveform.shape[-1]) % hop
    padded = torch.nn.functional.pad(waveform, (3 * hop, tail - hop))
    framed = padded.unfold(-1, 4 * hop, hop)
    return torch.fft.rfft(framed * (window / math.sqrt(float(window.square().sum()))))
