"""What every test may rely on: one thread, and the real corpus where it lies beside the repository.

One thread, because the order of a sum depends on the number of threads and so do the last bits of
a result. Set through the environment before torch is imported, so that subprocesses inherit it and
tests without torch do not pay for its import.
"""

import os
from pathlib import Path

import pytest

for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_variable] = "1"

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real corpus, with its manifest.csv; the test is skipped where there is none."""
    if not (SHARED_DATA / "manifest.csv").is_file():
        pytest.skip(f"no real corpus: {SHARED_DATA}/manifest.csv does not exist")
    return SHARED_DATA
