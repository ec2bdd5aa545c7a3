"""How a process of the command line takes memory and threads; what the user has set wins."""

import ctypes
import os
import sys
from collections.abc import Mapping, MutableMapping

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of mallopt, as glibc's malloc.h numbers them."""


def set_up(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set what PyTorch and OpenMP read from the environment, before either is at work."""
    # PyTorch then asks Linux for huge pages; unset, a third of a CPU training step went into page
    # faults (docs/decisions/005). It is read at the first allocation.
    environment.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    # Threads that have nothing to do sleep. Beside other work they would else spin on the cores
    # that their own partners wait for: 20 s of sound took 128 s to enhance, now 1.2 s
    # (docs/decisions/013). One thread is as fast as two on idle cores.
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    environment.setdefault("OMP_NUM_THREADS", "1")


def keep_freed(environment: Mapping[str, str] = os.environ) -> bool:
    """Make the C library keep what is freed for the next tensor, until the process ends.

    glibc maps every block above a threshold of at most 32 MB on its own, unmaps it when it is
    freed, and trims the top of its heap: a command that asks for the same large tensors over and
    over has every page cleared anew. Not for training, whose peak it doubles (docs/decisions/024).

    False, and nothing is changed, where the user has set how memory is allocated (MALLOC_...,
    glibc.malloc in GLIBC_TUNABLES), and where the library has no such setting (macOS, Windows,
    musl).
    """
    if sys.platform != "linux" or _chosen(environment):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # No block is mapped on its own, and the heap's top stays; 1 says that it was accepted.
    return mallopt(M_MMAP_MAX, 0) == 1 and mallopt(M_TRIM_THRESHOLD, -1) == 1


def _chosen(environment: Mapping[str, str]) -> bool:
    """Whether the user has a setting of the allocator."""
    tunables = environment.get("GLIBC_TUNABLES", "")
    return "glibc.malloc." in tunables or any(name.startswith("MALLOC_") for name in environment)
