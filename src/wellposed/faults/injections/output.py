"""What the network gives: an offset, flat tops, nothing; clamps that bite and clamps that idle."""

from torch import Tensor, nn

from wellposed.faults.fault import Fault


class OutputFault(Fault):
    """Change what the network gives, in training and in use."""

    def ready(self):
        """Hook its output."""
        self.run.networks["model"].register_forward_hook(
            lambda module, given, made: self.made(made)
        )

    def made(self, estimate: Tensor) -> Tensor:
        """Return another estimate."""
        raise NotImplementedError


class ConstantOffset(OutputFault):
    """An output with an offset of a tenth of full scale."""

    codes = ("WP308",)
    shows = "lasting"

    def made(self, estimate):
        """Add it."""
        return estimate + 0.1


class ClippedOutput(OutputFault):
    """An output brought to a level of full scale, whatever the input's level, and clipped there."""

    codes = ("WP309",)
    shows = "lasting"

    def made(self, estimate):
        """Normalise and clip."""
        level = estimate.square().mean(-1, keepdim=True).sqrt() + 1e-6
        return (estimate / level).clamp(-1, 1)


class SilentOutput(OutputFault):
    """An output that is silent whatever comes in."""

    codes = ("WP118",)
    shows = "lasting"

    def made(self, estimate):
        """Multiply by zero."""
        return 0 * estimate


class Narrow(nn.Module):
    """A clamp at the 99th percentile of the first values that it meets."""

    limit: float = 0.0

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        if not self.limit:
            sizes = features.detach().abs().flatten().sort().values
            self.limit = float(sizes[int(0.99 * len(sizes))])
        return features.clamp(-self.limit, self.limit)


class ClampBites(Fault):
    """A clamp that changes one value in a hundred of what is there at the beginning."""

    codes = ("WP305",)

    def build(self, networks):
        """Put it behind the paths."""
        model = networks["model"]
        model.paths = nn.Sequential(model.paths, Narrow())


class ClampIdle(Fault):
    """A clamp so wide that nothing ever reaches it."""

    codes = ("WP306",)
    shows = "lasting"

    def build(self, networks):
        """Put it behind the paths."""
        model = networks["model"]
        model.paths = nn.Sequential(model.paths, nn.Hardtanh(-1e6, 1e6))
