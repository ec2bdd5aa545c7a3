"""Losses as people wrote them, sound and unsound, for tests and tables of the audit.

Each is written anew after the formula in a public report of a training run that went wrong, or
after the usual definition; `(estimate, reference)` of `(batch, time)` to one number.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

LossFunction = Callable[[Tensor, Tensor], Tensor]
EPS = 1e-8


def si_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    estimate = estimate - estimate.mean(-1, keepdim=True)
    reference = reference - reference.mean(-1, keepdim=True)
    scale = (estimate * reference).sum(-1, keepdim=True)
    target = scale / (reference.square().sum(-1, keepdim=True) + EPS) * reference
    signal, error = target.square().sum(-1), (estimate - target).square().sum(-1)
    return -(10 * torch.log10((signal + EPS) / (error + EPS))).mean()


def l1(estimate: Tensor, reference: Tensor) -> Tensor:
    return (estimate - reference).abs().mean()


def mse(estimate: Tensor, reference: Tensor) -> Tensor:
    return (estimate - reference).square().mean()


def thresholded_snr(estimate: Tensor, reference: Tensor) -> Tensor:
    power = reference.square().sum(-1) + EPS
    error = (estimate - reference).square().sum(-1)
    return (10 * torch.log10(error / power + 1e-3)).mean()


def rms_only(estimate: Tensor, reference: Tensor) -> Tensor:
    level = estimate.square().mean(-1).sqrt()
    return functional.mse_loss(level, reference.square().mean(-1).sqrt())


def energy_db(estimate: Tensor) -> Tensor:
    return 10 * torch.log10(estimate.square().mean(-1) + EPS)


def raw_energy(estimate: Tensor, reference: Tensor) -> Tensor:
    return energy_db(estimate).mean()


def relu_energy(estimate: Tensor, reference: Tensor) -> Tensor:
    return torch.relu(energy_db(estimate) + 30).mean()


def log_amplitude(estimate: Tensor, reference: Tensor) -> Tensor:
    level = estimate.square().mean(-1).sqrt()
    wanted = reference.square().mean(-1).sqrt().clamp(min=EPS)
    return torch.log((level / wanted).clamp(min=0.05)).square().mean()


def stft(waveform: Tensor, size: int = 512) -> Tensor:
    window = torch.hann_window(size, dtype=waveform.dtype)
    return torch.stft(waveform, size, size // 4, window=window, return_complex=True)


def angle_phase(estimate: Tensor, reference: Tensor) -> Tensor:
    gap = torch.angle(stft(estimate)) - torch.angle(stft(reference))
    return (torch.remainder(gap + math.pi, 2 * math.pi) - math.pi).abs().mean()


def angle_phase_shifted(estimate: Tensor, reference: Tensor) -> Tensor:
    gap = torch.angle(stft(estimate) + EPS) - torch.angle(stft(reference) + EPS)
    return (torch.remainder(gap + math.pi, 2 * math.pi) - math.pi).abs().mean()


def complex_l1(estimate: Tensor, reference: Tensor) -> Tensor:
    return (stft(estimate) - stft(reference)).abs().mean()


def mel_bank(filters: int = 80, size: int = 1024, rate: int = 16000) -> Tensor:
    """Triangles, equally wide on the mel scale: `(filters, bins)`."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, filters + 2, dtype=torch.float64) / 2595) - 1)
    hz = torch.linspace(0, rate / 2, size // 2 + 1, dtype=torch.float64)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return torch.minimum((hz - low) / (middle - low), (high - hz) / (high - middle)).relu().float()


class LogMel(nn.Module):
    """Distance of logarithms of filtered magnitudes; the filters are a buffer."""

    def __init__(self, bank: Tensor) -> None:
        super().__init__()
        self.register_buffer("mel_fb", bank)

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        bank = self.get_buffer("mel_fb")
        first, second = (
            torch.log((bank @ stft(each, 1024).abs()).clamp(min=1e-5))
            for each in (estimate, reference)
        )
        return (first - second).abs().mean()


def random_bank(seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(80, 513, generator=torch.Generator().manual_seed(seed))


def softmax_bank(seed: int = 0) -> Tensor:
    return random_bank(seed).softmax(-1)


def multi_resolution(estimate: Tensor, reference: Tensor) -> Tensor:
    total = torch.zeros(())
    for size in (512, 1024, 2048):
        first, second = (stft(each, size).abs().clamp(min=1e-4) for each in (estimate, reference))
        convergence = (first - second).norm() / second.norm()
        total = total + convergence + (first.log() - second.log()).abs().mean()
    return total / 3


def si_sdr_and_energy(estimate: Tensor, reference: Tensor) -> Tensor:
    return 0.9 * si_sdr(estimate, reference) + 0.1 * raw_energy(estimate, reference)


def rms_and_l1(estimate: Tensor, reference: Tensor) -> Tensor:
    return 15 * rms_only(estimate, reference) + l1(estimate, reference)


def l1_and_multi_resolution(estimate: Tensor, reference: Tensor) -> Tensor:
    return 10 * l1(estimate, reference) + multi_resolution(estimate, reference)


def negated_l1(estimate: Tensor, reference: Tensor) -> Tensor:
    return -l1(estimate, reference)


def detached(estimate: Tensor, reference: Tensor) -> Tensor:
    return l1(estimate.detach(), reference)


def reported() -> dict[str, LossFunction]:
    """All of them by name."""
    plain = (
        si_sdr, l1, mse, thresholded_snr, rms_only, raw_energy, relu_energy, log_amplitude,
        angle_phase, angle_phase_shifted, complex_l1, multi_resolution, si_sdr_and_energy,
        rms_and_l1, l1_and_multi_resolution, negated_l1, detached,
    )  # fmt: skip
    mels: dict[str, LossFunction] = {
        "fake_mel_random": LogMel(random_bank()),
        "fake_mel_softmax": LogMel(softmax_bank()),
        "real_mel": LogMel(mel_bank()),
    }
    return {function.__name__: function for function in plain} | mels
