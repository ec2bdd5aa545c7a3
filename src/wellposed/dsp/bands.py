"""Splitting the frequency axis into bands whose widths are given in Hz.

A plan is a tuple of `(until_hz, width_hz)`: "up to this frequency, bands of this width".
Because bins have a fixed spacing in Hz, a lower sample rate simply has fewer bands: the
bands that two rates share are the same bands.
"""

BandPlan = tuple[tuple[float, float], ...]


def band_widths(bins: int, bin_hz: float, plan: BandPlan) -> tuple[int, ...]:
    """Return the number of bins of each band; they sum to `bins`.

    A last band narrower than half of its neighbour is joined to it, so that the lone Nyquist
    bin gets no layer of its own. Raises ValueError for a plan whose limits do
    not rise or that ends below the highest bin.
    """
    limits = [until for until, _ in plan]
    if limits != sorted(set(limits)) or any(width <= 0 for _, width in plan):
        raise ValueError(f"band plan {plan}: limits must rise and widths be positive [Hz]")
    top = (bins - 1) * bin_hz
    if not plan or top > limits[-1] * (1 + 1e-3):
        raise ValueError(f"band plan {plan} ends below the highest bin at {top:.0f} Hz")
    widths: list[int] = []
    start = 0
    for until, width_hz in plan:
        width = max(1, round(width_hz / bin_hz))
        end = min(round(until / bin_hz), bins)
        while start < end:
            widths.append(min(width, bins - start))
            start += widths[-1]
    rest = bins - start
    if rest > 0:
        widths.append(rest)
    planned = max(1, round(plan[-1][1] / bin_hz)) if len(widths) < 2 else widths[-2]
    if len(widths) > 1 and widths[-1] < planned / 2:
        widths[-2:] = [widths[-2] + widths[-1]]
    return tuple(widths)
