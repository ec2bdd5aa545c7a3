"""What waiting threads cost beside other work: OpenMP's idle threads spinning, or asleep.

    python benchmarks/idle_threads.py [--busy 0 4] [--seconds 5]

Enhances noise with the shipped weights on all cores, in a process of its own per policy, while
`--busy` other processes compute. Given are seconds on the clock and of the processor.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from this_machine import machine

WORK = """
import sys, time
import numpy as np
from wellposed.systems.enhance.use import Enhancer

enhancer = Enhancer.load()
noise = np.random.default_rng(0).normal(0, 0.05, (1, int(16000 * float(sys.argv[1])))).astype("f4")
enhancer(noise[:, :8000], 16000)
clock, processor = time.perf_counter(), time.process_time()
enhancer(noise, 16000)
print(f"{time.perf_counter() - clock:8.2f} {time.process_time() - processor:8.2f}")
"""


@contextmanager
def others(count: int) -> Iterator[None]:
    """Let `count` processes compute."""
    spin = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(spin) for _ in range(count)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 4])
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    print(f"{machine()}, {options.seconds:g} s of sound; seconds on the clock, of the processor")
    for count in options.busy:
        for policy in ("unset", "PASSIVE"):
            environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
            if policy != "unset":
                environment["OMP_WAIT_POLICY"] = policy
            command = [sys.executable, "-c", WORK, str(options.seconds)]
            with others(count):
                done = subprocess.run(
                    command, env=environment, capture_output=True, text=True, check=True
                )
            print(f"{count} other processes, OMP_WAIT_POLICY {policy:<8} {done.stdout.strip()}")


if __name__ == "__main__":
    main()
