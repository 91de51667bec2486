"""The version of this package, for the provenance of all results, and the versions of the formats of its files."""

from __future__ import annotations

import re

__version__ = "0.1.0"


def is_later(said: object, known: str) -> bool:
    """Return whether a file's format is a later version of the known one."""
    kind, _, version = known.rpartition("-")
    found = re.fullmatch(rf"{re.escape(kind)}-([0-9]{{1,9}})", said) if isinstance(said, str) else None
    return found is not None and int(found[1]) > int(version)


def written_later(what: str, said: object, known: str) -> str:
    """Return the sentence on a file that a later version wrote; ``what`` names the file."""
    return (
        f"{what} was written by a later version of Simulacra: its format is '{said}', and this version, {__version__}, "
        f"reads '{known}': update with pip install --upgrade simulacra"
    )
