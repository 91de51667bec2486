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


class Answers:
    """The answers of one model, with what they have in common made once."""

    def __init__(self, served: Served) -> None:
        self._served = served
        template = served.template
        self._dims = {str(name): [str(dim) for dim in one.dims] for name, one in template.variables.items()}
        self._units = {name: str(template[name].attrs.get("units", "1")) for name in self._dims}
        self._coordinates = {
            name: {"units": self._units[name], "values": array.tolist()} for name, array in served.coordinates.items()
        }
        self._fields = {
            name: _field(name, template[name].values, self._dims[name], template[name].attrs)
            for name in self._dims
            if name not in served.coordinates
        }

    def encoder(self, plan: Plan, form: str) -> Callable[[np.ndarray], bytes]:
        """Return the function from the network's output to an answer's bytes in a format."""
        write = {"json": self._json, "arrow": self._arrow, "npz": self._npz}[form]

        def encoded(output: np.ndarray) -> bytes:
            beside = self._served.told(plan) | {"attributes": self._served.attributes}
            return write(beside, self._served.variables(plan, output))

        return encoded

    def _arrow(self, beside: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
        """Return one record batch: a column for each variable, tensors of a fixed shape where an event has several."""
        columns, fields = [], []
        for name, array in arrays.items():
            field = self._fields[name]
            column = pa.array(_numbers(array).reshape(-1))
            if array.ndim > 1:
                size = array.size // len(array)
                column = pa.ExtensionArray.from_storage(field.type, pa.FixedSizeListArray.from_arrays(column, size))
            columns.append(column)
            fields.append(field)
        told = json.dumps({**beside, "coordinates": self._coordinates}, allow_nan=False)
        schema = pa.schema(fields, metadata={TOLD: told})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as stream:
            stream.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
        content: bytes = sink.getvalue().to_pybytes()
        return content

    def _npz(self, beside: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
        """Return an archive of arrays by name, with positions of pixels, and JSON under "simulacra"."""
        buffer = io.BytesIO()
        told = np.array(json.dumps(beside, allow_nan=False))
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, array in {**arrays, **self._served.coordinates, TOLD: told}.items():
                # Made by hand, an entry has a fixed date: the same events are the same bytes.
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)
        return buffer.getvalue()

    def _json(self, beside: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
        """Return an object of variables with units, dimensions and values; single precision read back exactly."""
        variables = {
            name: {"units": self._units[name], "dims": self._dims[name], "values": array.tolist()}
            for name, array in arrays.items()
        }
        whole = {**beside, "coordinates": self._coordinates, "variables": variables}
        return json.dumps(whole, allow_nan=False, separators=(",", ":")).encode()


def _field(name: str, array: np.ndarray, dims: list[str], attributes: Mapping[Any, Any]) -> pa.Field:
    """Return a variable's column in Arrow, with its attributes."""
    kind = pa.from_numpy_dtype(_numbers(array).dtype)
    if array.ndim > 1:
        kind = pa.fixed_shape_tensor(kind, array.shape[1:], dim_names=dims[1:])
    about = {str(key): one if isinstance(one, str) else json.dumps(_plain(one)) for key, one in attributes.items()}
    return pa.field(name, kind, nullable=False, metadata=about)


def _numbers(array: np.ndarray) -> np.ndarray:
    """Return truth values as bytes 0 and 1, which Arrow's readers turn into arrays without a copy."""
    return array.astype(np.uint8) if array.dtype == np.bool_ else np.ascontiguousarray(array)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
