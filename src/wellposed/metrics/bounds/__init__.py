"""What no unbiased estimator of places can beat: Cramer-Rao bounds, in float64.

The order of parameters is block-wise everywhere: all azimuths, then all of the next coordinate;
parameter `q * sources + k` is coordinate q of source k.
"""
