"""Variables whose values are read and changed only when needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

#: reads the part of a variable given by a key: an integer, a slice or an array of integers per dimension
Read = Callable[[xr.Variable, tuple[Any, ...]], np.ndarray]


def read_by(read: Read, variable: xr.Variable, dtype: np.dtype | None = None) -> xr.Variable:
    """Return a variable whose values ``read`` fetches from ``variable`` when needed.

    A completely read variable is kept in memory, like xarray's variables of a file.
    """
    lazy: Any = indexing.LazilyIndexedArray(_ReadBy(read, variable, dtype or variable.dtype))
    kept = indexing.MemoryCachedArray(indexing.CopyOnWriteArray(lazy))  # type: ignore[no-untyped-call]
    found = xr.Variable(variable.dims, kept, variable.attrs, fastpath=True)
    found.encoding = dict(variable.encoding)
    return found


def in_memory(variable: xr.Variable) -> bool:
    """Return whether the values of a variable have been read."""
    return bool(variable._in_memory)  # noqa: SLF001 - xarray has no public name for it


class _ReadBy(BackendArray):
    def __init__(self, read: Read, variable: xr.Variable, dtype: np.dtype) -> None:
        self.read, self.variable, self.shape, self.dtype = read, variable, variable.shape, dtype

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, lambda part: self.read(self.variable, part)
        )
