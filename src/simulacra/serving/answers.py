"""Events as bytes: an Arrow stream, an npz archive, or JSON; the same bytes for the same events."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from simulacra.serving.refusals import RefusalError
from simulacra.serving.served import Plan, Served

#: the media type of each format
TYPES: Final[Mapping[str, str]] = {
    "json": "application/json",
    "arrow": "application/vnd.apache.arrow.stream",
    "npz": "application/x-npz",
}
#: the key of what an answer says beside the events, in the metadata of an Arrow stream and in an archive
TOLD: Final = "simulacra"


def format_of(asked: str | None, accept: str | None) -> str:
    """Return the format that a request asks for by ``?format=`` or by ``Accept``; JSON if it leaves it open.

    Raises
    ------
    RefusalError
        406 if there is none of the formats.
    """
    if asked is not None:
        return asked
    found: list[tuple[float, int, str]] = []
    for i, part in enumerate((accept or "*/*").split(",")[:32]):
        media, _, parameters = part.strip().lower().partition(";")
        quality = _quality(parameters)
        names = {"*/*": "json", "application/*": "json"} | {media: name for name, media in TYPES.items()}
        if quality > 0 and (name := names.get(media.strip())):
            found.append((-quality, i, name))
    if not found:
        raise RefusalError(
            406,
            "there is none of the formats that the request accepts",
            where="header: Accept",
            what_to_do=f"accept one of {', '.join(TYPES.values())}",
        )
    return min(found)[2]


def _quality(parameters: str) -> float:
    for one in parameters.split(";"):
        name, _, value = one.strip().partition("=")
        if name == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def encoder(served: Served, plan: Plan, form: str) -> Callable[[np.ndarray], bytes]:
    """Return the function from the network's output to an answer's bytes."""

    def encoded(output: np.ndarray) -> bytes:
        return _WRITERS[form](served, plan, served.variables(plan, output))

    return encoded


def _beside(served: Served, plan: Plan) -> dict[str, Any]:
    return served.told(plan) | {"attributes": served.attributes}


def _arrow(served: Served, plan: Plan, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return one record batch: a column for each variable, tensors of a fixed shape where an event has several."""
    columns, fields = [], []
    for name, array in arrays.items():
        said = served.template[name]
        flat = pa.array(_numbers(array).reshape(-1))
        if array.ndim == 1:
            column = flat
        else:
            size = int(np.prod(array.shape[1:]))
            kind = pa.fixed_shape_tensor(flat.type, array.shape[1:], dim_names=[str(dim) for dim in said.dims[1:]])
            column = pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(flat, size))
        columns.append(column)
        about = {
            str(key): value if isinstance(value, str) else json.dumps(_plain(value))
            for key, value in said.attrs.items()
        }
        fields.append(pa.field(name, column.type, nullable=False, metadata=about))
    beside = _beside(served, plan) | {"coordinates": _coordinates(served)}
    schema = pa.schema(fields, metadata={TOLD: json.dumps(beside, allow_nan=False)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_batch(pa.record_batch(columns, schema=schema))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _npz(served: Served, plan: Plan, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an archive of arrays by name, with positions of pixels, and JSON under "simulacra"."""
    buffer = io.BytesIO()
    beside = np.array(json.dumps(_beside(served, plan), allow_nan=False))
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in {**arrays, **served.coordinates, TOLD: beside}.items():
            # Made by hand, an entry has a fixed date: the same events are the same bytes.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    return buffer.getvalue()


def _json(served: Served, plan: Plan, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an object of variables with units, dimensions and values; single precision read back exactly."""
    variables = {}
    for name, array in arrays.items():
        said = served.template[name]
        variables[name] = {
            "units": str(said.attrs.get("units", "1")),
            "dims": [str(dim) for dim in said.dims],
            "values": array.tolist(),
        }
    whole = _beside(served, plan) | {"coordinates": _coordinates(served), "variables": variables}
    return json.dumps(whole, allow_nan=False, separators=(",", ":")).encode()


def _coordinates(served: Served) -> dict[str, Any]:
    return {
        name: {"units": str(served.template[name].attrs.get("units", "1")), "values": array.tolist()}
        for name, array in served.coordinates.items()
    }


def _numbers(array: np.ndarray) -> np.ndarray:
    """Return truth values as bytes 0 and 1, which Arrow's readers turn into arrays without a copy."""
    return array.astype(np.uint8) if array.dtype == np.bool_ else np.ascontiguousarray(array)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


_WRITERS: Final[Mapping[str, Callable[[Served, Plan, Mapping[str, np.ndarray]], bytes]]] = {
    "json": _json,
    "arrow": _arrow,
    "npz": _npz,
}
