"""The small files of a store: the only place that reads and checks them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from simulacra.errors import printable
from simulacra.store.errors import StoreError

Held = TypeVar("Held")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Group(_Strict):
    """``zarr.json`` of a complete store: its attributes are those of the events."""

    zarr_format: Literal[3]
    node_type: Literal["group"]
    attributes: dict[str, Any] = {}


class _ChunkShape(_Strict):
    chunk_shape: tuple[PositiveInt, ...]


class _ChunkGrid(_Strict):
    configuration: _ChunkShape


class Array(_Strict):
    """``zarr.json`` of a variable."""

    zarr_format: Literal[3]
    node_type: Literal["array"]
    shape: tuple[NonNegativeInt, ...]
    chunk_grid: _ChunkGrid
    dimension_names: tuple[str | None, ...] | None = None
    attributes: dict[str, Any] = {}

    @property
    def chunks(self) -> tuple[int, ...]:
        """The shape of a chunk."""
        return self.chunk_grid.configuration.chunk_shape


class PlanRecord(_Strict):
    """A plan on disk; see :class:`~simulacra.store.plan.Plan`."""

    n_events: PositiveInt
    chunk_size: PositiveInt
    fingerprint: dict[str, Any]


class Record(_Strict):
    """The record of a complete store: its plan, and the size of the files of each variable [bytes]."""

    plan: PlanRecord
    bytes: dict[str, NonNegativeInt]


class Marker(_Strict):
    """The record of a finished chunk: the time that it took, and the size of each of its files [bytes].

    On an object store also the hash of the structure of its events.
    """

    seconds: float
    seconds_per_event: float
    bytes: dict[str, NonNegativeInt]
    structure: str = ""


NODE: Final[TypeAdapter[Group | Array]] = TypeAdapter(Annotated[Group | Array, Field(discriminator="node_type")])
GROUP: Final = TypeAdapter(Group)
PLAN: Final = TypeAdapter(PlanRecord)
RECORD: Final = TypeAdapter(Record)
MARKER: Final = TypeAdapter(Marker)
STRUCTURE: Final = TypeAdapter(dict[str, Any])
NUMBER: Final = TypeAdapter(float)
TEXT: Final = TypeAdapter(str)


def read_file(path: Path, held: TypeAdapter[Held], *, remedy: str = "make the store again") -> Held:
    """Return the checked content of a JSON file.

    Raises
    ------
    FileNotFoundError
        if it does not exist.
    StoreError
        if it cannot be read or has other content; the message names the file and the place in it.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"'{path}' cannot be read ({error.strerror}); {remedy}") from error
    return parse(text, held, f"'{path}'", remedy=remedy)


def parse(text: str | bytes, held: TypeAdapter[Held], where: str, *, remedy: str = "make the store again") -> Held:
    """Return the checked content of a JSON text; see :func:`read_file`."""
    try:
        return held.validate_json(text)
    except ValidationError as error:
        raise _damaged(error, where, remedy) from None


def check(value: Any, held: TypeAdapter[Held], where: str, *, remedy: str = "make the store again") -> Held:
    """Return a value after a check; see :func:`read_file`."""
    try:
        return held.validate_python(value)
    except ValidationError as error:
        raise _damaged(error, where, remedy) from None


def _damaged(error: ValidationError, where: str, remedy: str) -> StoreError:
    """Return an error with the place and the fault, without the content, which may be binary and long."""
    fault = error.errors(include_input=False, include_url=False)[0]
    place = printable(".".join(map(str, fault["loc"])), 80)
    message = printable(fault["msg"], 200)
    return StoreError(f"{where} is damaged ({f'{place}: ' if place else ''}{message}); {remedy}")
