"""The network of descript-audio-codec at 16 kHz with random weights, to time beside ours.

Written from the description in Kumar et al., arXiv:2306.06546, section 3 and appendix A, and its
16 kHz configuration: channels from 64 doubling at strides 2, 4, 5, 8; a decoder from 1536 channels
halving; residual units of dilations 1, 3, 9; Snake; 12 books of 1024 codes of 8 numbers looked up
by direction. Weight normalisation is folded into the weights, as a user would do it. Only times
mean anything: nothing was trained, and lengths are as the strides make them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (2, 4, 5, 8)
BOOKS, SIZE, DIMS = 12, 1024, 8


class Snake(nn.Module):
    """x + sin^2(a x) / a."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Bend."""
        return x + (self.rate * x).sin().square() / (self.rate + 1e-9)


class Unit(nn.Module):
    """Snake, 7 taps with a dilation, Snake, 1 tap, added to the input."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            Snake(channels),
            nn.Conv1d(channels, channels, 7, dilation=dilation, padding=3 * dilation),
            Snake(channels),
            nn.Conv1d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add what the layers make."""
        return x + self.inner(x)


def encoder() -> nn.Sequential:
    """Waveform (batch, 1, time) to (batch, 1024, time / 320)."""
    width = 64
    layers: list[nn.Module] = [nn.Conv1d(1, width, 7, padding=3)]
    for stride in STRIDES:
        layers += [Unit(width, dilation) for dilation in (1, 3, 9)]
        down = nn.Conv1d(width, 2 * width, 2 * stride, stride, padding=-(-stride // 2))
        layers += [Snake(width), down]
        width *= 2
    return nn.Sequential(*layers, Snake(width), nn.Conv1d(width, width, 3, padding=1))


def decoder() -> nn.Sequential:
    """Latents (batch, 1024, frames) to a waveform."""
    width = 1536
    layers: list[nn.Module] = [nn.Conv1d(1024, width, 7, padding=3)]
    for stride in reversed(STRIDES):
        up = nn.ConvTranspose1d(width, width // 2, 2 * stride, stride, padding=-(-stride // 2))
        layers += [Snake(width), up]
        width //= 2
        layers += [Unit(width, dilation) for dilation in (1, 3, 9)]
    return nn.Sequential(*layers, Snake(width), nn.Conv1d(width, 1, 7, padding=3), nn.Tanh())


class Dac(nn.Module):
    """Encoder, residual quantizer, decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder(), decoder()
        self.inward = nn.ModuleList(nn.Conv1d(1024, DIMS, 1) for _ in range(BOOKS))
        self.outward = nn.ModuleList(nn.Conv1d(DIMS, 1024, 1) for _ in range(BOOKS))
        self.books = nn.ParameterList(torch.randn(SIZE, DIMS) for _ in range(BOOKS))

    def encode(self, wave: Tensor) -> Tensor:
        """Codes (batch, 12, frames) of (batch, time)."""
        residual, codes = self.encoder(wave[:, None]), []
        for inward, outward, book in zip(self.inward, self.outward, self.books, strict=True):
            asked = functional.normalize(inward(residual), dim=1)
            ranks = functional.normalize(book, dim=1) @ asked
            codes.append(ranks.argmax(1))
            residual = residual - outward(book[codes[-1]].transpose(1, 2))
        return torch.stack(codes, 1)

    def decode(self, codes: Tensor) -> Tensor:
        """Waveform (batch, time) of codes."""
        parts = [
            outward(book[codes[:, number]].transpose(1, 2))
            for number, (outward, book) in enumerate(zip(self.outward, self.books, strict=True))
        ]
        return self.decoder(torch.stack(parts).sum(0))[:, 0]
