"""What can go wrong with a fit."""

from __future__ import annotations


class FitError(RuntimeError):
    """A fit that has no answer; the message says why and what to do."""


class FitWarning(UserWarning):
    """A fit that has an answer which should not be trusted as it stands; the message says why and what to do."""
