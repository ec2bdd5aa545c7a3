"""What is known of a scene before anything is learned: maps of the stacked operator.

With Phi the operators of all measurements, one below the other, everything that the measurements y
say of the waves at the elements is z = Phi^H y and G = Phi^H Phi. Neither needs Phi itself:
G = (H^H H) o (W^H W), so that one scene costs what H costs, and the responses of the map are shared
by all scenes.
"""

import math

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.power import power
from wellposed.dsp.surface import backprojected, gram
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.front import Features, Seen

LOADINGS = (0.01, 0.1, 1.0)
"""Loadings of the least-squares waves, relative to the mean eigenvalue of G, whose eigenvalues span
a factor of 40: from nearly unloaded to nearly the matched filter."""
CLEANED = 4
"""Points taken out of the matched filter one after the other; the map is looked at after each."""
TINY = 1e-12


class SurfaceFeatures(Features):
    """From heard, channel and codes to maps; nothing here is learned."""

    def __init__(self, elements: Array, cells: Cells) -> None:
        """Prepare the responses of the map."""
        super().__init__()
        self.cells = cells
        response = elements.response(cells.grid())
        self.elements = elements.outputs
        self._keep("response", response.to(torch.complex64))
        pairs, lag, kernel, bent = _lags(elements, cells)
        self._keep("pairs", pairs)
        self._keep("lag", lag)
        self._keep("kernel", kernel)
        self._keep("bent", bent)
        self.channels = cells.curvatures * (2 + len(LOADINGS) + CLEANED)
        self.figures = 3 + CLEANED + 1

    pairs: Tensor
    lag: Tensor
    kernel: Tensor
    bent: Tensor

    def _keep(self, name: str, tensor: Tensor) -> None:
        self.register_buffer(name, tensor, persistent=False)

    def forward(self, *given: Tensor) -> Seen:
        """Compute the features of heard, channel and codes; scaling `heard` changes nothing."""
        y, h, w = (torch.view_as_complex(each.float().contiguous()) for each in given)
        scale = power(y).sum((-2, -1)).clamp(min=TINY).rsqrt()[:, None]
        g, z = gram(h, w), backprojected(h, w, y) * scale
        mean = g.diagonal(dim1=-2, dim2=-1).real.mean(-1).clamp(min=TINY)
        energy = self._energy(g, mean)
        maps, figures = self._cleaned(g, z, energy)
        maps.append((energy / (self.elements * mean[:, None])).log())
        waves = [self._loaded(g, z, mean, each) for each in LOADINGS]
        maps += [self._share(each) for each in waves]
        figures += self._facts(g, z, mean, w, waves[0])
        shape = (len(y), self.cells.columns, self.cells.rows, -1)
        stacked = torch.cat([each.reshape(shape) for each in maps], -1).movedim(-1, 1)
        return Seen(stacked, torch.stack(figures, -1), waves[1][..., None], energy)

    def energy(self, *given: Tensor) -> Tensor:
        """|Phi a|^2 of all points `(batch, points)`, to a good approximation: see `_energy`."""
        _, h, w = (torch.view_as_complex(each.double().contiguous()) for each in given)
        g = gram(h, w).to(torch.complex64)
        return self._energy(g, g.diagonal(dim1=-2, dim2=-1).real.mean(-1).clamp(min=TINY))

    def _energy(self, g: Tensor, mean: Tensor) -> Tensor:
        """|Phi a|^2 of all points `(batch, points)`, bent as if all were broadside.

        Then it is a Fourier transform of the sums of G over equal lags. It weighs a map and
        chooses no place; the fit that follows knows nothing of it.
        """
        first, second = self.pairs
        # Pairs and their mirror images are conjugates: half of them is enough.
        bent = g[:, first, second].unsqueeze(1) * self.bent
        sums = bent.new_zeros(*bent.shape[:2], self.kernel.shape[0])
        sums.index_add_(-1, self.lag, bent)
        energy = (sums @ self.kernel).real.mT.flatten(1)
        return energy.maximum(0.01 * self.elements * mean[:, None])

    def _cleaned(self, g: Tensor, z: Tensor, energy: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Shares that points explain, after none, one, two ... of them were taken out."""
        maps, figures, chosen = [], [], []
        left = z
        for step in range(CLEANED + 1):
            share = power(left.conj() @ self.response) / energy
            maps.append(share.sqrt())
            chosen.append(share.argmax(-1))
            atoms = self.response.mT[torch.stack(chosen, -1)].mT
            seen = g @ atoms
            inner = atoms.mH @ seen
            load = 1e-3 * inner.diagonal(dim1=-2, dim2=-1).real.mean(-1)
            eye = torch.eye(step + 1, device=g.device)
            right = atoms.mH @ z[..., None]
            amplitudes = torch.linalg.solve(inner + load[:, None, None] * eye, right)
            explained = (right.conj() * amplitudes).sum((-2, -1)).real
            figures.append((1 - explained).clamp(min=1e-4).log())
            left = z - (seen @ amplitudes)[..., 0]
        return maps, figures

    def _loaded(self, g: Tensor, z: Tensor, mean: Tensor, loading: float) -> Tensor:
        """Waves of unit length `(batch, elements)`."""
        eye = torch.eye(self.elements, device=g.device)
        factor, _ = torch.linalg.cholesky_ex(g + (loading * mean)[:, None, None] * eye)
        found = torch.cholesky_solve(z[..., None], factor)[..., 0]
        return found / found.abs().square().sum(-1, keepdim=True).sqrt().clamp(min=TINY)

    def _share(self, waves: Tensor) -> Tensor:
        return (waves.conj() @ self.response).abs() / math.sqrt(self.elements)

    def _facts(
        self, g: Tensor, z: Tensor, mean: Tensor, codes: Tensor, waves: Tensor
    ) -> list[Tensor]:
        """What the waves leave unexplained, how many codes were sent, how the power arrives."""
        seen = (g @ waves[..., None])[..., 0]
        inner = (waves.conj() * z).sum(-1).abs().square()
        explained = inner / (waves.conj() * seen).sum(-1).real.clamp(min=TINY)
        sent = (codes.abs().square().sum(-1) > 0).float().mean(-1)
        spread = power(g).sum((-2, -1)) / (self.elements * mean.square())
        return [(1 - explained).clamp(min=1e-4).log(), sent, spread.log()]


def _lags(elements: Array, cells: Cells) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pairs `(2, pairs)`, index of their lags, kernel `(lags, cells)`, curvature phases of pairs.

    A pair of two elements stands for its mirror image, too, and counts twice.
    """
    wave = 2 * math.pi / elements.wavelength
    positions = elements.positions
    pairs = torch.triu_indices(len(positions), len(positions))
    first, second = pairs
    apart = positions[first] - positions[second]
    # Lags that are equal but for rounding are one: they are told apart at a thousandth of a wave.
    whole = (apart / (1e-3 * elements.wavelength)).round()
    kinds, lag = torch.unique(whole, dim=0, return_inverse=True)
    vectors = kinds * 1e-3 * elements.wavelength
    turn = -wave * vectors[:, :2] @ cells.directions().mT
    kernel = torch.polar(torch.ones_like(turn), turn)
    square = positions.square().sum(-1)
    bend = wave / 2 * cells.curvature_values()[:, None] * (square[first] - square[second])
    bent = torch.polar((1.0 + (first != second)).expand_as(bend).to(bend), bend)
    return pairs, lag, kernel.to(torch.complex64), bent.to(torch.complex64)
