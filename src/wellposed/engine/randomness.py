"""Random generators that are pure functions of (seed, purpose, step).

No generator state is carried from step to step, so none can be lost at a resume and a replay
of step `n` needs only the number `n`.
"""

import hashlib

import torch


def key(seed: int, *parts: int | str) -> int:
    """Mix a seed and names into 63 bits, alike on every machine."""
    text = "\x1f".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(device: torch.device, seed: int, *parts: int | str) -> torch.Generator:
    """Return a fresh generator on `device`, keyed by (seed, parts)."""
    made = torch.Generator(device=device)
    made.manual_seed(key(seed, *parts))
    return made


def seed_global(seed: int, *parts: int | str) -> None:
    """Key the global generators, which layers such as `nn.Dropout` draw from."""
    torch.manual_seed(key(seed, *parts))
