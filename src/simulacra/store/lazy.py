"""The variables of a Zarr store, read when needed; errors name the file that cannot be read."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.errors import printable
from simulacra.lazy_arrays import read_by
from simulacra.store.errors import StoreError
from simulacra.version import is_later, written_later

#: the version of the events' conventions that is read
CONVENTIONS: Final = "simulacra-events-1"


def opened(path: Path | str) -> xr.Dataset:
    """Open a Zarr store of any origin, a folder or an address, with xarray, in its own units and types.

    Raises
    ------
    StoreError
        if xarray cannot open it; later, if values cannot be read; the message names the file.
    """
    try:
        # xarray takes "days" and "seconds" for the mark of a time, and would make another type of them
        events: xr.Dataset = xr.open_dataset(
            path, engine="zarr", consolidated=False, decode_times=False, decode_timedelta=False, cache=False
        )
        variables = {name: read_by(partial(_read, path, str(name)), array) for name, array in _lazy(events).items()}
        found = events.assign_coords({name: array for name, array in variables.items() if name in events.coords})
        found = found.assign({name: array for name, array in variables.items() if name in events.data_vars})
    except (StoreError, MemoryError):
        raise
    except Exception as error:
        # Metadata can be wrong in more ways than Zarr and xarray have words for.
        what = _reason(error)
        if (fault := _file_at_fault(path, "event")) is not None:
            raise StoreError(f"'{fault}' is damaged ({what}); make the store again") from error
        raise StoreError(f"'{path}' cannot be read as a Zarr store: {what}") from error
    found.set_close(events.close)
    return found


def refuse_later(events: xr.Dataset, path: Path | str) -> None:
    """Refuse events that a later version of this package wrote (StoreError)."""
    if is_later(said := events.attrs.get("conventions"), CONVENTIONS):
        raise StoreError(written_later(f"'{path}'", said, CONVENTIONS))


def _lazy(events: xr.Dataset) -> dict[Any, xr.Variable]:
    """Return the variables that are not an index; xarray has already read the values of an index."""
    return {name: array for name, array in events.variables.items() if name not in events.xindexes}


def _read(path: Path | str, name: str, variable: xr.Variable, key: tuple[Any, ...]) -> np.ndarray:
    try:
        return np.asarray(variable[key].values)
    except MemoryError:
        raise
    except Exception as error:
        what = _reason(error)
        fault = _file_at_fault(path, name, key) or f"{path}/{name}"
        raise StoreError(f"'{fault}' is damaged ({what}); make the store again") from error


def _reason(error: Exception) -> str:
    """Return why something could not be read, without the bytes in Zarr's message."""
    text = str(error) or type(error).__name__
    return "its checksum differs from that of the written data" if "checksum" in text else printable(text, 200)


def _file_at_fault(path: Path | str, name: str, key: tuple[Any, ...] = ()) -> str | None:
    """Return the first file of a variable's values that cannot be read by itself."""
    import zarr

    try:
        array = zarr.open_array(f"{path}/{name}", mode="r")
        n, size = array.shape[0], array.chunks[0]
        rows = np.arange(n)[key[0]] if key else np.arange(0, n, size)
        chunks = np.unique(np.atleast_1d(rows) // size)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, no file of its values is at fault
        return None
    for chunk in chunks:
        try:
            array[int(chunk) * size : (int(chunk) + 1) * size]
        except Exception:  # noqa: BLE001 - this is the one
            one_file = all(n <= size for n, size in zip(array.shape[1:], array.chunks[1:], strict=True))
            return "/".join([str(path), name, "c", str(chunk), *["0"] * (array.ndim - 1 if one_file else 0)])
    return None
