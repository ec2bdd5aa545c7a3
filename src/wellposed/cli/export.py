"""`wellposed export`: the best weights of a run as one file to give away, or as an ONNX graph."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from torch import Tensor

from wellposed.cli.options import read_options
from wellposed.engine.storage.modelfile import load_model, save_model, without_paths
from wellposed.errors import RunError
from wellposed.systems.codec.loading import WEIGHTS as CODECS
from wellposed.systems.enhance.loading import WEIGHTS as ENHANCERS
from wellposed.systems.enhance.loading import load_network
from wellposed.systems.enhance.onnxfile import CHECK_S, difference, require, write_onnx
from wellposed.systems.extract.calibration import calibrate
from wellposed.systems.extract.loading import WEIGHTS as EXTRACTORS
from wellposed.systems.extract.loading import load_network as load_extractor
from wellposed.systems.locate.loading import WEIGHTS as LOCATORS

SHELVES = (ENHANCERS, CODECS, EXTRACTORS, LOCATORS)


@dataclass
class Export:
    """Copy the best weights of a run into files that name no path of this machine."""

    run: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Folder of the run, a weights file, or a name of shipped weights."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File for the weights, ending in .safetensors."""
    onnx: Path | None = None
    """File for the streaming step as an ONNX graph; needs a causal model and the extra `onnx`."""
    licence: str | None = None
    """Licence of the weights, written into the files: "CC-BY-4.0", for example."""
    calibrate: int = 0
    """Scenes of validation on which level and threshold of an extractor are set; 0: as they are."""
    data: Path | None = None
    """Corpus of the validation scenes; without it the data of the weights' recipe."""


def export(arguments: list[str]) -> int:
    """Write the files; the card keeps recipe, step, score and the digest of the data."""
    options = read_options(Export, "wellposed export", arguments)
    wanted = [path for path in (options.output, options.onnx) if path is not None]
    if not wanted:
        print("wellposed export: name a file to write: -o FILE or --onnx FILE", file=sys.stderr)
        return 2
    if options.data is not None and not options.calibrate:
        print("wellposed export: --data is what --calibrate N looks at: give both", file=sys.stderr)
        return 2
    for path, suffix in ((options.output, ".safetensors"), (options.onnx, ".onnx")):
        if path is not None and path.suffix != suffix:
            raise RunError(
                f"{path}: wanted a name that ends in {suffix}, which is what it will be."
            )
    for path in wanted:
        if path.exists():
            raise RunError(f"{path}: exists already. Remove it, or name another file.")
    source = next((s for s in SHELVES if s.holds(options.run)), ENHANCERS).find(options.run)
    tensors, card = load_model(source)
    card = without_paths(card)
    if options.licence is not None:
        card["licence"] = options.licence
    if options.calibrate:
        tensors, card["calibrated"] = _calibrated(options, source)
    if options.output is not None:
        save_model(options.output, tensors, card)
        count = sum(tensor.numel() for tensor in tensors.values())
        print(f"{options.output}: {count / 1e6:.3f} M weights of step {card['step']}")
    if options.onnx is not None:
        _export_onnx(source, options.onnx, card)
    return 0


def _calibrated(options: Export, source: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights of an extractor with level and threshold set, and what was set."""
    network, recipe = load_extractor(source, torch.device("cpu"))
    done = calibrate(network, recipe, options.calibrate, data=options.data)
    print(
        f"level {done.gain_db:+.2f} dB, threshold of presence {done.threshold:.3f} (equal error "
        f"rate {done.equal_error_rate:.1%}) from {done.present} scenes with the target and "
        f"{done.absent} without"
    )
    return {f"model/{name}": value for name, value in network.state_dict().items()}, asdict(done)


def _export_onnx(source: Path, target: Path, card: dict[str, Any]) -> None:
    network = load_network(source, torch.device("cpu"))
    write_onnx(network, target, card)
    latency_ms = 1000 * (network.stft.window - 1) / network.rate
    print(f"{target}: one hop of {network.stft.hop} samples, latency {latency_ms:.1f} ms")
    try:
        require("onnxruntime")
    except RunError as error:
        print(f"not compared with PyTorch: {error}")
        return
    worst = difference(network, target)
    print(f"differs from PyTorch by at most {worst:.1e} of full scale in {CHECK_S:g} s of noise")
