"""A causal network as an ONNX file: one hop in, one hop out, what it remembers in and out.

Inputs are `samples` (1, hop) and every state by its name in `walk.State`, zeros at the start;
outputs are `enhanced` (1, hop), later by `delay_samples`, and every state under its name with
".next". The file's metadata says all that is needed to run it (`METADATA`).
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wellposed import __version__
from wellposed.engine.storage.atomic import explain, replacing
from wellposed.errors import RunError
from wellposed.nn.statespace import Mamba
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.walk import Walk

METADATA = {
    "rate": "sample rate [Hz]",
    "window": "samples of a frame",
    "hop": "samples of `samples` and of `enhanced`",
    "delay_samples": "samples by which `enhanced` is later than `samples`; drop so many at first",
    "latency_ms": "longest wait of a sample for its estimate, computing time aside [ms]",
    "states": 'JSON: shape of every state by name; NAME goes in, "NAME.next" comes out',
    "licence": "of the weights",
    "card": "JSON: system, recipe, step and score of the weights, digest of their data",
    "producer": "program and version",
}
"""What the metadata of a file holds, all as text."""
UNKNOWN = "unknown"
"""Licence of weights whose owner has not stated one."""
CHECK_S = 2.0
"""Length of the noise on which a file is compared with PyTorch after it is written [s]."""

logger = logging.getLogger(__name__)


def write_onnx(network: Bsrnn, path: Path, card: Mapping[str, Any]) -> None:
    """Write the streaming step of a causal network; `card` as in the weights' file.

    Raises CheckpointError: the network is not causal; RunError: packages are missing, or the disk
    is full or not writable.
    """
    step = _Step(network).cpu().eval()
    state = step.walk.rest(1)
    require("onnx", "onnxscript")
    after = [f"{name}.next" for name in state]
    with _kept_quiet(), torch.no_grad():
        program = torch.onnx.export(
            step,
            (torch.zeros(1, step.walk.hop), *state.values()),
            dynamo=True,
            input_names=["samples", *state],
            output_names=["enhanced", *after],
            custom_translation_table={torch.ops.aten.expm1.default: _expm1()},
            verbose=False,
        )
    assert program is not None, "the exporter that runs on FX graphs returns a program"
    model = program.model
    # The exporter leaves stack traces in the file, with the paths of this machine.
    for node in model.graph:
        node.metadata_props.clear()
    model.metadata_props.update(_metadata(step.walk, state, card))
    try:
        with replacing(path) as file:
            file.write(program.model_proto.SerializeToString())
    except OSError as error:
        raise RunError(f"{path}: {explain(error, path.parent)}") from error


def difference(network: Bsrnn, path: Path, seconds: float = CHECK_S) -> float:
    """Largest difference between the file run by onnxruntime and the network, on seeded noise.

    Relative to full scale; the noise has a level of -20 dBFS. Raises RunError: no onnxruntime.
    """
    hops = -(-round(seconds * network.rate) // network.stft.hop)
    made = np.random.default_rng(0).standard_normal((1, hops * network.stft.hop))
    noisy = (0.1 * made).astype(np.float32)
    walk = Walk(network).cpu()
    found = run_onnx(path, noisy)
    with torch.inference_mode():
        wanted, _ = walk(torch.from_numpy(noisy), walk.rest(1))
    return float(np.abs(found - wanted.numpy()).max())


class OnnxStep:
    """A file on onnxruntime: call it with (1, hop) samples; it carries the states."""

    def __init__(self, path: Path) -> None:
        """Load a file of `write_onnx`. Raises RunError: no onnxruntime."""
        require("onnxruntime")
        runtime = import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1  # a hop is too little work to share
        providers = ["CPUExecutionProvider"]
        self._session = runtime.InferenceSession(str(path), options, providers=providers)
        told = self._session.get_modelmeta().custom_metadata_map
        self.hop = int(told["hop"])
        shapes = json.loads(told["states"])
        self._state = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enhance one hop (1, hop)."""
        out, *after = self._session.run(None, {"samples": samples, **self._state})
        self._state = dict(zip(self._state, after, strict=True))
        return out


def run_onnx(path: Path, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a file over `samples` (1, hops * hop) hop by hop; as many come out, late by the delay.

    Raises RunError: no onnxruntime.
    """
    step = OnnxStep(path)
    blocks = np.split(samples, samples.shape[1] // step.hop, axis=1)
    return np.concatenate([step(block) for block in blocks], axis=1)


def require(*packages: str) -> None:
    """Raise RunError with what to install if one of the extra's `packages` is missing."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise RunError(
            f"this needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed: pip install 'wellposed[onnx]'"
        )


class _Step(nn.Module):
    """`Walk` for one hop of one signal, with states as arguments, in operations ONNX has."""

    def __init__(self, network: Bsrnn) -> None:
        super().__init__()
        self.walk = _PlainWalk(network)
        self.names = list(self.walk.rest(1))

    def forward(self, samples: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        enhanced, after = self.walk(samples, dict(zip(self.names, states, strict=True)))
        return enhanced, *(after[name] for name in self.names)


class _PlainWalk(Walk):
    """Fourier transforms as matrix products, scans without loops.

    ONNX has a DFT, but runtimes differ in which lengths and directions of it they have; the
    products cost less than a tenth of the network.
    """

    forth: Tensor
    back: Tensor

    def __init__(self, network: Bsrnn) -> None:
        super().__init__(network, compiled=False)
        window, bins = network.stft.window, network.stft.bins
        units = torch.eye(window, dtype=torch.float64)
        pairs = torch.eye(2 * bins, dtype=torch.float64).unflatten(1, (bins, 2))
        forth = torch.view_as_real(torch.fft.rfft(units)).flatten(1)
        back = torch.fft.irfft(torch.view_as_complex(pairs), n=window)
        self.register_buffer("forth", forth.float())
        self.register_buffer("back", back.float())
        for module in self.network.modules():
            if isinstance(module, Mamba):
                module.backend = "doubling"

    def transform(self, windows: Tensor) -> Tensor:
        # In float64: the compression of the features is steep at bins that are almost empty, and
        # takes the rounding of a float32 sum of 512 terms for a signal.
        return (windows.double() @ self.forth.double()).float().unflatten(-1, (-1, 2))

    def inverse(self, bins: Tensor) -> Tensor:
        return bins.flatten(-2) @ self.back


def _metadata(walk: Walk, state: Mapping[str, Tensor], card: Mapping[str, Any]) -> dict[str, str]:
    network = walk.network
    made = {
        "rate": network.rate,
        "window": network.stft.window,
        "hop": walk.hop,
        "delay_samples": walk.delay,
        "latency_ms": 1000 * (network.stft.window - 1) / network.rate,
        "states": json.dumps({name: list(value.shape) for name, value in state.items()}),
        "licence": card.get("licence", UNKNOWN),
        "card": json.dumps(card),
        "producer": f"wellposed {__version__}",
    }
    assert made.keys() == METADATA.keys(), "METADATA describes every entry"
    return {name: str(value) for name, value in made.items()}


def _expm1() -> Any:
    """`expm1` for ONNX, which has none; `exp(x) - 1` would lose the digits of a short step.

    expm1(x) = tanh(x / 2) (exp(x) + 1), exactly, and tanh keeps the digits of a small x.
    """
    op = import_module("onnxscript").opset18

    def expm1(x: Any) -> Any:
        half, one = op.CastLike(0.5, x), op.CastLike(1.0, x)
        return op.Mul(op.Tanh(op.Mul(x, half)), op.Add(op.Exp(x), one))

    return expm1


@contextmanager
def _kept_quiet() -> Iterator[None]:
    """Send to the log what the exporter says of its own insides; none of it is about the file.

    Recorded with torch 2.13: a deprecated call of its own, packages it could also translate, and
    that an LSTM keeps its weights in a list.
    """
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = registry.level
    registry.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            yield
    finally:
        registry.setLevel(before)
    for warning in said:
        logger.debug("exporter: %s", warning.message)
