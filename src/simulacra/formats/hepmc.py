"""HepMC3's text format (Buckley et al., arXiv:1912.08005): the final particles of each event and its weights.

Events are written with 17 significant digits, so every float32 and float64 is read back bit for bit. The weights are
HepMC's: the event's own, then that of each variation. Conditions are attributes of the event. The provenance and the
largest number of particles are an attribute of the run, which other programs ignore.

Files of other programs are read too, also of HepMC2, and compressed by gzip, bzip2 or xz. Particles of status 1 are
read, momenta are converted to GeV, and :mod:`simulacra.formats.hepmc_weights` decides which weight is the event's own.
The beginning of a file from another program is first read in a separate process, because HepMC's library ends the
process on some damaged files.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.compressed import CompressionError, opened_plain
from simulacra.events import EventsError, make_events, names, validate, variable, with_source
from simulacra.formats.errors import FormatError
from simulacra.formats.hepmc_probe import probe
from simulacra.formats.hepmc_text import BEGINNING, LineStream, Listing, is_hepmc, look_through, without_weights
from simulacra.formats.hepmc_weights import WeightRoles, roles_of
from simulacra.formats.pdg_charge import charge_of
from simulacra.store.arrays import plain
from simulacra.units import in_convention
from simulacra.variations import (
    PREFIX,
    holds_weights,
    variable_names,
    variation_variable,
    variation_weights,
    variations_of,
)
from simulacra.whole_files import whole_file

__all__ = ["is_hepmc", "read", "write"]

RUN_ATTRIBUTE: Final = "simulacra"
_CLOUD: Final = ("momentum", "energy", "identity", "charge", "present", "weight")


def read(path: str | os.PathLike[str], *, nominal: str | None = None) -> xr.Dataset:
    """Read the final particles, weights and parameters of a file.

    A warning is given if the nominal weight had to be guessed, if units are not stated, and if event numbers repeat, as
    in files of merged jobs; the events are then numbered by their positions.

    Parameters
    ----------
    nominal:
        name of the event's own weight, if the names do not identify it.

    Raises
    ------
    FormatError
        if there is none, or it is truncated, damaged or without events, or a weight is missing or not finite.
    ImportError
        if pyhepmc is not installed.
    """
    pyhepmc = _pyhepmc()
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"there is no file '{path}'")
    if not is_hepmc(path):
        raise FormatError(f"'{path}' does not begin with '{BEGINNING.decode()}': it is not a HepMC text file")
    listing = look_through(path)
    ours = _is_ours(path)
    roles = _roles(path, listing, nominal, ours=ours)
    numbers = _numbers(path, listing)
    columns: list[np.ndarray] = []
    attributes: list[dict[str, float]] = []
    record: dict[str, Any] = {}
    tool = ("HepMC", "not stated in the file")
    try:
        if not ours:
            with _lines(path) as lines:
                probe(str(path), listing.version, lines)
        with _lines(path) as lines:
            for event in _events_of(pyhepmc, listing.version, lines):
                event.set_units(pyhepmc.Units.GEV, pyhepmc.Units.MM)
                if not columns:
                    record, tool = _run(event.run_info, tool)
                columns.append(_final(event))
                attributes.append(_parameters(event, record))
    except (RuntimeError, OSError, ValueError, KeyError, TypeError, AttributeError, MemoryError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"'{path}' is damaged after {len(columns)} events ({error})") from error
    if not columns or len(columns) != len(numbers):
        raise FormatError(f"'{path}' is damaged or empty: {len(columns)} of its {len(numbers)} events can be read")
    if not listing.units_stated:
        warnings.warn(f"'{path}' does not state the units of all events: GeV is assumed", stacklevel=2)
    try:
        return with_source(_events(numbers, columns, listing, roles, attributes, record, tool), path)
    except EventsError as error:
        raise FormatError(f"'{path}': {error}") from error


def write(events: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a complete file or none. A warning names the variables that HepMC cannot store, such as jets.

    Raises
    ------
    FormatError
        if the events are not particles with identities, an event has no particles, or the file cannot be written.
    ImportError
        if pyhepmc is not installed.
    """
    events = in_convention(events)
    pyhepmc = _pyhepmc()
    path = Path(path)
    missing = [name for name in _CLOUD if name not in events]
    if missing:
        raise FormatError(f"HepMC needs particles: these events lack {missing}")
    validate(events)
    variations = variations_of(events)
    conditions = [name for name in names(events, "condition") if events[name].ndim == 1]
    left_out = [str(name) for name in events.data_vars if name not in (*_CLOUD, *variations, *conditions)]
    if left_out:
        warnings.warn(f"'{path}': HepMC cannot store {left_out}, which are not written", stacklevel=2)
    run = pyhepmc.GenRunInfo()
    run.weight_names = ["Weight", *(name.removeprefix(PREFIX) for name in variations)]
    run.tools = [(str(events.attrs["simulator"]), str(events.attrs["simulator_version"]), "")]
    run.attributes[RUN_ATTRIBUTE] = json.dumps(
        {
            "attributes": {str(name): plain(value) for name, value in events.attrs.items()},
            "conditions": {name: [events[name].dtype.str, events[name].attrs] for name in conditions},
            "long_names": {n: events[n].attrs["long_name"] for n in variations if holds_weights(events, n)},
            "room": events.sizes["particle"],
        }
    )
    try:
        with whole_file(path) as fresh, pyhepmc.io.WriterAscii(str(fresh), run) as file:
            file.precision = 16  # digits after the point, so 17 in all
            for event in _to_hepmc(pyhepmc, events, variations, conditions):
                event.run_info = run
                file.write(event)
                if file.failed():
                    raise FormatError(f"cannot write '{path}': is the disk full?")
    except (OSError, RuntimeError) as error:
        raise FormatError(f"cannot write '{path}': {error}") from error


def _pyhepmc() -> Any:
    if importlib.util.find_spec("pyhepmc") is None:
        raise ImportError("HepMC files need the package pyhepmc: pip install 'simulacra[jets]'")
    import pyhepmc
    import pyhepmc.io

    return pyhepmc


def _to_hepmc(pyhepmc: Any, events: xr.Dataset, variations: Sequence[str], conditions: Sequence[str]) -> Iterator[Any]:
    index = events["event"].values
    momentum, energy, identity, charge, present, weight = (events[name].values for name in _CLOUD)
    kinds, kind = np.unique(identity[present], return_inverse=True)
    if not np.array_equal(np.array([charge_of(int(k)) for k in kinds], dtype=np.int8)[kind], charge[present]):
        raise FormatError(
            "HepMC derives charges from identities, and these events have particles with another charge, "
            "as behind a detector that loses identities: keep them in a store or a single file"
        )
    empty = ~present.any(axis=1)
    if empty.any():
        raise FormatError(f"event {index[empty][0]} has no particles: pyhepmc would read it as the end of the file")
    weights = np.stack([weight, *(variation_weights(events, name) for name in variations)], axis=1)
    parameters = {name: events[name].values.astype(np.float64) for name in conditions}
    for i, number in enumerate(index):
        there = present[i]
        p, e = momentum[i][there].astype(np.float64), energy[i][there].astype(np.float64)
        mass = np.sqrt(np.maximum(e**2 - (p**2).sum(axis=1), 0.0))
        event = pyhepmc.GenEvent(pyhepmc.Units.GEV, pyhepmc.Units.MM)
        event.event_number = int(number)
        for (px, py, pz), en, m, pid in zip(
            p.tolist(), e.tolist(), mass.tolist(), identity[i][there].tolist(), strict=True
        ):
            particle = pyhepmc.GenParticle((px, py, pz, en), pid, 1)
            particle.generated_mass = m
            event.add_particle(particle)
        event.weights = weights[i].tolist()
        for name, values in parameters.items():
            event.attributes[name] = float(values[i])
        yield event


def _final(event: Any) -> np.ndarray:
    """Return identity, px, py, pz and energy of the final particles, (5, n) float64."""
    found = event.numpy.particles
    final = np.asarray(found.status) == 1
    return np.stack([np.asarray(getattr(found, n), dtype=np.float64)[final] for n in ("pid", "px", "py", "pz", "e")])


def _roles(path: Path, listing: Listing, nominal: str | None, *, ours: bool) -> WeightRoles:
    """Return the meaning of each weight: by their order in a file written here, by their names in others."""
    if ours and nominal is None:
        return WeightRoles(0, tuple(range(1, len(listing.names))))
    try:
        roles = roles_of(listing.names, nominal)
    except FormatError as error:
        raise FormatError(f"'{path}': {error}") from None
    if roles.remark and listing.named:
        warnings.warn(f"'{path}': {roles.remark}; hepmc.read(path, nominal=NAME) takes another", stacklevel=3)
    return roles


def _numbers(path: Path, listing: Listing) -> np.ndarray:
    """Return the number of each event, (N,); its position if the file has a number twice."""
    numbers = listing.numbers
    (most_frequent, times), *_ = Counter(numbers).most_common(1) or [(0, 1)]
    if times > 1:
        warnings.warn(
            f"'{path}' has the event number {most_frequent} {times} times, as in files of merged jobs: its "
            f"{len(numbers)} events are numbered by their positions, from 0",
            stacklevel=3,
        )
        return np.arange(len(numbers), dtype=np.int64)
    return np.array(numbers, dtype=np.int64)


@contextlib.contextmanager
def _lines(path: Path) -> Iterator[Iterator[bytes]]:
    try:
        with opened_plain(path) as file:
            yield without_weights(file)
    except CompressionError as error:
        raise FormatError(str(error)) from error


def _is_ours(path: Path) -> bool:
    """Tell whether a file was written here: its header holds the provenance."""
    with opened_plain(path) as file:
        for line in file:
            if line.startswith(b"E "):
                return False
            if line.startswith(f"A {RUN_ATTRIBUTE} ".encode()):
                return True
    return False


def _events_of(pyhepmc: Any, version: int, lines: Iterator[bytes]) -> Iterator[Any]:
    stream = pyhepmc.io.pyiostream(LineStream(lines))
    reader = pyhepmc.io.ReaderAscii if version == 3 else pyhepmc.io.ReaderAsciiHepMC2
    with reader(stream) as file:
        yield from file


def _run(run: Any, tool: tuple[str, str]) -> tuple[dict[str, Any], tuple[str, str]]:
    if run is None:
        return {}, tool
    tools = list(run.tools)
    if tools:
        tool = (str(tools[0].name), str(tools[0].version))
    record: dict[str, Any] = {}
    if RUN_ATTRIBUTE in run.attributes:
        text = run.attributes[RUN_ATTRIBUTE]
        record = json.loads(text if isinstance(text, str) else text.astype(str))
    return record, tool


def _parameters(event: Any, record: dict[str, Any]) -> dict[str, float]:
    attributes = event.attributes
    return {name: float(attributes[name].astype(float)) for name in record.get("conditions", {})}


def _events(
    numbers: np.ndarray,
    columns: Sequence[np.ndarray],
    listing: Listing,
    roles: WeightRoles,
    attributes: Sequence[dict[str, float]],
    record: dict[str, Any],
    tool: tuple[str, str],
) -> xr.Dataset:
    counts = np.array([column.shape[1] for column in columns])
    flat = np.concatenate(columns, axis=1)
    event = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((-flat[4], event))
    slot = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    room = max(int(record.get("room", 0)), int(counts.max()), 1)
    identity = flat[0].astype(np.int32)
    kinds, kind = np.unique(identity, return_inverse=True)
    charge = np.array([charge_of(int(k)) for k in kinds], dtype=np.int8)[kind]

    def padded(values: np.ndarray, dtype: type) -> np.ndarray:
        filled = np.zeros((len(counts), room, *values.shape[1:]), dtype=dtype)
        filled[event, slot] = values[order]
        return filled

    weights = listing.weights
    of_energy: dict[str, Any] = {"units": "GeV", "role": "feature"}
    momentum, energy = padded(flat[1:4].T, np.float32), padded(flat[4], np.float32)
    variables = {
        "momentum": variable(
            momentum, "particle", "component", **of_energy, signed=True, long_name=_LONG_NAMES["momentum"]
        ),
        "energy": variable(energy, "particle", **of_energy, long_name=_LONG_NAMES["energy"]),
        "identity": variable(
            padded(identity, np.int32), "particle", units="1", role="feature", long_name=_LONG_NAMES["identity"]
        ),
        "charge": variable(
            padded(charge, np.int8), "particle", units="e", role="feature", signed=True, long_name=_LONG_NAMES["charge"]
        ),
        "present": variable(
            np.arange(room) < counts[:, None], "particle", units="1", role="mask", long_name=_LONG_NAMES["present"]
        ),
        "weight": variable(weights[:, roles.nominal].copy(), units="1", role="weight", long_name=_LONG_NAMES["weight"]),
    }
    varied = [listing.names[i] for i in roles.variations]
    for i, name, variable_name in zip(roles.variations, varied, variable_names(varied), strict=True):
        variables[variable_name] = variation_variable(weights[:, i].copy(), name)
        if variable_name in record.get("long_names", {}):
            variables[variable_name].attrs["long_name"] = record["long_names"][variable_name]
    for name, (dtype, attrs) in record.get("conditions", {}).items():
        variables[name] = xr.Variable("event", np.array([a[name] for a in attributes], dtype=dtype), attrs)
    events = make_events(
        variables,
        simulator=tool[0],
        simulator_version=tool[1],
        seed=None,
        settings={"format": "hepmc", **({"weight": listing.names[roles.nominal]} if listing.named else {})},
        seconds_per_event=float("nan"),
    )
    events = events.assign_coords(event=numbers)
    events.attrs = record.get("attributes", events.attrs)
    validate(events)
    return events


_LONG_NAMES: Final = {
    "momentum": "momentum px, py, pz of each final particle",
    "energy": "energy of each final particle",
    "identity": "PDG code of each final particle, 0 where there is none",
    "charge": "charge of each final particle",
    "present": "whether there is a particle",
    "weight": "the event's own weight",
}
