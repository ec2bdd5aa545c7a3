"""Keyed random numbers: the same on every machine, and different for different keys."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from wellposed.data.keyed import generator


@pytest.mark.parametrize(
    ("key", "first"),
    [
        ((0,), 0xA589FACABBA4C358),
        ((7, "train", 17), 0x9F3824FC408F6DDD),
        ((-1, "é", 2**80), 0xC0BA7AC8402EABE9),
    ],
)
def test_a_key_gives_the_stream_that_it_always_gave(key, first):
    assert generator(*key).bit_generator.random_raw() == first


def test_the_stream_does_not_depend_on_the_salt_of_hash():
    code = "from wellposed.data.keyed import generator as g; print(g(7, 'train', 17).random())"
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for salt in ("1", "2")
    }
    assert printed == {str(generator(7, "train", 17).random())}


def test_keys_that_look_alike_give_different_streams():
    keys = [
        (1,),
        ("1",),
        (1, 1),
        (11,),
        (1, "1"),
        ("ab", "c"),
        ("a", "bc"),
        (-1,),
        (1, ""),
        ("i1:1",),
    ]
    firsts = [generator(0, *key).bit_generator.random_raw() for key in keys]
    assert len(set(firsts)) == len(keys)


def test_a_numpy_integer_is_the_same_key_as_a_python_one():
    assert generator(3, np.int64(5)).random() == generator(3, 5).random()


def test_neighbouring_keys_are_uncorrelated():
    streams = np.stack([generator(0, index).standard_normal(4_000) for index in range(8)])
    # The correlation of independent streams has the deviation 1/sqrt(4000) = 0.016.
    for a, b in itertools.combinations(streams, 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 * 0.016


def test_a_fraction_is_no_key():
    with pytest.raises(TypeError):
        generator(0, 0.5)  # pyrefly: ignore[bad-argument-type]
