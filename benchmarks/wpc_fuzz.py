"""Reads damaged .wpc files by the thousand: none may crash, hang, or give a wrong code.

Codes are random ones, of a small codec, or of the books and tables of weights (--model); with
--sound that many cases are decoded down to samples besides.

    python benchmarks/wpc_fuzz.py [CASES [SEED]] [--model codec-1m [--sound 500]]
"""

import argparse
import io
import resource
import sys
import time
from collections import Counter

import numpy as np

from wellposed.errors import DataError
from wellposed.systems.codec.bitstream import fuzz
from wellposed.systems.codec.bitstream.header import Header
from wellposed.systems.codec.bitstream.tables import train_tables
from wellposed.systems.codec.coder import Coder, Settings

BOOKS = (64,) * 4
MODEL = bytes(range(8))


def samples() -> list[fuzz.Sample]:
    """Files of a small codec: packed, of two channels at another rate, range-coded."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 64, (4, 400)).astype(np.int32)
    tables = train_tables([codes], BOOKS, classes=2)
    packed = Header(16000, 320, BOOKS, 50, 75_000, MODEL, level_db=-23)
    stereo = Header(8000, 160, (64, 64, 125), 50, 22_222, MODEL, channels=2)
    coded = Header(16000, 320, BOOKS, 50, 75_000, MODEL, tables=tables.digest)
    return [fuzz.sample(packed, 1), fuzz.sample(stereo, 2), fuzz.sample(coded, 3, tables)]


def samples_of(coder: Coder) -> list[fuzz.Sample]:
    """Files as these weights make them: packed, of two channels at 44.1 kHz, range-coded."""
    packed = coder.header(16000, 1, 75_000, Settings())
    stereo = coder.header(44100, 2, 100_000, Settings(stages=6))
    files = [fuzz.sample(packed, 1), fuzz.sample(stereo, 2)]
    if coder.tables is not None:
        coded = coder.header(16000, 1, 75_000, Settings(entropy=True))
        files.append(fuzz.sample(coded, 3, coder.tables))
    return files


def sounded(coder: Coder, files: list[fuzz.Sample], cases: int, seed: int) -> tuple[Counter, float]:
    """How decoding to samples ends, and the slowest [s]; what is no DataError ends the program."""
    kinds: Counter[str] = Counter()
    slowest = 0.0
    for number in range(cases):
        case, began = fuzz.damaged(files, seed, number), time.perf_counter()
        try:
            reader = coder.open(io.BytesIO(case.content), case.label)
            finite = all(np.isfinite(block).all() for block in coder.decode(reader))
            kinds["sound" if finite else "SAMPLES THAT ARE NOT FINITE"] += 1
        except DataError:
            kinds["a clear error"] += 1
        slowest = max(slowest, time.perf_counter() - began)
    return kinds, slowest


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=int, nargs="?", default=100_000)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--model")
    parser.add_argument("--sound", type=int, default=0)
    options = parser.parse_args()
    coder = None if options.model is None else Coder.load(options.model)
    files = samples() if coder is None else samples_of(coder)
    before, begun = memory(), time.process_time()
    outcome = fuzz.run(files, options.cases, options.seed)
    spent = time.process_time() - begun
    print(f"{outcome.cases} cases, seed {options.seed}, {spent:.1f} s of processor time")
    print(f"slowest {1000 * outcome.slowest_s:.1f} ms, memory {before:.0f} -> {memory():.0f} MiB")
    for kind, count in outcome.kinds.most_common():
        print(f"  {count:7d} {kind}")
    for failure in outcome.failures[:20]:
        print(failure)
    if coder is not None and options.sound:
        kinds, slowest = sounded(coder, files, options.sound, options.seed)
        print(f"{options.sound} decoded, slowest {slowest:.1f} s, memory {memory():.0f} MiB")
        print("\n".join(f"  {count:7d} {kind}" for kind, count in kinds.most_common()))
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
