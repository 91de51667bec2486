"""Leaves pages out of the navigation that are not written, and adds pages of docs/ that it does not name.

A page may therefore be added or taken away on its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

#: written at build time
GENERATED = ("reference/", "repository/")
#: where pages are added that the navigation does not name
MORE = "How-tos"


def kept(entry: Any, folder: Path) -> Any:
    """Return the entry of the navigation without the pages that ``folder`` lacks, or nothing."""
    if isinstance(entry, str):
        return entry if entry.startswith(GENERATED) or (folder / entry).is_file() else None
    if isinstance(entry, list):
        return [found for found in (kept(one, folder) for one in entry) if found] or None
    return {name: found for name, found in ((n, kept(one, folder)) for n, one in entry.items()) if found} or None


def named(entry: Any) -> set[str]:
    """Return the pages that an entry of the navigation names."""
    if isinstance(entry, str):
        return {entry}
    inside = entry if isinstance(entry, list) else entry.values()
    return set().union(*(named(one) for one in inside))


def on_config(config: Any) -> Any:
    """Bring the navigation into line with what is there."""
    folder = Path(config["docs_dir"])
    nav = kept(config["nav"], folder)
    more = sorted(page.name for page in folder.glob("*.md") if page.name not in named(nav))
    next(one for one in nav if MORE in one)[MORE].extend(more)
    config["nav"] = nav
    return config
