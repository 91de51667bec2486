"""HDF5 files: opened, checked and written with errors that say what was expected where."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import xarray as xr

from simulacra.errors import printable
from simulacra.formats.errors import FormatError
from simulacra.formats.hdf5_heaps import has_endless_heap
from simulacra.whole_files import whole_file

#: number of events per write
BLOCK: Final = 2000
#: no filter of HDF5 compresses even zeros more than this
MOST_COMPRESSION: Final = 10_000
#: bytes that a dataset may have without any of them in the file
MOST_UNSTORED: Final = 100_000_000


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises
    ------
    FormatError
        if there is none, or it is truncated, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"there is no file '{path}'")
    try:
        endless = has_endless_heap(path)
        file = None if endless else h5py.File(path, "r")
    except Exception as error:
        # A damaged head makes the library fail in a dozen ways.
        raise FormatError(f"'{path}' is truncated, or not HDF5 ({printable(str(error), 200)})") from error
    if file is None:
        raise FormatError(f"'{path}' is damaged: one of its heaps of texts does not end")
    with file:
        try:
            _refuse_links(file)
            yield file
        except (OSError, RuntimeError, SystemError) as error:
            raise FormatError(f"'{path}' is damaged ({printable(str(error), 200)})") from error
        except (KeyError, MemoryError) as error:
            # An object that is named and cannot be opened, and lengths that no file of this size can have.
            if isinstance(error, KeyError) and "Unable to" not in str(error):
                raise
            what = printable(str(error), 200) or "it asks for more memory than there is"
            raise FormatError(f"'{path}' is damaged ({what})") from error


def _refuse_links(file: h5py.File) -> None:
    """Refuse a file that takes a part of its contents from another one: it could name any file of the reader's."""
    # An error that is raised in here would not come out of h5py as it is.
    found = file.visititems_links(lambda name, link: (name, link) if isinstance(link, h5py.ExternalLink) else None)
    if found is not None:
        raise FormatError(
            f"'{file.filename}': '{found[0]}' is a link to another file, '{found[1].filename}', which is not followed: "
            "copy the data into one file"
        )


def held_inside(file: h5py.File, name: str, found: h5py.Dataset) -> h5py.Dataset:
    """Return a dataset after checks that its numbers are in this file, and not more than it can hold.

    Raises
    ------
    FormatError
        if they are in other files, or claim more memory than any compression of so few bytes.
    """
    if found.external or (found.is_virtual and any(one.file_name != "." for one in found.virtual_sources())):
        raise FormatError(f"'{file.filename}': the numbers of '{name}' are in other files, which are not read")
    claimed, held = int(found.size or 0) * found.dtype.itemsize, found.id.get_storage_size()
    if claimed > MOST_UNSTORED and claimed > MOST_COMPRESSION * held:
        raise FormatError(
            f"'{file.filename}': '{name}' of the shape {found.shape} claims {claimed:,} bytes, but the file holds "
            f"{held:,} of it: it is truncated or damaged"
        )
    return found


@contextlib.contextmanager
def created(path: Path) -> Iterator[h5py.File]:
    """Create an HDF5 file that is either complete or absent.

    Raises
    ------
    FormatError
        if it cannot be written.
    """
    try:
        with whole_file(path) as fresh, h5py.File(fresh, "w") as file:
            yield file
    except (OSError, RuntimeError) as error:
        raise FormatError(f"cannot write '{path}': {error}") from error


def values(file: h5py.File, name: str, shape: tuple[int | None, ...], rows: slice) -> np.ndarray:
    """Return rows of a dataset of numbers.

    Parameters
    ----------
    shape:
        the shape that the whole dataset must have; None means any number.

    Raises
    ------
    FormatError
        if the dataset is not there, holds no numbers or has another shape.
    """
    return np.asarray(dataset(file, name, shape)[rows])


def dataset(file: h5py.File, name: str, shape: tuple[int | None, ...], *, kinds: str = "biuf") -> h5py.Dataset:
    """Return a dataset of numbers, of numpy's ``kinds``, of a shape; None means any number.

    Raises
    ------
    FormatError
        if it is not there, holds no numbers or has another shape.
    """
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        there = ", ".join(f"'{key}'" for key in file) or "nothing"
        raise FormatError(f"'{file.filename}': expected the dataset '{name}'; the file holds {there}")
    try:
        dtype = found.dtype
    except (TypeError, ValueError) as error:
        # HDF5 has types of numbers of which numpy has none.
        raise FormatError(f"'{file.filename}': expected numbers in '{name}', found another type ({error})") from None
    if dtype.kind not in kinds:
        raise FormatError(f"'{file.filename}': expected numbers in '{name}', found {dtype}")
    # An empty dataset of HDF5 has no shape at all.
    there = found.shape
    if there is None or len(there) != len(shape) or any(n not in (None, m) for n, m in zip(shape, there, strict=True)):
        expected = ", ".join(("N" if i == 0 else "any") if n is None else str(n) for i, n in enumerate(shape))
        raise FormatError(f"'{file.filename}': expected '{name}' of the shape ({expected}), found {there}")
    return held_inside(file, name, found)


def rows_of(file: h5py.File, name: str, start: int, stop: int | None) -> tuple[int, slice]:
    """Return the number of events, by the column ``name`` (N, 1), and the rows from ``start`` to ``stop`` (None: all).

    Raises
    ------
    FormatError
        if there are no such rows.
    """
    n = int(dataset(file, name, (None, 1)).shape[0])
    stop = n if stop is None else stop
    if not 0 <= start < stop <= n:
        raise FormatError(f"'{file.filename}' holds {n} events: there are none from {start} to {stop - 1}")
    return n, slice(start, stop)


def rows_at(found: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Return rows (B,) of a dataset in any order, neighbours together."""
    if not len(rows):
        return np.empty((0, *found.shape[1:]), found.dtype)
    low, high = int(rows.min()), int(rows.max()) + 1
    if high - low <= 2 * len(rows):
        rows, found = rows - low, found[low:high]
        return np.asarray(found[rows])
    which, back = np.unique(rows, return_inverse=True)
    return np.asarray(np.asarray(found[which])[back])


def text(file: h5py.File, name: str) -> str:
    """Return a dataset that is one text.

    Raises
    ------
    FormatError
        if it is none.
    """
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise FormatError(f"'{file.filename}': expected a text in the dataset '{name}', which is not there")
    content = held_inside(file, name, found)[()]
    if not isinstance(content, bytes):
        raise FormatError(f"'{file.filename}': expected a text in '{name}', found {type(content).__name__}")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise FormatError(f"'{file.filename}': the text in '{name}' is damaged: it is not UTF-8") from None


@dataclass(frozen=True)
class Column:
    """A dataset to write: its shape per event, its type, and a function that makes it from a block of events."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    make: Callable[[xr.Dataset], np.ndarray]


def one_each(events: xr.Dataset, name: str) -> Column:
    """Return the column (N, 1) of a variable with one number per event."""
    return Column((1,), events[name].dtype, lambda block: block[name].values[:, None])


def cells(events: xr.Dataset, name: str, part: slice, shape: tuple[int, ...]) -> Column:
    """Return the column (N, *shape) of a part of the cells of a variable."""
    return Column(shape, events[name].dtype, lambda block: block[name].values[:, part].reshape(-1, *shape))


def require_showers(events: xr.Dataset, n_cells: int | None, layout: str) -> None:
    """Check that events hold what all layouts of showers need.

    Raises
    ------
    FormatError
        if a variable is missing or the showers do not have ``n_cells`` cells.
    """
    for name in ("incident_energy", "shower"):
        if name not in events.data_vars:
            raise FormatError(
                f"{layout} needs the variable '{name}'; the events hold {sorted(map(str, events.data_vars))}"
            )
    found = events["shower"].shape[1:]
    if len(found) != 1 or (n_cells is not None and found != (n_cells,)):
        wanted = "one dimension of cells" if n_cells is None else f"{n_cells} cells"
        raise FormatError(f"{layout} needs showers of {wanted}, not {found}")


def write_file(
    path: str | os.PathLike[str],
    events: xr.Dataset,
    columns: Mapping[str, Column],
    *,
    attributes: Mapping[str, Any],
    finish: Callable[[h5py.File], None],
    overwrite: bool,
) -> None:
    """Write events block by block, in constant memory, to a file that appears only when it is complete.

    Raises
    ------
    FormatError
        if the file exists and ``overwrite`` is not set, or it cannot be written.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FormatError(
            f"'{path}' exists: choose another path, or overwrite it (--overwrite; overwrite=True in Python)"
        )
    n = events.sizes["event"]
    with created(path) as file:
        file.attrs.update(attributes)
        for name, column in columns.items():
            file.create_dataset(
                name,
                shape=(n, *column.shape),
                dtype=column.dtype,
                chunks=(min(n, 256), *column.shape),
                compression="gzip",
                shuffle=True,
            )
        for start in range(0, n, BLOCK):
            block = events.isel(event=slice(start, start + BLOCK))
            for name, column in columns.items():
                file[name][start : start + BLOCK] = column.make(block)
        finish(file)
