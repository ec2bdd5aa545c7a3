"""Bounds behind a reconfigurable surface: y_t = Phi_t A s_t + n_t, Phi_t = H diag(w_t).

Four cases by what is known of the symbols s_t and of the channel H. `operators` is Phi,
`(..., measurements, chains, elements)`; responses and slopes are those of the bare surface.
"""

import torch
from torch import Tensor

from wellposed.metrics.bounds.fisher import Fisher, deterministic
from wellposed.metrics.bounds.gaussian import reduced, slepian_bangs


def static_symbols(
    operators: Tensor, response: Tensor, slopes: Tensor, symbols: Tensor, noise: Tensor
) -> Fisher:
    """One unknown symbol `(..., sources)` a source during all measurements.

    Everything is one long snapshot of measurements x chains numbers. With the same code in all of
    them it is as if there were only one.
    """
    stacked = operators.flatten(-3, -2)
    power = symbols[..., :, None] * symbols[..., None, :].conj()
    return deterministic(stacked @ response, stacked.unsqueeze(-3) @ slopes, power, noise)


def changing_symbols(
    operators: Tensor, response: Tensor, slopes: Tensor, symbols: Tensor, noise: Tensor
) -> Fisher:
    """New unknown symbols `(..., measurements, sources)` in every measurement.

    Nothing is known of the places unless there are more chains than sources: each measurement must
    leave something over once its own symbols are taken out.
    """
    power = symbols[..., :, None] * symbols[..., None, :].conj()
    seen = operators @ response.unsqueeze(-3)
    bent = operators.unsqueeze(-3) @ slopes.unsqueeze(-4)
    return deterministic(seen, bent, power, noise.unsqueeze(-1)).summed()


def gaussian_symbols(
    operators: Tensor, response: Tensor, slopes: Tensor, powers: Tensor, noise: Tensor
) -> Fisher:
    """White Gaussian symbols of unknown `powers` `(..., sources)`, noise power unknown too.

    Informative with a single chain: how the received power changes from code to code tells.
    """
    seen = operators @ response.unsqueeze(-3)
    bent = (operators.unsqueeze(-3) @ slopes.unsqueeze(-4)).transpose(-1, -2)
    rays = seen.transpose(-1, -2)
    outer = (
        bent.unsqueeze(-1)
        * rays.unsqueeze(-3).conj().unsqueeze(-2)
        * powers[..., None, None, :, None, None]
    )
    by_place = (outer + outer.mH).flatten(-4, -3)
    by_power = rays.unsqueeze(-1) * rays.conj().unsqueeze(-2)
    eye = torch.eye(seen.shape[-2], dtype=seen.dtype, device=seen.device)
    by_noise = eye.expand(*seen.shape[:-2], 1, *eye.shape)
    covariance = (by_power * powers[..., None, :, None, None]).sum(-3) + noise[
        ..., None, None, None
    ] * eye
    whole = slepian_bangs(covariance, torch.cat((by_place, by_power, by_noise), -3))
    return reduced(whole, by_place.shape[-3])


def uncertain_channel(
    codes: Tensor,
    channel: Tensor,
    response: Tensor,
    slopes: Tensor,
    symbols: Tensor,
    noise: Tensor,
    error: Tensor,
) -> Fisher:
    """As `static_symbols`, and every entry of H is known up to a Gaussian error of power `error`.

    `codes` `(..., measurements, elements)`, `channel` `(..., chains, elements)`, `error` `(...)`.
    What is unknown of H adds to the noise of chain m the vector X h_m over the measurements,
    X_tn = w_tn (A s)_n. By Woodbury's identity the Schur complement that takes H out of the Fisher
    information equals that with noise of covariance error X X^H + noise I between measurements.
    """
    lit = codes * (response @ symbols[..., None]).transpose(-1, -2)
    eye = torch.eye(codes.shape[-2], dtype=lit.dtype, device=lit.device)
    covariance = error[..., None, None] * lit @ lit.mH + noise[..., None, None] * eye
    factor = torch.linalg.cholesky(covariance)
    operators = channel.unsqueeze(-3) * codes.unsqueeze(-2)
    white = torch.linalg.solve_triangular(factor, operators.flatten(-2), upper=False)
    white = white.unflatten(-1, operators.shape[-2:])
    return static_symbols(white, response, slopes, symbols, torch.ones_like(noise))
