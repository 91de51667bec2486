"""Results of pseudo-experiments on disk, one JSON line each, so that a killed run can continue."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from simulacra.fits.errors import FitError
from simulacra.version import is_later, written_later

FORMAT: Final = "simulacra-pseudo-experiments-1"


class Journal:
    """A file of JSON lines: a description of the run, then one line per finished experiment.

    A line counts if it ends in a newline; an incomplete line from a killed process is removed.

    Parameters
    ----------
    path:
        of the file; created if it is missing.
    run:
        description of the run, as JSON values: settings, seeds, hashes of the inputs.

    Raises
    ------
    FitError
        if the file belongs to another run or is not a file of this kind.
    """

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self._path = path
        head = {"format": FORMAT, "run": json.loads(json.dumps(run, allow_nan=False))}
        self.done: dict[int, dict[str, Any]] = {}
        whole = _whole_lines(path)
        if whole is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._append(head)
            return
        lines = [_parsed(path, number, line) for number, line in enumerate(whole.splitlines(), start=1)]
        if is_later(said := lines[0].get("format"), FORMAT):
            raise FitError(written_later(f"'{path}'", said, FORMAT))
        if said != FORMAT:
            raise FitError(f"'{path}' holds no pseudo-experiments; choose another file")
        if lines[0].get("run") != head["run"]:
            raise FitError(
                f"'{path}' holds pseudo-experiments of another run, {json.dumps(lines[0].get('run'))}, not of "
                f"{json.dumps(head['run'])}; remove the file or choose another"
            )
        for line in lines[1:]:
            if type(line.get("experiment")) is not int:
                raise FitError(
                    f"'{path}' is damaged: a line has no number of its experiment; remove the file and run again"
                )
            self.done[line["experiment"]] = line

    def add(self, experiment: int, result: dict[str, Any]) -> None:
        """Write the result of one experiment; it is on disk when this returns."""
        line = {"experiment": experiment, **result}
        self._append(line)
        self.done[experiment] = line

    def _append(self, line: dict[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _whole_lines(path: Path) -> str | None:
    """Remove an incomplete line and return the others; None if there are none."""
    if not path.exists():
        return None
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        if end == 0 and not content.startswith(b'{"format"'[: len(content)]):
            # A file without a single line was never ours to cut.
            raise FitError(f"'{path}' holds no pseudo-experiments; choose another file")
        os.truncate(path, end)
    try:
        return content[:end].decode() if end else None
    except UnicodeDecodeError:
        raise FitError(f"'{path}' is damaged: it is not UTF-8; remove the file and run again") from None


def _parsed(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FitError(f"line {number} of '{path}' is not JSON; remove the file and run again") from error
    if not isinstance(parsed, dict):
        raise FitError(f"line {number} of '{path}' is not a JSON object; remove the file and run again")
    return parsed
