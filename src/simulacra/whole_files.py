"""Files that are either complete or absent, and locks for one process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from simulacra.errors import printable


@contextlib.contextmanager
def whole_file(path: Path, *, alone: bool = False) -> Iterator[Path]:
    """Give the path of an empty file next to ``path`` to write to, and rename it when it is written.

    If the writing fails, the old file at ``path`` is unchanged and nothing else is left, except by a killed process.

    Parameters
    ----------
    alone:
        whether no other process can write to ``path``, as in a locked folder; leftovers of a killed one are then
        overwritten.
    """
    fresh = path.with_name(f".{path.name}.partial" if alone else f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    fresh.touch(exist_ok=alone)
    try:
        yield fresh
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: str | bytes, *, alone: bool = False) -> None:
    """Write bytes, or text in UTF-8, completely or not at all; ``alone`` as for :func:`whole_file`.

    Raises
    ------
    OSError
        if it cannot be written; the old file is then intact.
    """
    with whole_file(path, alone=alone) as fresh:
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def locked(lock: Path, refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Lock a file against other processes; the system releases it when this process dies.

    Parameters
    ----------
    lock:
        the file, which is created with its folder; the process that holds it may remove both.
    refusal:
        returns the error to raise, from the number of the process that holds the lock.
    """
    while True:
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            continue
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise refusal(printable(os.read(descriptor, 32).decode(errors="replace")) or "unknown") from None
            # The former holder may have finished and removed the folder between our open and our lock.
            if os.fstat(descriptor).st_nlink == 0:
                continue
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            yield
            return
        finally:
            os.close(descriptor)
