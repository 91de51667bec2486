"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Iterable


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Return what texts of the form NAME=VALUE say.

    Raises
    ------
    ValueError
        if a text has another form, or a name is given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        name, separator, value = (part.strip() for part in text.partition("="))
        if not (name and separator and value):
            raise ValueError(f"{option} takes NAME=VALUE, not '{text}'")
        if name in pairs:
            raise ValueError(f"{option}: '{name}' is given twice")
        pairs[name] = value
    return pairs
