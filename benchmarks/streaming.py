"""What a frame of a live stream costs: `EnhanceStream` with each block, and its ONNX step.

Presets of about 0.5 M parameters, one thread, chunks of one hop, noise at the network's rate; the
networks take turns chunk by chunk, so that whatever else the machine does meets all alike. The
real-time factor is processor seconds per second of audio; frame times are by the same clock, which
stands still while others compute (`--clock wall` for what a listener would wait).

With `--onnx` the networks are exported first, which takes longer than all else: 6 to 14 s of
processor time for each. `--blocks` leaves some out.

    python benchmarks/streaming.py [--seconds 5] [--hops 1 4 16] [--blocks lstm mamba mamba2]
        [--clock cpu] [--onnx] [--json FILE]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from this_machine import machine

from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.onnxfile import OnnxStep, write_onnx
from wellposed.systems.enhance.recipe import SIZES
from wellposed.systems.enhance.stream import EnhanceStream

PRESETS = {"lstm": "bsrnn-causal", "mamba": "mbs-causal", "mamba2": "mbs2-causal"}
RATE = 16_000
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

Push = Callable[[np.ndarray], object]


def in_turn(
    pushes: dict[str, Push], chunk: int, seconds: float, clock: Callable[[], float]
) -> dict[str, np.ndarray]:
    """Seconds of every push of `chunk` samples, after a second that warms up."""
    made = np.random.default_rng(0).standard_normal(round((seconds + 1) * RATE))
    noise = (0.1 * made).astype(np.float32)
    spent: dict[str, list[float]] = {name: [] for name in pushes}
    for start in range(0, len(noise) - chunk + 1, chunk):
        for name, push in pushes.items():
            begun = clock()
            push(noise[start : start + chunk])
            spent[name].append(clock() - begun)
    warm = RATE // chunk
    return {name: np.array(times[warm:]) for name, times in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--hops", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--blocks", choices=PRESETS, nargs="+", default=list(PRESETS))
    parser.add_argument("--clock", choices=CLOCKS, default="cpu")
    parser.add_argument("--onnx", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    networks = {name: Bsrnn(SIZES[PRESETS[name]], RATE).eval() for name in options.blocks}
    hop, figures = next(iter(networks.values())).stft.hop, []
    print(f"{machine()}, one thread, torch {torch.__version__}, {options.clock} clock")
    for name, network in networks.items():
        count = sum(p.numel() for p in network.parameters())
        latency_ms = EnhanceStream(network).latency_ms
        print(f"{name}: {PRESETS[name]}, {count:,} parameters, latency {latency_ms:.1f} ms")
    steps = {f"{name}, onnx": _onnx_push(net) for name, net in networks.items() if options.onnx}
    print(f"{'':<14}{'chunk':>9}{'RTF':>8}{'least':>8}{'p50':>8}{'p99':>8}   ms")
    for hops in options.hops:
        pushes: dict[str, Push] = {n: EnhanceStream(net).push for n, net in networks.items()}
        if hops == 1:
            pushes |= steps
        spent = in_turn(pushes, hops * hop, options.seconds, CLOCKS[options.clock])
        for name, times in spent.items():
            row = {
                "name": name,
                "chunk_ms": 1000 * hops * hop / RATE,
                "rtf": times.mean() / (hops * hop / RATE),
                "least_ms": 1000 * times.min(),
                "p50_ms": 1000 * np.quantile(times, 0.5),
                "p99_ms": 1000 * np.quantile(times, 0.99),
            }
            figures.append(row)
            print(f"{name:<14}{row['chunk_ms']:>6.0f} ms{row['rtf']:>8.3f}", end="")
            print(f"{row['least_ms']:>8.2f}{row['p50_ms']:>8.2f}{row['p99_ms']:>8.2f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _onnx_push(network: Bsrnn) -> Push:
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.onnx"
        write_onnx(network, path, {})
        step = OnnxStep(path)
    print(f"exported in {time.process_time() - begun:.1f} s of processor time", flush=True)
    return lambda samples: step(samples[None])


if __name__ == "__main__":
    main()
