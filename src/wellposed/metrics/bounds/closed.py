"""Closed forms for one source before a centred line: variances of the deterministic model.

Far field: Stoica and Nehorai 1989. Fresnel: the second-order phase is linear in sin(theta) and in
q = -cos^2(theta) / (2 r), and centred powers of the sensor index are orthogonal.
"""

import math


def azimuth_variance(
    sensors: int, spacing: float, wavelength: float, snr: float, snapshots: int, azimuth: float
) -> float:
    """Variance of the azimuth [rad^2], far away or in the Fresnel zone.

    `snr` is the power of the source over that of the noise in one sensor.
    """
    wave = 2 * math.pi / wavelength * spacing * math.cos(azimuth)
    return 6 / (snapshots * snr * wave**2 * sensors * (sensors**2 - 1))


def stochastic_loss(sensors: int, snr: float) -> float:
    """Stochastic over deterministic variance for one source, exact: 1 + 1 / (sensors snr)."""
    return 1 + 1 / (sensors * snr)


def range_variance(
    sensors: int,
    spacing: float,
    wavelength: float,
    snr: float,
    snapshots: int,
    azimuth: float,
    distance: float,
) -> float:
    """Variance of the range, squared unit of `distance`, in the Fresnel zone."""
    wave = 2 * math.pi / wavelength * spacing**2
    moment = sensors * (sensors**2 - 1) * (sensors**2 - 4) / 180
    bend = 1 / (2 * snapshots * snr * wave**2 * moment)
    angle = azimuth_variance(sensors, spacing, wavelength, snr, snapshots, azimuth)
    by_bend = 2 * distance**2 / math.cos(azimuth) ** 2
    return by_bend**2 * bend + (2 * distance * math.tan(azimuth)) ** 2 * angle
