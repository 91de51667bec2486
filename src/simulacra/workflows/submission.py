"""Generated events at the conditions of a reference sample, and in the CaloChallenge's layout."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from simulacra.conditions import Distribution

#: prefix of the path of a sample, used instead of a distribution
LIKE: Final = "like:"
FORMATS: Final = ("store", "calochallenge")


@functools.cache
def conditions_like(path: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the conditions (N,) of the events of a store or file, each in its unit.

    Raises
    ------
    ValueError
        if a condition is missing.
    """
    from simulacra.formats import calochallenge, format_of, read

    if names == ("incident_energy",) and format_of(path) == "calochallenge":
        # Without the showers, which may fill the memory.
        return {"incident_energy": calochallenge.incident_energies(path) / 1000.0}
    events = read(path)
    for name in names:
        if name not in events:
            raise ValueError(f"'{path}' has no condition '{name}', which the generator needs")
    return {name: events[name].values for name in names}


def events_like(path: Path, names: tuple[str, ...], n_events: int | None) -> tuple[int, dict[str, str]]:
    """Return the number of events at a sample's conditions, by default all, and these conditions as texts.

    Raises
    ------
    ValueError
        if the number exceeds that of the sample, or there are no conditions.
    """
    if not names:
        raise ValueError("the generator has no conditions that could be taken from another sample (--like)")
    there = len(next(iter(conditions_like(str(path), names).values())))
    if n_events is not None and n_events > there:
        raise ValueError(f"'{path}' has the conditions of only {there} events, not of {n_events} (-n)")
    return n_events or there, dict.fromkeys(names, f"{LIKE}{path}")


def span(value: str, name: str, names: tuple[str, ...]) -> Distribution:
    """Return the range of a condition: that of a distribution, or of the events of a sample."""
    from simulacra.conditions import Distribution

    if not value.startswith(LIKE):
        return Distribution.parse(value)
    values = conditions_like(value.removeprefix(LIKE), names)[name]
    return Distribution("uniform", float(values.min()), float(values.max()))


def resolved(conditions: Mapping[str, str], start: int, stop: int) -> dict[str, Any]:
    """Return conditions of events from ``start`` to ``stop``: those of a sample as arrays, others unchanged."""
    names = tuple(conditions)
    return {
        name: conditions_like(value.removeprefix(LIKE), names)[name][start:stop] if value.startswith(LIKE) else value
        for name, value in conditions.items()
    }


def store_beside(path: Path, file_format: str, *, overwrite: bool) -> Path:
    """Return the store for the events before they are written to the file at ``path``.

    Raises
    ------
    ValueError
        if the format is unknown, or the file exists and ``overwrite`` is not set.
    """
    if file_format not in FORMATS:
        raise ValueError(f"--format is one of {', '.join(FORMATS)}, not '{file_format}'")
    if file_format == "store":
        return path
    if path.exists() and not overwrite:
        raise ValueError(
            f"'{path}' exists: choose another path, or overwrite it (--overwrite; overwrite=True in Python)"
        )
    return path.with_name(f"{path.name}.zarr")


def write_submission(store: Path, path: Path, *, threshold: float | None, like: Path | None, overwrite: bool) -> float:
    """Write the showers of a store in the CaloChallenge's layout, and remove the store.

    Parameters
    ----------
    threshold:
        energy below which a voxel is empty [MeV]; that of the challenge's set if None.
    like:
        the sample with the showers' incident energies; from a file of the challenge they are copied bit for bit.

    Returns
    -------
    float
        the applied threshold [MeV].
    """
    from simulacra.formats import calochallenge, format_of
    from simulacra.formats.challenge_sets import set_of
    from simulacra.store import open_events

    events = open_events(store)
    if threshold is None:
        known = set_of(int(events["shower"].shape[1]))
        threshold = 0.0 if known is None else known.threshold
    exact = None
    if like is not None and format_of(like) == "calochallenge":
        exact = calochallenge.incident_energies(like)[: events.sizes["event"]]
    calochallenge.write(events, path, threshold=threshold, energies_mev=exact, overwrite=overwrite)
    events.close()
    shutil.rmtree(store)
    return threshold
