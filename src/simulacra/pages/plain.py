"""Dataclasses, arrays and settings as plain JSON values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from pydantic import BaseModel

DIGITS: Final = 7


def plain(value: Any, place: str) -> Any:
    """Return a value as JSON values, floats of arrays with seven digits.

    Parameters
    ----------
    value:
        a dataclass, pydantic model, mapping, sequence, array or scalar, nested to any depth.
    place:
        name of the value in an error, such as "report".

    Raises
    ------
    ValueError
        if a number in it is NaN or infinite, which JSON does not allow.
    """
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: plain(inner, f"{place}.{name}") for name, inner in fields.items()}
    if isinstance(value, Mapping):
        return {str(name): plain(inner, f"{place}.{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, f"{place}[{number}]") for number, inner in enumerate(value)]
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            if not np.isfinite(value).all():
                raise ValueError(f"{place} holds a number that is not finite")
            rounded = [float(f"{number:.{DIGITS}g}") for number in value.ravel().tolist()]
            return np.array(rounded).reshape(value.shape).tolist()
        return value.tolist()
    if isinstance(value, np.generic):
        return plain(value.item(), place)
    if isinstance(value, float) and not np.isfinite(value):
        raise ValueError(f"{place} is {value}, not a finite number")
    return value
