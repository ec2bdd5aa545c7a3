"""What leaks from band to band of a waveform, beside what a path between bands carries.

New noise in one quarter of the spectrum, and the change of the other quarters of the output of a
fresh network, over their size: BSRNN (tiny) as it is, and without its layers across bands.

    python benchmarks/band_leak.py
"""

import torch
from torch import Tensor, nn

from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.recipe import SIZES

RATE, PARTS = 16000, 4


class Alone(nn.Module):
    """In the place of a layer across bands."""

    def forward(self, x: Tensor) -> Tensor:
        """Return what came in."""
        return x


def quarter(wave: Tensor, number: int) -> Tensor:
    """One quarter of the spectrum of `(batch, time)`."""
    spectrum = torch.fft.rfft(wave)
    bins = torch.arange(spectrum.shape[-1]) * PARTS // spectrum.shape[-1]
    return torch.fft.irfft(spectrum * (bins == number), n=wave.shape[-1])


@torch.no_grad()
def leaks(network: nn.Module) -> Tensor:
    """Change of quarter b of the output by new noise in quarter a of the input: `(a, b)`."""
    draws = torch.Generator().manual_seed(0)
    first, other = 0.1 * torch.randn(2, 2, RATE // 2, generator=draws)
    base = network(first)
    rows = []
    for changed in range(PARTS):
        made = network(first - quarter(first, changed) + quarter(other, changed))
        parts = [(quarter(made - base, n).norm(), quarter(base, n).norm()) for n in range(PARTS)]
        rows.append(torch.stack([change / size for change, size in parts]))
    return torch.stack(rows)


def main() -> None:
    """Print both tables."""
    torch.manual_seed(0)
    network = Bsrnn(SIZES["tiny"], RATE).eval()
    tables = {"with layers across bands": leaks(network)}
    layers = network.paths.layers  # time and bands in turn
    for number in range(1, len(layers), 2):
        layers[number] = Alone()
    tables["without"] = leaks(network)
    for name, table in tables.items():
        print(name)
        for row in table:
            print("  " + "  ".join(f"{value:.1e}" for value in row))


if __name__ == "__main__":
    main()
