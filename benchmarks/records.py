"""Records of benchmarks: the results as one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulacra.pages.plain import plain
from simulacra.whole_files import write_whole


def write_record(path: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Write a record, completely or not at all, and return it in plain values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = plain(record, path.stem)
    write_whole(path, json.dumps(found, indent=1) + "\n")
    return found
