"""Functions that have the parameters of another function, and show them in ``help``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def with_parameters_of(
    other: Callable[Parameters, Any],
) -> Callable[[Callable[..., Result]], Callable[Parameters, Result]]:
    """Give a function the parameters of another one, to which it hands them on, for ``help`` and type checkers."""

    def with_them(function: Callable[..., Result]) -> Callable[Parameters, Result]:
        result = inspect.signature(function).return_annotation
        shown = inspect.signature(other).replace(return_annotation=result)
        function.__signature__ = shown  # type: ignore[attr-defined]
        return function

    return with_them
