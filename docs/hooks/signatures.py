"""Gives functions that ``with_parameters_of(other)`` decorates the parameters of ``other``, as Python's help does."""

from __future__ import annotations

from typing import Any

import griffe


class ParametersOf(griffe.Extension):
    """Finds such functions, and copies the parameters when the whole package is known."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[griffe.Function, str]] = []

    def on_function_instance(self, *, func: griffe.Function, **_: Any) -> None:
        """Keep a function that takes its parameters from another one of its module."""
        for decorator in func.decorators:
            name, _, rest = str(decorator.value).partition("(")
            if name == "with_parameters_of":
                self.found.append((func, rest.rstrip(")")))

    def on_package(self, **_: Any) -> None:
        """Copy the parameters."""
        for function, source in self.found:
            function.parameters = function.parent[source].parameters
