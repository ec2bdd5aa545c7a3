"""A codebook of which one code is used."""

import torch

from wellposed.faults.fault import Fault


class CodebookCollapse(Fault):
    """All codes but one start far away from every latent: none of them is ever chosen."""

    codes = ("WP119",)
    shows = "lasting"
    host = "coder"

    @torch.no_grad()
    def build(self, networks):
        """Move them away."""
        codes = networks["model"].codes
        codes[0] = 0
        codes[1:] += 100
