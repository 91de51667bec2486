"""What can go wrong with Pythia."""


class PythiaError(RuntimeError):
    """Pythia cannot be used, or gave up; the message holds its own and the remedy."""
