"""What is known of snapshots before anything is learned: spectra over azimuth.

All from the covariance R of trace one: what points explain after none, one, two ... of them were
taken out, which holds for coherent sources as well; the inverse power that Capon's beamformer lets
through; and the same of covariances of shorter lines, averaged over all places and mirrored, which
give coherent sources their full rank back.
"""

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.doa.fitting import compressed
from wellposed.dsp.doa.lines import smoothed
from wellposed.dsp.power import power
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.front import Features, Seen

LOADINGS = (0.003, 0.03, 0.3)
"""Of the covariance, relative to its mean eigenvalue: from sharp to nearly Bartlett's."""
SHARES = (1.0, 0.75, 0.5)
"""Lengths of the lines that are averaged, relative to the whole."""
CLEANED = 4
"""Points taken out of the spectrum one after the other; it is looked at after each."""
FLOOR = 1e-5
"""Least power whose logarithm is told, relative to that of the snapshots."""


class LineFeatures(Features):
    """From snapshots and their number to spectra; nothing here is learned."""

    def __init__(self, elements: Array, cells: Cells) -> None:
        """Prepare the responses of the map."""
        super().__init__()
        self.cells, self.elements = cells, elements.outputs
        self.sizes = [max(2, round(share * self.elements)) for share in SHARES]
        response = elements.response(cells.grid()).to(torch.complex64)
        self.register_buffer("response", response, persistent=False)
        self.channels = CLEANED + 1 + len(LOADINGS) + len(SHARES)
        self.figures = self.elements + sum(self.sizes) + CLEANED + 2

    def forward(self, *given: Tensor) -> Seen:
        """Compute the features of `snapshots` and `number`; scaling them changes nothing."""
        y, number = torch.view_as_complex(given[0].float().contiguous()), given[1].float()
        length = power(y).sum((-2, -1), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
        root = compressed(y * length.rsqrt())
        covariance = root @ root.mH
        maps, figures = self._cleaned(covariance)
        figures.append(_logarithms(covariance))
        maps += [self._capon(covariance, each) for each in LOADINGS]
        for size in self.sizes:
            mean = smoothed(covariance, size)
            maps.append(self._capon(mean, LOADINGS[1]))
            figures.append(_logarithms(mean))
        figures.append(number.clamp(min=1).log()[:, None] / 5)
        shape = (len(y), -1, self.cells.columns, self.cells.rows)
        energy = self.energy(*given)
        return Seen(torch.stack(maps, 1).reshape(shape), torch.cat(figures, -1), root, energy)

    def energy(self, *given: Tensor) -> Tensor:
        """Of all points the number of sensors."""
        energy = power(self.response).sum(0)
        return energy.expand(len(given[0]), -1)

    def _cleaned(self, covariance: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Roots of what points explain, after none, one, two ... of them were taken out."""
        maps, figures = [], []
        left = covariance
        eye = torch.eye(self.elements, device=left.device)
        chosen: list[Tensor] = []
        for step in range(CLEANED + 1):
            share = _forms(left, self.response) / self.elements
            maps.append(share.sqrt())
            chosen.append(share.argmax(-1))
            atoms = self.response.mT[torch.stack(chosen, -1)].mT
            inner = atoms.mH @ atoms + 1e-3 * self.elements * torch.eye(
                step + 1, device=left.device
            )
            across = eye - atoms @ torch.linalg.solve(inner, atoms.mH)
            left = across @ covariance @ across
            rest = left.diagonal(dim1=-2, dim2=-1).real.sum(-1)
            figures.append(rest.clamp(min=FLOOR).log()[:, None])
        return maps, figures

    def _capon(self, covariance: Tensor, loading: float) -> Tensor:
        """Logarithm of the power that Capon's beamformer lets through.

        Of a shorter line, the response of its first sensors.
        """
        size = covariance.shape[-1]
        mean = covariance.diagonal(dim1=-2, dim2=-1).real.mean(-1).clamp(min=FLOOR)
        eye = torch.eye(size, device=covariance.device)
        factor, _ = torch.linalg.cholesky_ex(covariance + (loading * mean)[:, None, None] * eye)
        inverse = torch.cholesky_inverse(factor)
        through = _forms(inverse, self.response[:size]) * mean[:, None] / size
        return -through.clamp(min=FLOOR).log()


def _forms(matrix: Tensor, response: Tensor) -> Tensor:
    """a^H M a `(batch, points)`."""
    return (response.conj() * (matrix @ response)).sum(-2).real.clamp(min=0.0)


def _logarithms(covariance: Tensor) -> Tensor:
    """Logarithms of the eigenvalues `(batch, size)`, ascending, the trace being one."""
    values = torch.linalg.eigvalsh(covariance)
    return (values / values.sum(-1, keepdim=True).clamp(min=FLOOR)).clamp(min=FLOOR).log() / 5
