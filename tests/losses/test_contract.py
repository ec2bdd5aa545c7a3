"""What every loss promises, tested on all public functions of `wellposed.losses`.

They are discovered: a function added to a module there is tested without a line here. A new
*module* adds one line to `SIGNALS`, which says what its losses compare. A loss that does not
notice the level says "blind to gain" in its docstring, and is then held to that instead; one that
masks what is small says "deaf to small differences".
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import wellposed.losses

Loss = Callable[[Tensor, Tensor], Tensor]

BATCH = 3


def waveforms(dtype: torch.dtype, seed: int) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, 400, generator=made, dtype=torch.float64).to(dtype)


def spectra(dtype: torch.dtype, seed: int) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    wave = torch.randn(BATCH, 10, 16, generator=made, dtype=torch.complex128)
    return wave.to(dtype.to_complex())


SIGNALS: dict[str, Callable[[torch.dtype, int], Tensor]] = {
    "waveform": waveforms,
    "compressed": spectra,
    "phase": spectra,
    "spectrum": spectra,
    "level": waveforms,
    "mel": waveforms,
    "extraction": waveforms,
    "loudness": waveforms,
}
"""What the losses of a module compare: unit-power noise of a precision, from a seed."""


def discover() -> list[tuple[str, str, Loss]]:
    """Module, name and function of every public loss."""
    found = []
    for entry in pkgutil.iter_modules(wellposed.losses.__path__):
        module = importlib.import_module(f"wellposed.losses.{entry.name}")
        found += [
            (entry.name, name, function)
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if function.__module__ == module.__name__ and not name.startswith("_")
        ]
    return found


LOSSES = discover()
PRECISIONS = (torch.float32, torch.float64)


def admits(loss: Loss, words: str) -> bool:
    """Whether a docstring, its line breaks apart, has these words."""
    return words in " ".join((loss.__doc__ or "").lower().split())


def blind_to_gain(loss: Loss) -> bool:
    """Whether a docstring admits that the level goes unnoticed."""
    return admits(loss, "blind to gain")


@pytest.fixture(params=LOSSES, ids=[name for _, name, _ in LOSSES])
def case(request: pytest.FixtureRequest) -> tuple[Loss, Callable[[torch.dtype, int], Tensor]]:
    """A loss and a maker of what it compares."""
    module, name, loss = request.param
    assert module in SIGNALS, f"{module}.{name}: say in SIGNALS what this module's losses compare"
    return loss, SIGNALS[module]


def test_there_are_losses_to_test():
    assert {"waveform_l1", "neg_snr_db", "compressed_complex", "compressed_magnitude"} <= {
        name for _, name, _ in LOSSES
    }


def test_a_loss_takes_estimate_and_reference_in_this_order_and_nothing_else_by_need(case):
    parameters = list(inspect.signature(case[0]).parameters.values())
    assert [parameter.name for parameter in parameters[:2]] == ["estimate", "reference"]
    assert all(parameter.default is not parameter.empty for parameter in parameters[2:])


def test_a_loss_gives_one_value_per_example_that_no_other_example_touches(case):
    loss, signal = case
    estimate, reference = signal(torch.float32, 1), signal(torch.float32, 2)
    values = loss(estimate, reference)
    assert values.shape == (BATCH,)
    for k in range(BATCH):
        assert_close(loss(estimate[k : k + 1], reference[k : k + 1]), values[k : k + 1])


def test_a_loss_is_smallest_at_equality(case):
    loss, signal = case
    reference = signal(torch.float64, 1)
    least = loss(reference, reference)
    deaf = admits(loss, "deaf to small differences")
    for seed in range(2, 12):
        for size in (1e-4, 1e-2, 1.0):
            values = loss(reference + size * signal(torch.float64, seed), reference)
            assert (values >= least).all() if deaf and size < 1 else (values > least).all()
    others = {"silence": 0 * reference, "the reference upside down": -reference}
    for name, estimate in others.items():
        assert (loss(estimate, reference) >= least).all(), name


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("silent", ["estimate", "reference", "both"])
def test_a_loss_is_finite_on_silence_and_so_is_its_gradient(case, dtype, silent):
    loss, signal = case
    estimate, reference = signal(dtype, 1), signal(dtype, 2)
    if silent != "reference":
        estimate = torch.zeros_like(estimate)
    if silent != "estimate":
        reference = torch.zeros_like(reference)
    values = loss(estimate.requires_grad_(), reference)
    values.sum().backward()
    assert values.isfinite().all()
    assert estimate.grad is not None
    assert torch.view_as_real(estimate.grad + 0j).isfinite().all()


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("level", [1e-20, 1e-12, 1e-5, 1e5])
def test_a_loss_is_finite_at_every_level_and_so_is_its_gradient(case, dtype, level):
    loss, signal = case
    estimate = (level * signal(dtype, 1)).requires_grad_()
    values = loss(estimate, level * signal(dtype, 2))
    values.sum().backward()
    assert values.isfinite().all()
    assert estimate.grad is not None
    assert torch.view_as_real(estimate.grad + 0j).isfinite().all()


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental:UserWarning")
@pytest.mark.parametrize("silent", [False, True])
def test_a_loss_of_half_precision_signals_is_that_of_the_same_numbers_in_float32(case, silent):
    loss, signal = case
    # There is no complex bfloat16.
    for dtype in (torch.float16,) if signal is spectra else (torch.float16, torch.bfloat16):
        estimate, reference = signal(dtype, 1), signal(dtype, 2)
        if silent:
            estimate, reference = torch.zeros_like(estimate), torch.zeros_like(reference)
        wide = torch.complex64 if estimate.is_complex() else torch.float32
        wanted = loss(estimate.to(wide), reference.to(wide))
        values = loss(estimate.requires_grad_(), reference)
        values.sum().backward()
        assert torch.equal(values, wanted)
        assert estimate.grad is not None
        assert torch.view_as_real(estimate.grad.to(torch.complex64)).isfinite().all()


def test_float32_and_float64_agree(case):
    loss, signal = case
    single, double = ([signal(dtype, seed) for seed in (1, 2)] for dtype in PRECISIONS)
    made = loss(*single)
    assert made.dtype == torch.float32
    assert_close(made.double(), loss(*double), rtol=1e-5, atol=1e-6)


def notices_level(loss: Loss, signal: Callable[[torch.dtype, int], Tensor]) -> bool:
    """Whether an estimate at half, a tenth or twice the level costs more than at the right one.

    The estimate is noisy, at 20 dB: on an exact copy the floors of a formula decide. A tenth of
    a percent of its own value is more than what floors can do.
    """
    reference = signal(torch.float64, 1)
    estimate = reference + 0.1 * signal(torch.float64, 2)
    right = loss(estimate, reference)
    return all(
        bool((loss(gain * estimate, reference) > right + 1e-3 * right.abs()).all())
        for gain in (0.5, 0.1, 2.0)
    )


def test_a_loss_notices_the_level_unless_its_docstring_says_otherwise(case):
    assert notices_level(*case) != blind_to_gain(case[0])


def test_the_test_of_level_tells_a_blind_loss():
    def neg_si_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
        """Negative scale-invariant SDR [dB]; blind to
        gain.
        """
        target = reference * (estimate * reference).sum(-1, keepdim=True)
        target = target / reference.square().sum(-1, keepdim=True)
        return -10 * torch.log10(target.square().sum(-1) / (estimate - target).square().sum(-1))

    assert not notices_level(neg_si_sdr, waveforms)
    assert blind_to_gain(neg_si_sdr)
