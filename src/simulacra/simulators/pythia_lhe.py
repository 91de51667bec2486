"""Les Houches event files: whether one is whole, and how many events it holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class LheFile:
    """The number of events of a file and the hash of its bytes."""

    n_events: int
    sha256: str

    @classmethod
    def of(cls, path: str | PathLike[str]) -> Self:
        """Look a file through.

        Raises
        ------
        ValueError
            if there is none, it is compressed or truncated, or is something else.
        """
        path = Path(path)
        if not path.is_file():
            raise ValueError(f"there is no LHE file '{path}'")
        digest, n_begun, n_ended, whole, headed = hashlib.sha256(), 0, 0, False, False
        with path.open("rb") as file:
            for number, line in enumerate(file):
                digest.update(line)
                if number == 0 and line.startswith(b"\x1f\x8b"):
                    raise ValueError(f"'{path}' is compressed: unpack it with gunzip")
                stripped = line.strip()
                headed |= stripped.startswith(b"<LesHouchesEvents")
                n_begun += stripped.startswith((b"<event>", b"<event "))
                n_ended += stripped.startswith(b"</event>")
                whole |= stripped.startswith(b"</LesHouchesEvents>")
        if not headed:
            raise ValueError(f"'{path}' is not an LHE file: it has no <LesHouchesEvents>")
        if not whole or n_begun != n_ended:
            raise ValueError(
                f"'{path}' is truncated: {n_begun} events begin and {n_ended} end, and </LesHouchesEvents> is "
                f"{'there' if whole else 'missing'}; get it anew"
            )
        return cls(n_begun, digest.hexdigest())
