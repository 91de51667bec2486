"""What all settings have in common: nothing unknown, nothing infinite, and no ``true`` that is taken for a 1."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, Self

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
                if field is not None and _holds_bool(value) and not _takes_bool(field.annotation):
                    raise ValueError(f"'{name}' is {str(value).lower()}: a truth value is no number")
        return handler(data)


def _holds_bool(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_bool, value.values()))
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(_holds_bool, value)))


def _takes_bool(annotation: Any) -> bool:
    """Return whether a truth value has a place somewhere in a type; models inside look after their own."""
    if annotation is Any or annotation is bool:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return any(map(_takes_bool, typing.get_args(annotation)))
