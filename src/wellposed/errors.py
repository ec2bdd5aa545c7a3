"""The errors a user can cause and mend.

Every message says where, what was found, what was wanted and what to do. Mistakes of the
programmer are `assert`s; these are for people at a terminal, and the command line prints
them without a traceback.
"""


class WellposedError(Exception):
    """Base of all errors that a user can mend."""


class RecipeError(WellposedError):
    """A recipe, a flag or an option that cannot be used."""


class DataError(WellposedError):
    """A file, a corpus or a signal that cannot be used."""


class CheckpointError(WellposedError):
    """A checkpoint or weights file that is damaged or does not fit."""


class RunError(WellposedError):
    """A run that cannot go on: disk, folder, processes, or non-finite numbers."""
