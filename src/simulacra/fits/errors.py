"""What can go wrong with a fit."""

from __future__ import annotations


class FitError(RuntimeError):
    """A fit without a result; the message says why and what to do."""


class FitWarning(UserWarning):
    """A fit whose result should not be trusted without a check; the message says why and what to do."""
