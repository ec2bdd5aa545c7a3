"""What huge pages save in a CPU training step, and what keeping freed memory saves beyond that.

    python benchmarks/huge_pages.py [--steps 8] [--rounds 3]

Runs the training step of `enhance` at size small (8 scenes of 2 s) in fresh processes: as it is,
with THP_MEM_ALLOC_ENABLE=1, and with `keep_freed` of `wellposed.cli.process` besides, in turn.
Prints the median of page faults, system time, wall time and peak memory of each.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

from wellposed.cli.process import keep_freed

SETTINGS = {"ordinary": ("0", []), "huge pages": ("1", []), "and kept": ("1", ["--keep"])}
"""THP_MEM_ALLOC_ENABLE and options of a child."""


def child(steps: int, keep: bool) -> None:
    if keep:
        keep_freed()
    import torch

    from wellposed.systems.enhance.model import Bsrnn
    from wellposed.systems.enhance.objective import enhance_terms
    from wellposed.systems.enhance.recipe import Loss, Model

    torch.manual_seed(0)
    network = Bsrnn(Model(), 16000)
    optimizer = torch.optim.AdamW(network.parameters())
    noisy = 0.1 * torch.randn(8, 32000)
    durations = []
    before = resource.getrusage(resource.RUSAGE_SELF)
    for step in range(steps + 2):
        if step == 2:
            before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.perf_counter()
        terms = enhance_terms(network(noisy), 0.5 * noisy, noisy, Loss(), 16000)
        torch.stack([value.mean() for value in terms.values()]).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        durations.append(time.perf_counter() - started)
    after = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "step_s": statistics.median(durations[2:]),
        "system_s": (after.ru_stime - before.ru_stime) / steps,
        "faults": (after.ru_minflt - before.ru_minflt) / steps,
        "peak_mib": after.ru_maxrss / 1024,
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.steps, options.keep)
        return
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in SETTINGS}
    for _ in range(options.rounds):
        for name, (huge, more) in SETTINGS.items():
            command = [sys.executable, __file__, "--child", "--steps", str(options.steps), *more]
            environment = {**os.environ, "THP_MEM_ALLOC_ENABLE": huge}
            done = subprocess.run(command, env=environment, check=True, capture_output=True)
            runs[name].append(json.loads(done.stdout))
    print(f"{'':12}" + "".join(f"{name:>12}" for name in SETTINGS))
    for figure in ("step_s", "system_s", "faults", "peak_mib"):
        medians = (statistics.median(run[figure] for run in each) for each in runs.values())
        print(f"{figure:12}" + "".join(f"{median:12.4g}" for median in medians))


if __name__ == "__main__":
    main()
