"""Errors of Pythia."""


class PythiaError(RuntimeError):
    """Pythia cannot be used, or failed; the message contains Pythia's own and the remedy."""
