"""The attributes and records of HDF5 files: the only place that reads and checks them.

Datasets of numbers are checked where they are read (:func:`simulacra.formats.hdf5.dataset`).
"""

from __future__ import annotations

import json
import typing
from typing import Annotated, Any, Final, TypeVar

import h5py
import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json, JsonValue, TypeAdapter, ValidationError

from simulacra.errors import printable
from simulacra.formats.binning import Binning
from simulacra.formats.errors import FormatError
from simulacra.geometry import CalorimeterGeometry

Held = TypeVar("Held")


def _valid_geometry(text: str) -> str:
    CalorimeterGeometry.from_json(text)
    return text


def _valid_binning(text: str) -> str:
    Binning.model_validate_json(text)
    return text


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class FileAttributes(_Strict):
    """Attributes that files of the public layouts may have for all their events."""

    particle: str | None = None
    physics: str | None = None
    geant4: str | int | float | None = None
    seconds_per_event: float | None = None


class _Open(_Strict):
    """A model that accepts further keys, of plain values."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")
    __pydantic_extra__: dict[str, JsonValue]


class EventsAttributes(_Open):
    """The provenance of events (:mod:`simulacra.events`); ``validate`` checks that it is complete."""

    simulator: str = ""
    simulator_version: str = ""
    seed: int = -1
    settings: Json[dict[str, JsonValue]] = Field(default_factory=dict)
    seconds_per_event: float = 0.0
    particle: str = ""
    geometry: Annotated[str, AfterValidator(_valid_geometry)] = ""
    binning: Annotated[str, AfterValidator(_valid_binning)] = ""


class VariableAttributes(_Open):
    """The attributes of a variable of events; ``validate`` checks that they are complete."""

    units: str = ""
    long_name: str = ""
    role: str = ""
    signed: bool = False


class Record(_Strict):
    """The record in the group ``simulacra``: the attributes of the events, and those of each variable."""

    attributes: EventsAttributes
    variables: dict[str, VariableAttributes]


EVENTS: Final = TypeAdapter(EventsAttributes)
VARIABLE: Final = TypeAdapter(VariableAttributes)
RECORD: Final = TypeAdapter(Record)
DIMENSIONS: Final = TypeAdapter(list[str])
FLAG: Final = TypeAdapter(bool, config=ConfigDict(strict=True))


def file_attributes(file: h5py.File) -> FileAttributes:
    """Return the attributes of a file of a public layout for all its events.

    Raises
    ------
    FormatError
        if an attribute is of another type or shape, with its name.
    """
    names = [name for name in FileAttributes.model_fields if name in file.attrs]
    return FileAttributes(**{name: attribute(file, name, _OF_FILES[name]) for name in names})


def attribute(owner: h5py.HLObject, name: str, held: TypeAdapter[Held]) -> Held:
    """Return an attribute of a file, a group or a dataset.

    Raises
    ------
    FormatError
        if it is missing, unreadable or of another kind; the message names the file and the attribute.
    """
    if name not in owner.attrs:
        raise FormatError(f"'{owner.file.filename}': expected the attribute '{name}' of {_called(owner)}, found none")
    value = _plain_attribute(owner, name)
    # One number or text may have been written as an array of one.
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    return check(value, held, f"the attribute '{name}' of {_called(owner)}", owner)


def attributes(owner: h5py.HLObject, held: TypeAdapter[Any]) -> dict[str, Any]:
    """Return all attributes of a file, a group or a dataset that a model accepts; see :func:`attribute`."""
    found = {name: _plain_attribute(owner, name) for name in owner.attrs}
    check(found, held, f"the attributes of {_called(owner)}", owner)
    return found


def json_attribute(owner: h5py.HLObject, name: str, held: TypeAdapter[Any]) -> Any:
    """Return the JSON value of an attribute; see :func:`attribute`."""
    return parse(attribute(owner, name, TEXT), held, f"the attribute '{name}' of {_called(owner)}", owner)


def parse(text: str, held: TypeAdapter[Any], where: str, owner: h5py.HLObject) -> Any:
    """Return the checked plain values of a JSON text; see :func:`attribute`."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"'{owner.file.filename}': {where} is not JSON ({printable(str(error), 200)})") from None
    check(found, held, where, owner)
    return found


def check(value: Any, held: TypeAdapter[Held], where: str, owner: h5py.HLObject) -> Held:
    """Return a checked value, or raise :class:`FormatError` with the file, ``where``, and the reason."""
    try:
        return held.validate_python(value)
    except ValidationError as error:
        # Of the contents no more than a few letters: they may be of any length.
        fault = error.errors(include_url=False)[0]
        place = printable(".".join(map(str, fault["loc"])), 80)
        what, found = printable(fault["msg"], 200), printable(repr(fault["input"]), 80)
        raise FormatError(
            f"'{owner.file.filename}': {where} cannot be used ({f'{place}: ' if place else ''}{what}, found {found}): "
            "correct the file, or copy it again"
        ) from None


TEXT: Final = TypeAdapter(str, config=ConfigDict(strict=True))
_OF_FILES: Final[dict[str, TypeAdapter[Any]]] = {
    name: TypeAdapter(held, config=ConfigDict(strict=True))
    for name, held in typing.get_type_hints(FileAttributes).items()
    if name in FileAttributes.model_fields
}


def _called(owner: h5py.HLObject) -> str:
    return "the file" if owner.name == "/" else f"'{str(owner.name).removeprefix('/')}'"


def _plain_attribute(owner: h5py.HLObject, name: str) -> Any:
    """Return an attribute as a JSON value: a text, a number, or a list."""
    try:
        value = owner.attrs[name]
        if isinstance(value, bytes | np.bytes_):
            return bytes(value).decode()
        return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    except (OSError, RuntimeError, TypeError, ValueError, KeyError) as error:
        # HDF5 has types of which numpy has none, and texts in no encoding.
        raise FormatError(
            f"'{owner.file.filename}': the attribute '{name}' of {_called(owner)} cannot be read "
            f"({printable(str(error), 200)})"
        ) from error
