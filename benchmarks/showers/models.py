"""The generators on the front: the lines of ``models.toml``, and those given on the command line."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from simulacra.trained.find import WEIGHTS

LIST: Final = Path(__file__).with_name("models.toml")
FOLDER: Final = Path(__file__).parents[1] / "weights"
PARTICLES: Final = ("e+", "gamma")


@dataclass(frozen=True)
class Entry:
    """A generator: a line of the list.

    Attributes
    ----------
    name:
        name on the command line and in the record.
    label, family, particle:
        for tables and figures; models of one family share a colour.
    weights:
        a shipped name, a file in ``benchmarks/weights``, or a path; None for Geant4 itself.
    refiner:
        the same for the model that gives the showers weights.
    """

    name: str
    label: str
    family: str
    particle: str
    weights: str | None
    refiner: str | None = None


def geant4(particle: str) -> Entry:
    """Return the entry of Geant4 against Geant4."""
    slug = "eplus" if particle == "e+" else particle
    return Entry(f"geant4-{slug}", "Geant4 against Geant4", "Geant4", particle, None)


def read_entries(path: Path = LIST) -> dict[str, Entry]:
    """Return the models of a list, by name.

    Raises
    ------
    ValueError
        with the line that cannot be used.
    """
    known = {field.name for field in fields(Entry)} - {"name"}
    entries = {}
    for name, line in tomllib.loads(path.read_text(encoding="utf-8")).get("models", {}).items():
        needed = known - {"refiner"}
        if not isinstance(line, dict) or not needed <= set(line) <= known:
            raise ValueError(f"{path}: '{name}' needs {sorted(needed)} and takes 'refiner', nothing else")
        entries[name] = Entry(name=name, **{key: _text(path, name, key, value) for key, value in line.items()})
    return entries


def read_record(path: Path, usual: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of a list's record, without its ending, and its goals: its own, or the usual ones."""
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    return str(told.get("record", "showers")), told.get("goals", usual)


def with_given(entries: dict[str, Entry], given: Sequence[str]) -> dict[str, Entry]:
    """Return the entries with other weights, as NAME=PATH gives them; a new name adds a model.

    Raises
    ------
    ValueError
        if a text is no NAME=PATH, or a new model's file is missing or does not contain its particle.
    """
    entries = dict(entries)
    for text in given:
        name, _, path = text.partition("=")
        if not name or not path:
            raise ValueError(f"'{text}' is not NAME=PATH")
        if name in entries:
            entries[name] = replace(entries[name], weights=path)
            continue
        from simulacra.training.checkpoint import read_metadata

        file = located(path)
        if file is None:
            raise ValueError(f"there is no model '{path}' for '{name}'")
        particle = str(read_metadata(file)["description"]["particle"])
        entries[name] = Entry(name, name, name, particle, path)
    return entries


def located(name: str) -> Path | None:
    """Return the file of a shipped name, of a name in ``benchmarks/weights``, or of a path (a run folder or a file)."""
    path = Path(name)
    return _first(path, path / "model.safetensors", *(folder / f"{name}.safetensors" for folder in (FOLDER, WEIGHTS)))


def located_refiner(name: str) -> Path | None:
    """Return the file of a refiner: a name in ``benchmarks/weights`` or among the shipped ones, a folder or a file."""
    path = Path(name)
    folders = FOLDER, WEIGHTS / "reweighters", WEIGHTS
    return _first(path, path / "reweighter.safetensors", *(folder / f"{name}.safetensors" for folder in folders))


def files_of(entry: Entry) -> dict[str, Path | None]:
    """Return the files that an entry needs by their names; None if missing."""
    files = {} if entry.weights is None else {entry.weights: located(entry.weights)}
    return files if entry.refiner is None else files | {entry.refiner: located_refiner(entry.refiner)}


def digest(*parts: Any) -> str:
    """Return eight letters that change if a part does: the bytes of files (Path), the text of anything else."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.read_bytes() if isinstance(part, Path) else repr(part).encode())
        total.update(b"\0")
    return total.hexdigest()[:8]


def _first(*candidates: Path) -> Path | None:
    return next((candidate.resolve() for candidate in candidates if candidate.is_file()), None)


def _text(path: Path, name: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{path}: '{key}' of '{name}' must be a text, not {value!r}")
    if key == "particle" and value not in PARTICLES:
        raise ValueError(f"{path}: the particle of '{name}' must be one of {PARTICLES}, not '{value}'")
    return value
