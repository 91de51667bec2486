"""A lock on an object store: an object with its owner and time.

It is written only where there is none, if the server has conditional writes (S3, and most servers like it), so that of
two writers who come at once only one gets it. Without them, the later of two who come within a fraction of a second
finds out by reading it again. A writer renews its lock. One who has not done so for a while is dead, and its lock is
taken over; a writer that was only stopped for so long notices that at its next chunk.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from simulacra.store.errors import StoreError
from simulacra.store.objects import Objects

#: a lock is renewed so often [s]
RENEWED: Final = 20.0
#: the owner of a lock that was not renewed for so long is dead [s]
LEASE: Final = 120.0
#: after which a lock is read again [s]
SEEN: Final = 0.2


class _Held(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str
    host: str
    process: int
    time: float


@dataclass(frozen=True)
class _Mine:
    owner: str
    host: str
    process: int
    time: float


@contextlib.contextmanager
def object_locked(place: Objects, name: str) -> Iterator[Callable[[], None]]:
    """Lock a store; gives a function that raises if the lock was lost.

    Raises
    ------
    StoreError
        with the process that holds the lock, and when it was last seen.
    """
    owner, lost, done = uuid.uuid4().hex, threading.Event(), threading.Event()
    _take(place, name, owner)

    def renew() -> None:
        while not done.wait(RENEWED):
            try:
                if (held := _held(place, name)) is not None and held.owner != owner:
                    lost.set()
                    return
                _write(place, name, owner)
            except StoreError:
                # a server that is away for a moment; if for longer, chunks cannot be written either
                continue

    def check() -> None:
        if lost.is_set():
            raise StoreError(f"'{_store(place)}' was taken over by another process, which took this one for dead")

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield check
    finally:
        done.set()
        thread.join(5)
        with contextlib.suppress(StoreError):
            if (held := _held(place, name)) is not None and held.owner == owner:
                place.remove(name)


def _take(place: Objects, name: str, owner: str) -> None:
    held = _held(place, name)
    if held is not None:
        age = time.time() - held.time
        gone = held.host == socket.gethostname() and not os.path.exists(f"/proc/{held.process}")  # noqa: PTH110
        if not gone and age < LEASE:
            raise StoreError(
                f"'{_store(place)}' is being written by the process {held.process} on {held.host}, seen {age:.0f} s "
                f"ago; wait for it, stop it, or choose another path. If it is dead, wait {LEASE - age:.0f} s"
            )
        place.remove(name)
    try:
        _write(place, name, owner, new=True)
    except FileExistsError:
        raise StoreError(f"'{_store(place)}' is being written by another process that has just begun") from None
    time.sleep(SEEN)
    now = _held(place, name)
    if now is None or now.owner != owner:
        raise StoreError(f"'{_store(place)}' is being written by another process that has just begun")


def _store(place: Objects) -> str:
    return place.address.removesuffix(".partial")


def _write(place: Objects, name: str, owner: str, *, new: bool = False) -> None:
    mine = _Mine(owner, socket.gethostname(), os.getpid(), time.time())
    place.write(name, json.dumps(asdict(mine)).encode(), new=new)


def _held(place: Objects, name: str) -> _Held | None:
    try:
        return _Held.model_validate_json(place.read(name))
    except (FileNotFoundError, ValidationError):
        return None
