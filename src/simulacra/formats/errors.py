"""Errors of files of other programs."""


class FormatError(ValueError):
    """A file with wrong contents; the message says what was expected where, and what was found."""
