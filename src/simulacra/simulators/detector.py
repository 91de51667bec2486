"""A parametric detector that particle clouds pass: tracking, a calorimeter with cells, and loss of identity.

It does not simulate a detector's material: each effect is a formula with parameters in
:class:`~simulacra.simulators.detector_settings.DetectorSettings`. Neutrinos are not seen. A charged particle that is
not identified becomes a pion (211 times its charge), a neutral deposit of unknown kind has the identity 0. The only
link to the particles is the event's index, which pairs events.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import REQUIRED_ATTRIBUTES, EventsError, make_events, names, validate, variable
from simulacra.simulators.detector_response import Particles, draws_of, respond
from simulacra.simulators.detector_settings import DetectorSettings
from simulacra.simulators.simulation import check_seed, fingerprint_of
from simulacra.store import Chunk, Executor, WriteSummary, open_events, refuse_source, write_events, write_store
from simulacra.store.objects import address_of
from simulacra.store.read import read_plan
from simulacra.units import in_convention

CHUNK_SIZE: Final = 2500
"""Events per chunk, if the particles' store does not say."""

VARIABLES: Final = ("momentum", "energy", "identity", "charge", "present")


def simulate_detector(events: xr.Dataset, settings: DetectorSettings, seed: int) -> xr.Dataset:
    """Return events at detector level, in their order and with their indices.

    Weights, variations and conditions are copied. If the events have jets, jets are clustered again with the same
    settings; other features of the particle level are left out.

    Parameters
    ----------
    events:
        particle clouds: ``momentum`` and ``energy`` [GeV], ``identity``, ``charge`` and ``present``.
    settings:
        the detector.
    seed:
        the result of an event depends only on the seed, the event's index, its particles and their provenance, and the
        settings, not on other events.

    Raises
    ------
    simulacra.events.EventsError
        if a variable is missing, or a value is not finite or a negative energy; the message names the event.
    ValueError
        if the seed is negative.
    """
    begin = time.process_time()
    check_seed(seed)
    _check_variables(events)
    jets = ["jet_pt"] if "jet_pt" in events.data_vars else []
    passed_on = _passed_on(events)
    events = in_convention(events)[[*VARIABLES, *passed_on, *jets]].load()
    validate(events)
    present = events["present"].values
    particles = Particles(
        row=np.nonzero(present)[0],
        momentum=events["momentum"].values[present].astype(np.float64),
        energy=events["energy"].values[present].astype(np.float64),
        identity=events["identity"].values[present].astype(np.int64),
        charge=events["charge"].values[present].astype(np.int64),
    )
    counts = np.count_nonzero(present, axis=1)
    draws = draws_of(_key(events, seed), events["event"].values, counts)
    variables = _padded(respond(particles, draws, settings), present.shape, events)
    variables |= {name: events[name].variable for name in passed_on}
    if jets:
        variables |= _jets(variables, events["jet_pt"])
    provenance = {key: value for key, value in events.attrs.items() if key not in (*REQUIRED_ATTRIBUTES, "conventions")}
    provenance |= {f"particle_level_{key}": events.attrs[key] for key in REQUIRED_ATTRIBUTES[:-1]}
    seen = make_events(
        variables,
        simulator="detector",
        simulator_version=version("simulacra"),
        seed=seed,
        settings=settings.model_dump(mode="json"),
        seconds_per_event=(time.process_time() - begin) / max(1, len(counts)),
        **provenance,
    )
    return seen.assign_coords(event=events["event"])


def write_detector(
    source: str | PathLike[str],
    path: str | PathLike[str],
    settings: DetectorSettings,
    *,
    seed: int,
    workers: int | Executor = 1,
    chunk_size: int | None = None,
    progress: bool = True,
    overwrite: bool = False,
) -> WriteSummary:
    """Simulate the detector for the events of one store and write them to another; a killed run can continue.

    The events depend neither on ``workers`` nor on ``chunk_size``; by default the latter is that of the particles'
    store.

    Raises
    ------
    ValueError
        if the seed is negative, or the store would overwrite that of the particles, or lie in it.
    simulacra.events.EventsError
        if the source lacks a variable.
    simulacra.store.StoreError
        if there is no source, the store cannot be written, or as :func:`simulate_detector`, with the chunk.
    """
    check_seed(seed)
    refuse_source(source, path)
    events = open_events(source)
    _check_variables(events)
    index = events["event"].values
    plan, _ = read_plan(Path(source))
    size = chunk_size or (plan.chunk_size if plan else CHUNK_SIZE)
    task = DetectorTask(address_of(source) or str(Path(source).resolve()), settings, seed)
    decided_by: dict[str, Any] = {
        "particles": {key: _plain(events.attrs[key]) for key in REQUIRED_ATTRIBUTES[:-1]},
        "events": hashlib.sha256(index.tobytes() + events["energy"][:1].values.tobytes()).hexdigest(),
    }
    fingerprint = fingerprint_of("detector", settings.model_dump(mode="json"), seed, **decided_by)
    if np.array_equal(index, np.arange(len(index))):
        return write_store(
            path,
            task,
            n_events=len(index),
            chunk_size=size,
            workers=workers,
            fingerprint=fingerprint,
            progress=progress,
            label="events in the detector",
            overwrite=overwrite,
            bytes_per_event=sum(events[name].nbytes for name in VARIABLES) / max(1, len(index)),
        )
    # A store that is filled chunk by chunk numbers its events from 0; a selection of events is held in memory instead.
    chunks = [task(Chunk(0, start, min(start + size, len(index)))) for start in range(0, len(index), size)]
    seen = xr.concat(chunks, dim="event", combine_attrs="override") if len(chunks) > 1 else chunks[0]
    return write_events(seen, path, fingerprint=fingerprint, chunk_size=size, progress=progress, overwrite=overwrite)


@dataclass(frozen=True)
class DetectorTask:
    """Simulates the detector for the events of a chunk of a store."""

    source: str
    settings: DetectorSettings
    seed: int

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        """Return the events of a chunk at detector level."""
        # a complete store on an object store is not looked at again
        changed = 0 if address_of(self.source) else (Path(self.source) / "zarr.json").stat().st_mtime_ns
        events = _opened(self.source, changed).isel(event=slice(chunk.start, chunk.stop))
        return simulate_detector(events, self.settings, self.seed)


@lru_cache(maxsize=1)
def _opened(source: str, changed: int) -> xr.Dataset:  # noqa: ARG001 - a replaced store is opened again
    """Return the events of a store; its files are checked once for all chunks."""
    return open_events(source)


def _passed_on(events: xr.Dataset) -> list[str]:
    return [*names(events, "weight"), *names(events, "condition")]


def _key(events: xr.Dataset, seed: int) -> int:
    """Return the key of the random numbers.

    It depends on the particles' provenance, so that events of two samples with the same indices are smeared by
    different random numbers.
    """
    origin = [seed, *(_plain(events.attrs[key]) for key in ("simulator", "simulator_version", "seed", "settings"))]
    return int.from_bytes(hashlib.sha256(json.dumps(origin).encode()).digest()[:16], "big")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _padded(seen: Particles, shape: tuple[int, ...], events: xr.Dataset) -> dict[str, xr.Variable]:
    """Return tracks and deposits as they are stored: sorted by falling energy, padded to (N, P)."""
    # compared as they are stored, so that the order is the same for whoever reads them
    energy = seen.energy.astype(np.float32)
    order = np.lexsort((-energy, seen.row))
    seen, energy = seen.take(order), energy[order]
    counts = np.bincount(seen.row, minlength=shape[0])
    place = (seen.row, np.arange(len(seen.row)) - np.repeat(np.cumsum(counts) - counts, counts))

    def filled(values: np.ndarray, dtype: type) -> np.ndarray:
        table = np.zeros((*shape, *values.shape[1:]), dtype=dtype)
        table[place] = values
        return table

    def like(name: str, values: np.ndarray, long_name: str) -> xr.Variable:
        array = events[name]
        return xr.Variable(array.dims, values, attrs={**array.attrs, "long_name": long_name})

    return {
        "momentum": like("momentum", filled(seen.momentum, np.float32), "measured momentum px, py, pz"),
        "energy": like("energy", filled(energy, np.float32), "measured energy"),
        "identity": like(
            "identity",
            filled(seen.identity, np.int32),
            "PDG code as identified: 211 times the charge for charged particles and 0 for neutral deposits of no known "
            "kind; 0 where there is none",
        ),
        "charge": like("charge", filled(seen.charge, np.int8), "measured charge"),
        "present": variable(
            filled(np.ones(len(seen.row)), bool),
            "particle",
            units="1",
            long_name="whether there is a track or a deposit",
            role="mask",
        ),
    }


def _jets(variables: dict[str, xr.Variable], jets: xr.DataArray) -> dict[str, xr.Variable]:
    from simulacra.observables.jets import cluster_jets

    momentum, energy, present = (variables[name].values for name in ("momentum", "energy", "present"))
    radius, min_pt = float(jets.attrs.get("radius", 0.8)), float(jets.attrs.get("min_pt", 0.0))
    return cluster_jets(momentum, energy, present, radius=radius, n_jets=jets.shape[1], min_pt=min_pt)


def _check_variables(events: xr.Dataset) -> None:
    missing = [name for name in VARIABLES if name not in events.data_vars]
    if missing:
        raise EventsError(
            f"a detector needs particle clouds with {', '.join(VARIABLES)}; {missing} are missing from "
            f"{sorted(map(str, events.data_vars))}"
        )
    if [attribute for attribute in REQUIRED_ATTRIBUTES if attribute not in events.attrs]:
        validate(events.drop_vars(list(events.data_vars)))
