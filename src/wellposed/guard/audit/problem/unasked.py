"""A question that cannot be asked, and why."""


class Unasked(Exception):  # noqa: N818 - it is no error, but an answer
    """Raised by a question: its reason is listed as "not asked: REASON", never as good."""
