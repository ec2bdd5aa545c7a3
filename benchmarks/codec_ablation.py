"""What makes a codec collapse: a few short trainings that differ in one thing each.

All variants start from the same weights and see the same scenes. After the last step the first
validation scenes are coded with all stages; SNR minds level, amplitude is the ratio of RMS, the
effective bitrate is the entropy of the codes sent on those scenes and in the last training steps.
One short run of each is a diagnosis, no benchmark.

    python benchmarks/codec_ablation.py [--data DIR] [--steps 100] [--only NAME ...] [--size 1m]
"""

import argparse
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from this_machine import machine
from torch import Tensor

from wellposed.engine.recipe import changed
from wellposed.engine.system import Moment
from wellposed.nn.quantizers import FactorisedStage, Quantized, ResidualQuantizer, Stage
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.recipe import SIZES, CodecRecipe
from wellposed.systems.codec.system import CodecSystem

NEVER = 10**9
WARMUP = 20
RATE = 1e-3
"""Above the recipe's, so that in so few steps something happens."""
SHORT: dict[str, Any] = {
    "scenes.seconds": 0.5,
    "scenes.validation_seconds": 3.0,
    "training.batch_size": 4,
    "training.log_every": NEVER,
    "validation.scenes": 6,
    "loss.quantize_from": 0,
    "loss.dropout": 0.0,
}
"""Small enough for minutes of one core; books are fitted at the start, to the latents of an
untrained encoder."""
ONE_TO_ONE = {"loss.mel": 1 / 7, "loss.waveform": 1.0, "loss.commitment": 1.0, "loss.codebook": 1.0}
"""A mean over the seven resolutions, and all terms alike."""
FACTORISED = {"model.quantizer": "factorised"}
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "no quantizer": {"loss.quantize_from": NEVER},
    "random start": {"model.start": "random"},
    "lowest frequencies": {"model.follow": "frequency", "model.latent": 96, "model.bands": 0},
    "all weights 1": ONE_TO_ONE,
    "balanced gradients": {"loss.balanced": True},
    "broken straight-through": {},
    "factorised": FACTORISED,
    "look-up by direction": FACTORISED | {"model.look_up": "cosine"},
    "no fit, no revival": FACTORISED,
    "finite scalar": {"model.quantizer": "scalar"},
}


class Repeated(ResidualQuantizer):
    """A straight-through path in every stage: the gradient comes once for each."""

    def forward(self, latent: Tensor, *rest: Any, **named: Any) -> Quantized:
        """Quantize; the value is right, its gradient is not."""
        made = super().forward(latent, *rest, **named)
        extra = (len(self.books) - 1) * (latent - latent.detach())
        return made._replace(value=made.value + extra)


class Unaided(FactorisedStage):
    """A book that gradients alone move: of what it learns by itself, counting is left."""

    def learn(
        self, projected: Tensor, codes: Tensor, counted: Tensor, generator: torch.Generator
    ) -> None:
        """Count, and revive nothing."""
        self.count(codes, counted)


def spoil(name: str, codec: Codec) -> None:
    """Put the fault of a variant into the network."""
    if name == "broken straight-through":
        for each in _stacks(codec):
            each.__class__ = Repeated
    if name == "no fit, no revival":
        for each in _stacks(codec):
            each.started.fill_(True)
            for stage in each.stages:
                stage.__class__ = Unaided


def _stacks(codec: Codec) -> list[ResidualQuantizer]:
    return [each for each in codec.quantizer.modules() if isinstance(each, ResidualQuantizer)]


def train(name: str, system: CodecSystem, steps: int) -> tuple[Codec, float]:
    """Train a variant; the network and the processor seconds of a step."""
    torch.manual_seed(0)
    networks = system.build()
    codec = networks["model"]
    assert isinstance(codec, Codec)
    spoil(name, codec.train())
    recipe = system.recipe.optimizer
    optimizer = torch.optim.AdamW(
        codec.parameters(), RATE, recipe.betas, weight_decay=recipe.weight_decay
    )
    batch, begun = system.recipe.training.batch_size, time.process_time()
    for step in range(steps):
        items = [system.item("train", step * batch + number) for number in range(batch)]
        moment = Moment(step, torch.Generator().manual_seed(step))
        terms = system.terms("model", networks, system.collate(items), moment)
        weights = system.weights("model")
        total = torch.stack([weights[key] * value.mean() for key, value in terms.items()]).sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), recipe.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARMUP)
        optimizer.step()
    return codec.eval(), (time.process_time() - begun) / steps


@torch.no_grad()
def judge(codec: Codec, system: CodecSystem) -> dict[str, float]:
    """Mean SNR and SI-SDR [dB], amplitude ratio, and the use of the books."""
    quantize = system.recipe.loss.quantize_from == 0
    snr, si_sdr, amplitude = [], [], []
    for number in range(system.recipe.validation.scenes):
        wave = system.item("valid", number)["wave"]
        made = codec(wave[None], quantize=quantize).wave[0]
        aim = (made @ wave) / (wave @ wave) * wave
        snr.append(float(_db(wave, made - wave)))
        si_sdr.append(float(_db(aim, made - aim)))
        amplitude.append(float(made.square().mean().sqrt() / wave.square().mean().sqrt()))
    mean = {"snr": snr, "si_sdr": si_sdr, "amplitude": amplitude}
    told = {key: sum(values) / len(values) for key, values in mean.items()}
    if quantize:
        bits = [float(stage.bits) for stage in codec.quantizer.stages if isinstance(stage, Stage)]
        told |= {"kbit_s": 0.05 * sum(bits), "low": 2 ** min(bits), "high": 2 ** max(bits)}
    return told


def _db(signal: Tensor, error: Tensor) -> Tensor:
    return 10 * torch.log10(signal.square().sum() / error.square().sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--size", choices=list(SIZES), default="1m")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    base = {"model": SIZES[options.size].model_dump(mode="json"), **SHORT}
    if options.data:
        base["data.path"] = str(options.data.resolve())
    data = options.data or "synthetic speech"
    print(
        f"{machine()}, one thread, {options.steps} steps of 4 x 0.5 s, size {options.size}, {data}"
    )
    print("| variant | SNR dB | SI-SDR dB | amplitude | perplexity | effective kbit/s | s/step |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in options.only:
        keys = {**deepcopy(base), **VARIANTS[name]}
        system = CodecSystem(changed(CodecRecipe(), keys, "benchmark"))
        codec, seconds = train(name, system, options.steps)
        told = judge(codec, system)
        cells = [name, f"{told['snr']:.2f}", f"{told['si_sdr']:.2f}", f"{told['amplitude']:.0%}"]
        if "low" in told:
            cells += [f"{told['low']:.0f}-{told['high']:.0f}", f"{told['kbit_s']:.1f}"]
        else:
            cells += ["-", "-"]
        print(f"| {' | '.join([*cells, f'{seconds:.2f}'])} |", flush=True)


if __name__ == "__main__":
    main()
