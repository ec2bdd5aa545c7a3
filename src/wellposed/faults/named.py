"""What faults and stories share: a name, a sentence, and differences from a recipe."""

from collections.abc import Mapping
from typing import Any

Changes = Mapping[str, Any]
"""Dotted keys of a recipe and their values."""


class Named:
    """A class that is called by its name and told by the first line of its docstring."""

    @classmethod
    def name(cls) -> str:
        """The class's name in small letters, with hyphens."""
        small = (f"-{c.lower()}" if c.isupper() else c for c in cls.__name__)
        return "".join(small).lstrip("-")

    @classmethod
    def about(cls) -> str:
        """One sentence."""
        return (cls.__doc__ or "").partition("\n")[0]
