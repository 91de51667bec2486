"""How a judge tells how far it has come."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with the name of a step and the share of the work that is done before it."""


def silent(_step: str, _share: float) -> None:
    """Tell nothing."""
