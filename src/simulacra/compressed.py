"""Text files, compressed or not, read as streams. The first bytes of a file, not its name, give its format."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

_OPENERS: Final[Mapping[bytes, Callable[[Any], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_UNREADABLE: Final[Mapping[bytes, str]] = {
    b"\x28\xb5\x2f\xfd": "with Zstandard: unpack it with 'unzstd'",
    b"PK\x03\x04": "as a zip archive: unpack it with 'unzip'",
}
_LONGEST: Final = max(map(len, (*_OPENERS, *_UNREADABLE)))


class CompressionError(ValueError):
    """A compressed file that is truncated, damaged or of another kind; the message names it and the remedy."""


def is_compressed(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is compressed by gzip, bzip2, xz, Zstandard or zip."""
    with Path(path).open("rb") as file:
        return file.read(_LONGEST).startswith((*_OPENERS, *_UNREADABLE))


@contextlib.contextmanager
def opened_plain(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file of bytes; those of gzip, bzip2 and xz are unpacked while they are read, in constant memory.

    Raises
    ------
    CompressionError
        if the file is compressed in another way, truncated or damaged.
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(_LONGEST)
    for magic, remedy in _UNREADABLE.items():
        if head.startswith(magic):
            raise CompressionError(f"'{path}' is compressed {remedy} first")
    opener = next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), None)
    if opener is None:
        with path.open("rb") as file:
            yield file
        return
    try:
        with opener(path) as file:
            yield file
    except EOFError as error:
        raise CompressionError(f"'{path}' is truncated: its compressed data end too early; get it again") from error
    except (OSError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's, such as a disk that cannot be read; the decompressors' own have no number
        raise CompressionError(f"'{path}' is damaged: its compressed data are invalid ({error})") from error


def unpack(path: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Write the content of a compressed file to ``target``.

    Raises
    ------
    CompressionError
        as :func:`opened_plain`, or if ``target`` cannot be written, for example because the disk is full.
    """
    try:
        with opened_plain(path) as packed, Path(target).open("wb") as plain:
            shutil.copyfileobj(packed, plain, 2**20)
    except OSError as error:
        raise CompressionError(f"cannot unpack '{path}' into '{target}': {error}") from error
