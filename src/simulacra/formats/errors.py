"""What can be wrong with other people's files."""


class FormatError(ValueError):
    """A file that is not what it should be; the message says what was expected where, and what is there."""
