"""Addresses of object stores, such as ``s3://bucket/name.zarr``, and their objects, by fsspec.

Credentials come from the environment and fsspec's configuration alone.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from simulacra.errors import is_explained, printable
from simulacra.store.errors import StoreError

#: a path has lost one or two of the slashes; a single letter is a drive of Windows
ADDRESS: Final = re.compile(r"([a-z][a-z0-9+.-]+):/{1,3}(?=[^/])(.+)", re.DOTALL | re.IGNORECASE)
#: kinds of addresses that hold no store, and what to do
REFUSED: Final = {
    **dict.fromkeys(("file", "local"), "is a place of this machine: give its path alone, such as /data/showers.zarr"),
    "memory": "would be lost with this process: give a path, or the address of an object store (s3://bucket/name.zarr)",
    **dict.fromkeys(("http", "https", "ftp"), "holds no store: download the store and give its path, or use s3://"),
}


def address_of(path: str | os.PathLike[str]) -> str | None:
    """Return the address that a text or path is, or None for a path of this machine.

    Raises
    ------
    ValueError
        if it is an address of a kind that holds no store.

    Examples
    --------
    >>> from pathlib import Path
    >>> from simulacra.store.objects import address_of
    >>> address_of(Path("s3://bucket/showers.zarr"))
    's3://bucket/showers.zarr'
    """
    found = ADDRESS.fullmatch(os.fspath(path))
    if found is None:
        return None
    kind = found[1].lower()
    address = f"{kind}://{found[2].rstrip('/')}"
    if (reason := REFUSED.get(kind)) is not None:
        raise ValueError(f"'{os.fspath(path)}' {reason}")
    return address


@dataclass(frozen=True)
class Objects:
    """The objects below an address."""

    address: str
    files: Any
    root: str

    @classmethod
    def at(cls, address: str) -> Objects:
        """Return the objects below an address.

        Raises
        ------
        ImportError
            if fsspec or the package for this kind of address is not installed.
        StoreError
            if there is no such kind of address.
        """
        try:
            import fsspec
        except ImportError as error:
            raise ImportError(f"'{address}' needs fsspec: pip install 'simulacra[remote]'") from error
        try:
            files, root = fsspec.core.url_to_fs(address, use_listings_cache=False)
        except ImportError as error:
            raise ImportError(f"'{address}' needs a package ({error}): pip install 'simulacra[remote]'") from error
        except ValueError as error:
            raise StoreError(f"'{address}' cannot be opened: {error}") from None
        return cls(address, files, root)

    def read(self, name: str) -> bytes:
        """Return the content of an object (FileNotFoundError if there is none)."""
        with self.told():
            content: bytes = self.files.cat_file(f"{self.root}/{name}")
            return content

    def write(self, name: str, content: bytes, *, new: bool = False) -> None:
        """Write an object, whole or not at all; if it must be ``new``, FileExistsError where the server sees that."""
        with self.told():
            self.files.pipe_file(f"{self.root}/{name}", content, **({"mode": "create"} if new else {}))

    def exists(self, name: str) -> bool:
        """Return whether there is an object."""
        try:
            with self.told():
                self.files.info(f"{self.root}/{name}")
        except FileNotFoundError:
            return False
        return True

    def sizes(self, below: str = "") -> dict[str, int]:
        """Return the size of each object below a name [bytes]."""
        place = f"{self.root}/{below}".rstrip("/")
        with self.told():
            self.files.invalidate_cache()
            try:
                found = self.files.find(place, detail=True)
            except FileNotFoundError:
                return {}
        start = len(self.root.rstrip("/")) + 1
        return {name[start:]: int(told["size"]) for name, told in found.items()}

    def remove(self, *names: str) -> None:
        """Remove objects, in this order."""
        for name in names:
            with contextlib.suppress(FileNotFoundError), self.told():
                self.files.rm_file(f"{self.root}/{name}")

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Name the address in errors of the server (StoreError); missing and existing objects stay what they are."""
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except Exception as error:
            if is_explained(error) and not isinstance(error, OSError):
                raise
            said = printable(str(error) or type(error).__name__, 300)
            raise StoreError(
                f"'{self.address}' cannot be reached ({said}); see to the network, the bucket and the credentials in "
                "the environment, and run the same command again"
            ) from error
