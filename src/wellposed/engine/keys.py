"""Dotted keys of nested mappings, and what is said of one that does not exist."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of all that is not a mapping, or an empty one."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def keys(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted keys of all nodes."""
    names = []
    for key, value in tree.items():
        names.append(prefix + key)
        if isinstance(value, dict):
            names += keys(value, f"{prefix}{key}.")
    return names


def unknown(where: str, key: str, known: list[str]) -> str:
    """Say that a key does not exist, and which one may be meant."""
    # All keys of a recipe fill a screen; those beside the unknown one are what was meant.
    parent = key.rpartition(".")[0]
    beside = [each for each in known if each.rpartition(".")[0] == parent]
    others = [each for each in known if each != parent or not beside]
    near = difflib.get_close_matches(key, others, n=1, cutoff=0.5)
    here = f"Known keys below {parent}" if parent and beside else "Known keys"
    told = beside or [each for each in known if "." not in each]
    hint = f", did you mean {near[0]}?" if near else f". {here}: {', '.join(told)}."
    return f"{where}: unknown key {key}{hint}"
