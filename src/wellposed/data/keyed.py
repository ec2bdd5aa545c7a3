"""Random numbers that are a pure function of a key.

`generator(seed, "train", 17)` is the same stream on every machine, in every process and in any
order of calls, so scene 17 needs no state to be drawn again. Philox is counter-based and its
stream is fixed by its 128-bit key (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
SC 2011); the key is a BLAKE2b digest, so near keys give unrelated streams. `hash()` would not do:
Python salts it per process.
"""

import hashlib
import operator

import numpy as np


def generator(seed: int | np.integer, *key: int | np.integer | str) -> np.random.Generator:
    """Give the random stream that belongs to `(seed, *key)`.

    Integers of any size and sign and strings may be keys; 1 and "1" are different keys, and so
    are ("ab", "c") and ("a", "bc").
    """
    digest = hashlib.blake2b(b"".join(map(_encode, (seed, *key))), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def _encode(part: int | np.integer | str) -> bytes:
    """Type, length, content: no two different keys run together into the same bytes."""
    if isinstance(part, str):
        return b"s%d:%s" % (len(part.encode()), part.encode())
    number = str(operator.index(part)).encode()
    return b"i%d:%s" % (len(number), number)
