"""Checks of all settings: no unknown keys, no infinite numbers, and no ``true`` read as 1.

Also the reading of settings from TOML files, and the check for integers in calls from Python, as on the command line.
"""

from __future__ import annotations

import math
import os
import tomllib
import typing
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

Model = TypeVar("Model", bound=BaseModel)

#: longest name of a file [bytes]
LONGEST_NAME: Final = 255


class CheckedSettings(BaseModel):
    """Settings that a user writes: frozen, without unknown keys, with finite numbers, and numbers where they belong."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _no_truth_for_a_number(cls, data: Any, handler: Callable[[Any], Self]) -> Self:
        if isinstance(data, Mapping):
            for name, value in data.items():
                field = cls.model_fields.get(name)
                if field is not None and _holds_bool(value) and _takes_numbers_alone(field.annotation):
                    raise ValueError(f"'{name}' is {str(value).lower()}: a truth value is not a number")
        return handler(data)


def _holds_bool(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_bool, value.values()))
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(_holds_bool, value)))


def _takes_numbers_alone(annotation: Any) -> bool:
    """Return whether a type accepts numbers and no truth values; nested models check their own."""
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


def shipped_in(folder: Path) -> tuple[str, ...]:
    """Return the names of the TOML files in a folder."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def read_shipped(
    model: type[Model],
    what: str,
    folder: Path,
    name_or_path: str | Path,
    refusal: Callable[[str], Exception],
    unnamed: Container[str | int] = (),
) -> Model:
    """Return settings from a shipped TOML file, by its name in ``folder``, or from another file.

    What is wrong is raised as ``refusal(message)``, with the names of what is shipped, or the wrong place in the file;
    ``what`` says what is read; ``unnamed`` as in :func:`faults_of`.
    """
    path, shipped = Path(name_or_path), shipped_in(folder)
    if str(name_or_path) in shipped:
        path = folder / f"{name_or_path}.toml"
    elif not path.is_file():
        raise refusal(f"no {what} '{name_or_path}': neither a file nor one of the shipped ones, {', '.join(shipped)}")
    try:
        return model.model_validate(toml_of(path))
    except ValidationError as error:
        raise refusal(f"{path}: {faults_of(error, unnamed)}") from None
    except ValueError as error:
        raise refusal(str(error)) from None


def toml_of(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises
    ------
    FileNotFoundError
        if there is none.
    ValueError
        if it is no TOML file, or cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder, not a TOML file") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        # Wrong TOML, text that is not UTF-8, a number of thousands of digits, brackets within brackets.
        raise ValueError(f"{path} is not a TOML file: {error}") from None


def faults_of(error: ValidationError, unnamed: Container[str | int] = ()) -> str:
    """Return each fault with its place, without its ``unnamed`` parts such as a union's, and what was given."""
    lines = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"] if part not in unnamed) or "the whole"
        given = fault["input"]
        shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
        lines.append(f"{place}: {fault['msg'].removeprefix('Value error, ')}{shown}")
    return "; ".join(lines)


def whole_number(number: object, what: str, least: int = 0) -> int:
    """Return an integer of Python or numpy as an ``int``; ``True`` and 1.0 are refused.

    Raises
    ------
    ValueError
        if it is not an integer, or below ``least`` (0 or 1); ``what`` is its name in the message.
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


def path_of(given: object, what: str) -> Path:
    """Return a path from a text or a path; ``what`` is its name in the message.

    Raises
    ------
    ValueError
        if it is something else, or a part of it is longer than any file's name.
    """
    if not isinstance(given, str | os.PathLike):
        raise ValueError(f"{what} must be a path or a name, not {type(given).__name__}")  # noqa: TRY004 - as for any value
    path = Path(given)
    if not os.fspath(given):
        raise ValueError(f"{what} has no name: give a path or a name, not ''")
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        raise ValueError(f"{what}, {str(path)!r:.80}…, is too long: a name has {LONGEST_NAME} bytes at most")
    return path


def numbers_of(given: object, what: str) -> dict[str, float]:
    """Return finite numbers by name; ``what`` is their name in the message.

    Raises
    ------
    ValueError
        if it is something else.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{what} must be numbers by name, such as {{'alphaS': 0.14}}, not {type(given).__name__}")  # noqa: TRY004
    for name, value in given.items():
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ValueError(f"{what}: '{name}' must be a finite number, not {value!r}")
    return {str(name): float(value) for name, value in given.items()}
