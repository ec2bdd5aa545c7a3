"""Reads damaged .wpc files by the thousand: none may crash, hang, or give a wrong code.

python benchmarks/wpc_fuzz.py [CASES [SEED]]
"""

import resource
import sys

import numpy as np

from wellposed.systems.codec.bitstream import fuzz
from wellposed.systems.codec.bitstream.header import Header
from wellposed.systems.codec.bitstream.tables import train_tables

BOOKS = (64,) * 4
MODEL = bytes(range(8))


def samples() -> list[fuzz.Sample]:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 64, (4, 400)).astype(np.int32)
    tables = train_tables([codes], BOOKS, classes=2)
    packed = Header(16000, 320, BOOKS, 50, 75_000, MODEL, level_db=-23)
    stereo = Header(8000, 160, (64, 64, 125), 50, 22_222, MODEL, channels=2)
    coded = Header(16000, 320, BOOKS, 50, 75_000, MODEL, tables=tables.digest)
    return [fuzz.sample(packed, 1), fuzz.sample(stereo, 2), fuzz.sample(coded, 3, tables)]


def main() -> int:
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    files = samples()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    outcome = fuzz.run(files, cases, seed)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{outcome.cases} cases, seed {seed}, {outcome.took_s:.1f} s in all")
    print(f"slowest {1000 * outcome.slowest_s:.1f} ms, memory {before:.0f} -> {after:.0f} MiB")
    for kind, count in outcome.kinds.most_common():
        print(f"  {count:7d} {kind}")
    for failure in outcome.failures[:20]:
        print(failure)
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
