"""Arrays of sensors: where they are, what a wave does at them, what they record.

Conventions, here once and for all:

- *Axes*: x to the right, y up, z forward (broadside of a line along x or a plane in x and y).
- *Direction*: azimuth from z towards x, elevation from that plane towards y [rad]:
  u = (sin az cos el, sin el, cos az cos el). A source at range r [m] is at r u.
- *Phase*: time runs as exp(+j w t), as in a discrete Fourier transform, so what arrives later by
  d / c is multiplied by exp(-j k d), k = 2 pi / wavelength. The reference is the origin:
  a = (r / d)^g exp(-j k (d - r)). A sensor nearer to the source than the origin *leads*.
- *Shapes*: sensors and sources are the last two axes, `(..., sensors, sources)`: y = A s + n.
"""
