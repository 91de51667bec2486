"""What all settings have in common: nothing unknown, nothing infinite, and no ``true`` that is taken for a 1.

And what a call from Python refuses as the command line does: numbers that are not whole.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator


class CheckedSettings(BaseModel):
    """Settings that a user writes: frozen, without unknown keys, with finite numbers, and numbers where they belong."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _no_truth_for_a_number(cls, data: Any, handler: typing.Callable[[Any], Self]) -> Self:
        if isinstance(data, Mapping):
            for name, value in data.items():
                field = cls.model_fields.get(name)
                if field is not None and _holds_bool(value) and _takes_numbers_alone(field.annotation):
                    raise ValueError(f"'{name}' is {str(value).lower()}: a truth value is no number")
        return handler(data)


def _holds_bool(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_bool, value.values()))
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(_holds_bool, value)))


def _takes_numbers_alone(annotation: Any) -> bool:
    """Return whether a type has places for numbers and none for truth values; models inside look after their own."""
    leaves = set(_leaves(annotation))
    models = any(isinstance(leaf, type) and issubclass(leaf, BaseModel) for leaf in leaves)
    return bool(leaves & {int, float}) and not models and not leaves & {bool, Any}


def _leaves(annotation: Any) -> Iterator[Any]:
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal or not inner:
        yield annotation
        return
    for one in inner:
        yield from _leaves(one)


def whole_number(number: object, what: str, least: int = 0) -> int:
    """Return a whole number of Python's or numpy's as an ``int``; ``True`` is none, nor is 1.0.

    Raises
    ------
    ValueError
        if it is none, or below ``least`` (0 or 1), with ``what`` it is.
    """
    # The first question is answered in nanoseconds, which counts where events are made one by one.
    if type(number) is not int:
        if not isinstance(number, np.integer):
            shown = " ".join(repr(number).split())
            raise ValueError(f"{what} must be a whole number, not {shown if len(shown) <= 80 else f'{shown[:80]}…'}")
        number = int(number)
    if number < least:
        raise ValueError(f"{what} must {f'be at least {least}' if least else 'not be negative'}, not {number}")
    return number
