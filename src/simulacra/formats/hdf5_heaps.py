"""Damaged heaps of texts in HDF5 files, on which the HDF5 library does not end.

A global heap collection holds objects one after the other. The library (2.0.0) walks over them by their sizes, and does
not end if one has no size at all. Nothing in this process could stop it then: such a file is found before.
HDF5 File Format Specification 3.0, section III.E.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Final

SIGNATURE: Final = b"GCOL\x01\x00\x00\x00"
#: bytes of the head of a collection, and of an object
HEAD: Final = 16
#: larger files are not searched, for it takes a second for some gigabytes
LARGEST: Final = 2**28
#: sizes have eight bytes
WRAPPED: Final = 2**64


def has_endless_heap(path: Path) -> bool:
    """Return whether a file has a heap on which the HDF5 library would not end; larger files are not searched."""
    if not 0 < path.stat().st_size <= LARGEST:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(SIGNATURE)
        while start >= 0:
            if _is_endless(content, start):
                return True
            start = content.find(SIGNATURE, start + len(SIGNATURE))
    return False


def _is_endless(content: mmap.mmap, start: int) -> bool:
    size = int.from_bytes(content[start + 8 : start + HEAD], "little")
    end = min(start + size, len(content))
    place = start + HEAD
    while place + HEAD <= end:
        index = int.from_bytes(content[place : place + 2], "little")
        size = int.from_bytes(content[place + 8 : place + HEAD], "little")
        # Of the free space, number 0, the size includes its head; the library adds in 64 bits.
        step = size if index == 0 else (HEAD + (size + 7) // 8 * 8) % WRAPPED
        if step == 0:
            return True
        place += step
    return False
