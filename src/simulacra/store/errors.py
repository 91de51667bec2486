"""Errors of stores."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StoreError(RuntimeError):
    """A store that cannot be written or read; the message names the path, what happened and the remedy.

    ``unexpected`` is true if a task failed because of a bug (:func:`simulacra.errors.is_explained`).
    """

    unexpected = False


class StoreExistsError(StoreError):
    """There is already a complete store with other settings."""


def full_disk(path: Path, error_number: int | None, needed: float | None = None) -> StoreError:
    """Return the error for a disk without space for the store at ``path``; ``needed`` is in bytes."""
    existing = next(p for p in (path, *path.absolute().parents) if p.exists())
    free = size(shutil.disk_usage(existing).free)
    reason = {errno.EDQUOT: "the disk quota is used up", errno.EFBIG: "a file would be larger than allowed"}.get(
        error_number or errno.ENOSPC, "the disk is too full"
    )
    rest = "" if needed is None else f", and about {size(needed)} more are needed"
    return StoreError(
        f"cannot write '{path}': {reason} ({free} free{rest}). Finished chunks are kept: "
        "free space and run the same command again to continue"
    )


def memory() -> int:
    """Return the memory of the machine [bytes]."""
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def size(n_bytes: float) -> str:
    """Return a number of bytes in readable form."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} PB"
