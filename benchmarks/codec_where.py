"""Where the error of a codec is: PESQ when a part of what it gives is put right, or left out.

Parts are those of a Fourier transform of 32 ms: magnitudes or phases, bands of frequencies, or the
powers of mel bands alone. Beside them, what would be left of the original with less: a part of its
frequencies, and noise with the powers of 32 bands instead of the others.

    python benchmarks/codec_where.py WEIGHTS --data DIR [--scenes 6]
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import torch
from codec_subject import subject
from torch import Tensor

from wellposed.dsp.mel import mel_filters
from wellposed.metrics.speech import pesq_wb

WINDOW = 512
"""32 ms at 16 kHz, that of PESQ's own spectra."""
BANDS = (16, 32, 64)
CUTS_HZ = (0, 1000, 2000, 4000)
PARTS_HZ = ((0, 500), (500, 1000), (1000, 2000), (2000, 4000), (4000, 8000))


def spectrum(wave: Tensor) -> Tensor:
    window = torch.hann_window(WINDOW)
    return torch.stft(wave, WINDOW, WINDOW // 4, window=window, return_complex=True)


def sound(made: Tensor, samples: int) -> Tensor:
    return torch.istft(made, WINDOW, WINDOW // 4, window=torch.hann_window(WINDOW), length=samples)


def with_powers_of(made: Tensor, wanted: Tensor, rate: int, bands: int) -> Tensor:
    """Bring the powers of mel bands of one spectrum to those of another."""
    filters = mel_filters(made.shape[0], rate, bands).float()
    spread = (filters / filters.sum(0).clamp(min=1e-9)).T
    mean = spread.T / spread.sum(0).clamp(min=1e-9)[:, None]
    powers = [mean @ each.abs().square() + 1e-10 for each in (wanted, made)]
    return made * (spread @ (powers[0] / powers[1]).sqrt().clamp(max=10.0))


def cases(wave: Tensor, coded: Tensor, free: Tensor, rate: int) -> Iterator[tuple[str, Tensor]]:
    """Names and waveforms, whole and mended."""
    yield "coded", coded
    yield "without the quantizer", free
    right, made = spectrum(wave), spectrum(coded)
    yield "clean magnitudes", sound(right.abs() * torch.exp(1j * made.angle()), len(wave))
    yield "clean phases", sound(made.abs() * torch.exp(1j * right.angle()), len(wave))
    for bands in BANDS:
        mended = with_powers_of(made, right, rate, bands)
        yield f"clean powers of {bands} bands", sound(mended, len(wave))
    for decibel in (3, 6, 10):
        yield f"error less by {decibel} dB", wave + (coded - wave) * 10 ** (-decibel / 20)
    hertz = torch.linspace(0, rate / 2, len(right))[:, None]
    for low, high in PARTS_HZ:
        inside = (hertz >= low) & (hertz < high)
        yield f"clean from {low} to {high} Hz", sound(torch.where(inside, right, made), len(wave))
    noise = spectrum(torch.randn(len(wave), generator=torch.Generator().manual_seed(0)))
    shaped = with_powers_of(noise * right.abs().mean(), right, rate, 32)
    for cut in CUTS_HZ:
        if cut:
            yield (
                f"the original below {cut} Hz",
                sound(torch.where(hertz < cut, right, 0), len(wave)),
            )
        mixed = torch.where(hertz < cut, right, shaped)
        name = f"the original below {cut} Hz, noise above" if cut else "noise alone"
        yield name, sound(mixed, len(wave))


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=6)
    options = parser.parse_args()
    torch.set_num_threads(1)
    codec, system = subject(options.weights, options.data)
    scores: dict[str, list[float]] = {}
    for number in range(options.scenes):
        wave = system.item("valid", number)["wave"]
        coded, free = (codec(wave[None], quantize=each).wave[0] for each in (True, False))
        for name, made in cases(wave, coded, free, codec.rate):
            value = pesq_wb(made.numpy(), wave.numpy(), codec.rate).value
            if value is not None:
                scores.setdefault(name, []).append(value)
    print(f"PESQ, means of {options.scenes} validation scenes of {options.data}")
    for name, values in scores.items():
        print(f"{name:45s} {fmean(values):.2f}")


if __name__ == "__main__":
    main()
