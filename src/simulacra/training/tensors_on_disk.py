"""Training tensors of a sample that is larger than the memory: made block by block into a file, read batch by batch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import torch
import xarray as xr
from torch import Tensor

from simulacra.errors import printable
from simulacra.events import validate
from simulacra.lazy_arrays import in_memory
from simulacra.progress import event_progress
from simulacra.training.checkpoint import CheckpointError
from simulacra.whole_files import whole_file

#: events from which tensors are made at once [bytes]
BLOCK: Final = 2**26
FILE: Final = "tensors.h5"
#: attribute of the file: what its tensors were made from
MADE_OF: Final = "made_of"


class TensorOnDisk:
    """A tensor (N, ...) in a file, of which rows are read when needed; each row is compressed by itself."""

    device = torch.device("cpu")

    def __init__(self, rows: h5py.Dataset) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return int(self._rows.shape[0])

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return rows (B,) as a tensor (B, ...), read in the order of the file."""
        asked = rows.cpu().numpy()
        found = np.empty((len(asked), *self._rows.shape[1:]), self._rows.dtype)
        for place in np.argsort(asked, kind="stable"):
            found[place] = self._rows[int(asked[place])]
        return torch.from_numpy(found)

    def blocks(self, n: int = 256) -> Iterator[Tensor]:
        """Yield the rows in order, at most ``n`` at a time."""
        for start in range(0, len(self), n):
            yield torch.from_numpy(self._rows[start : start + n])


def stays_on_disk(events: xr.Dataset) -> bool:
    """Return whether a variable of the events has not been read."""
    return not all(in_memory(array.variable) for array in events.data_vars.values())


def tensors_on_disk(
    make: Callable[[xr.Dataset], Mapping[str, Tensor]],
    events: xr.Dataset,
    folder: Path,
    made_of: Mapping[str, Any],
    *,
    progress: bool,
) -> dict[str, TensorOnDisk]:
    """Return the tensors of all events, from a file in ``folder`` that is made if it is not there.

    Parameters
    ----------
    make:
        returns the tensors of some of the events, one row for each.
    made_of:
        what decides the tensors, as JSON: a file that was made of something else is made again.

    Raises
    ------
    CheckpointError
        if the file cannot be written or read.
    """
    path = folder / FILE
    wanted = hashlib.sha256(json.dumps(dict(made_of), sort_keys=True).encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if not _is_made_of(path, wanted):
            with whole_file(path, alone=True) as fresh, h5py.File(fresh, "w") as file:
                _fill(file, make, events, progress=progress)
                file.attrs[MADE_OF] = wanted
        # a cache of chunks would only hold rows that are not needed again
        opened = h5py.File(path, "r", rdcc_nbytes=0)
    except OSError as error:
        what = printable(str(error), 200)
        raise CheckpointError(f"the training tensors cannot be kept in {path}: {what}; free space there") from error
    return {name: TensorOnDisk(rows) for name, rows in opened.items()}


def _is_made_of(path: Path, wanted: str) -> bool:
    if not path.exists():
        return False
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get(MADE_OF) == wanted)
    except OSError:
        return False


def _fill(
    file: h5py.File, make: Callable[[xr.Dataset], Mapping[str, Tensor]], events: xr.Dataset, *, progress: bool
) -> None:
    n = events.sizes["event"]
    step = int(max(1, min(n, BLOCK * n // max(1, events.nbytes))))
    with event_progress("training tensors", n, 0, show=progress) as advance:
        for start in range(0, n, step):
            block = events.isel(event=slice(start, start + step)).load()
            validate(block)
            for name, tensor in make(block).items():
                rows = tensor.numpy()
                if len(rows) != block.sizes["event"]:
                    raise CheckpointError(
                        f"the system makes {len(rows)} rows of '{name}' from {block.sizes['event']} events: it cannot "
                        "train on events that stay on disk; set data.in_memory = true"
                    )
                if name not in file:
                    file.create_dataset(
                        name, (n, *rows.shape[1:]), rows.dtype, chunks=(1, *rows.shape[1:]), compression="lzf"
                    )
                if rows.shape[1:] != file[name].shape[1:]:
                    raise CheckpointError(
                        f"the system makes '{name}' of the shape {rows.shape[1:]} from some events and "
                        f"{file[name].shape[1:]} from others: it cannot train on events that stay on disk; set "
                        "data.in_memory = true"
                    )
                file[name][start : start + len(rows)] = rows
            advance(len(block["event"]))


def remove(folder: Path) -> None:
    """Remove the file of a finished run."""
    (folder / FILE).unlink(missing_ok=True)
