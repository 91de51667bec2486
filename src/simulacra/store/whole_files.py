"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the path of an empty file beside ``path`` to write to, and rename it once it is written.

    What stood at ``path`` before stays as it was if the writing fails, and nothing is left beside it.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    os.close(handle)
    fresh = Path(name)
    try:
        yield fresh
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        # a temporary file is its owner's alone
        fresh.chmod(0o644)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def write_whole(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all.

    Raises
    ------
    OSError
        if it cannot be written; what was there before is intact.
    """
    with whole_file(path) as fresh:
        fresh.write_text(text, encoding="utf-8")
