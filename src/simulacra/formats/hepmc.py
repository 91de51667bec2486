"""HepMC3's text format (Buckley et al., arXiv:1912.08005): the final particles of each event and its weights.

Events are written with 17 significant digits, so that every float32 and float64 comes back bit for bit. The weights are
HepMC's: the event's own, then that of each variation, which is its ratio in events times the event's own (a division
gives the ratio back, exactly where the event's own is 1). Conditions stand as attributes of the event; the provenance
and the room for particles as an attribute of the run, for which other programs have no use. Files of other programs
are read too, of HepMC2 also: what has the status 1 is taken.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import EventsError, make_events, names, validate, variable
from simulacra.formats.errors import FormatError
from simulacra.formats.pdg_charge import charge_of
from simulacra.store.arrays import plain

RUN_ATTRIBUTE: Final = "simulacra"
BEGINNING: Final = b"HepMC::"
_END: Final = b"END_EVENT_LISTING"
_PREFIX: Final = "variation_"
_CLOUD: Final = ("momentum", "energy", "identity", "charge", "present", "weight")


def is_hepmc(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file begins as HepMC's text files do."""
    with Path(path).open("rb") as file:
        return file.read(64).lstrip().startswith(BEGINNING)


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the final particles, weights and parameters of a file.

    Raises
    ------
    FormatError
        if there is none, or it is truncated, damaged or without events.
    ImportError
        if pyhepmc is not installed.
    """
    pyhepmc = _pyhepmc()
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"there is no file '{path}'")
    if not is_hepmc(path):
        raise FormatError(f"'{path}' does not begin with '{BEGINNING.decode()}': it is no text file of HepMC")
    _require_end(path)
    numbers: list[int] = []
    columns: list[np.ndarray] = []
    weights: list[list[float]] = []
    attributes: list[dict[str, float]] = []
    weight_names: list[str] = []
    record: dict[str, Any] = {}
    tool = ("HepMC", "not stated in the file")
    try:
        with pyhepmc.open(str(path)) as file:
            for event in file:
                event.set_units(pyhepmc.Units.GEV, pyhepmc.Units.MM)
                if not numbers:
                    weight_names, record, tool = _run(event.run_info, tool)
                numbers.append(int(event.event_number))
                columns.append(_final(event))
                weights.append([float(weight) for weight in event.weights] or [1.0])
                attributes.append(_parameters(event, record))
    except (RuntimeError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"'{path}' is damaged after {len(numbers)} events ({error})") from error
    n_stated = _count_events(path)
    if not numbers or len(numbers) != n_stated:
        raise FormatError(f"'{path}' is damaged or empty: {len(numbers)} of its {n_stated} events can be read")
    if any(len(weight) != len(weights[0]) for weight in weights):
        raise FormatError(f"'{path}': not every event has {len(weights[0])} weights")
    try:
        return _events(numbers, columns, weights, weight_names, attributes, record, tool)
    except EventsError as error:
        raise FormatError(f"'{path}': {error}") from error


def write(events: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a file, whole or not at all. A warning names the variables for which HepMC has no place, such as jets.

    Raises
    ------
    FormatError
        if the events are no particles with identities, an event has none, or the file cannot be written.
    ImportError
        if pyhepmc is not installed.
    """
    pyhepmc = _pyhepmc()
    path = Path(path)
    missing = [name for name in _CLOUD if name not in events]
    if missing:
        raise FormatError(f"HepMC takes particles: these events lack {missing}")
    validate(events)
    variations = [str(name) for name in events.data_vars if str(name).startswith(_PREFIX)]
    conditions = [name for name in names(events, "condition") if events[name].ndim == 1]
    left_out = [str(name) for name in events.data_vars if name not in (*_CLOUD, *variations, *conditions)]
    if left_out:
        warnings.warn(f"'{path}': HepMC has no place for {left_out}, which are not written", stacklevel=2)
    run = pyhepmc.GenRunInfo()
    run.weight_names = ["Weight", *(name.removeprefix(_PREFIX) for name in variations)]
    run.tools = [(str(events.attrs["simulator"]), str(events.attrs["simulator_version"]), "")]
    run.attributes[RUN_ATTRIBUTE] = json.dumps(
        {
            "attributes": {str(name): plain(value) for name, value in events.attrs.items()},
            "conditions": {name: [events[name].dtype.str, events[name].attrs] for name in conditions},
            "room": events.sizes["particle"],
        }
    )
    fresh = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with pyhepmc.io.WriterAscii(str(fresh), run) as file:
            file.precision = 16  # digits after the point, so 17 in all
            for event in _to_hepmc(pyhepmc, events, variations, conditions):
                event.run_info = run
                file.write(event)
                if file.failed():
                    raise FormatError(f"cannot write '{path}': is the disk full?")
        fresh.replace(path)
    except (OSError, RuntimeError) as error:
        raise FormatError(f"cannot write '{path}': {error}") from error
    finally:
        fresh.unlink(missing_ok=True)


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
            "HepMC tells charges by identities, and these events have particles whose charge is another, "
            "as behind a detector that loses identities: keep them in a store or a single file"
        )
    empty = ~present.any(axis=1)
    if empty.any():
        raise FormatError(f"event {index[empty][0]} has no particles: pyhepmc would take it for the end of the file")
    absolute = np.stack([weight, *(events[name].values * weight for name in variations)], axis=1)
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
        event.weights = absolute[i].tolist()
        for name, values in parameters.items():
            event.attributes[name] = float(values[i])
        yield event


def _final(event: Any) -> np.ndarray:
    """Return identity, px, py, pz and energy of the final particles, (5, n) float64."""
    found = event.numpy.particles
    final = np.asarray(found.status) == 1
    return np.stack([np.asarray(getattr(found, n), dtype=np.float64)[final] for n in ("pid", "px", "py", "pz", "e")])


def _run(run: Any, tool: tuple[str, str]) -> tuple[list[str], dict[str, Any], tuple[str, str]]:
    if run is None:
        return [], {}, tool
    tools = list(run.tools)
    if tools:
        tool = (str(tools[0].name), str(tools[0].version))
    record: dict[str, Any] = {}
    if RUN_ATTRIBUTE in run.attributes:
        text = run.attributes[RUN_ATTRIBUTE]
        record = json.loads(text if isinstance(text, str) else text.astype(str))
    return [str(name) for name in run.weight_names], record, tool


def _parameters(event: Any, record: dict[str, Any]) -> dict[str, float]:
    attributes = event.attributes
    return {name: float(attributes[name].astype(float)) for name in record.get("conditions", {})}


def _events(
    numbers: Sequence[int],
    columns: Sequence[np.ndarray],
    weights: Sequence[Sequence[float]],
    weight_names: Sequence[str],
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

    weight = np.array(weights, dtype=np.float64)
    nominal = weight[:, :1]
    ratios = np.divide(weight, nominal, out=np.ones_like(weight), where=nominal != 0)
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
        "weight": variable(weight[:, 0].copy(), units="1", role="weight", long_name=_LONG_NAMES["weight"]),
    }
    for i, name in enumerate(_variable_names(weight_names, weight.shape[1])):
        variables[name] = variable(
            ratios[:, i + 1].copy(),
            units="1",
            role="weight",
            long_name=f"exact weight of the variation {name.removeprefix(_PREFIX)} over the event's own",
        )
    for name, (dtype, attrs) in record.get("conditions", {}).items():
        variables[name] = xr.Variable("event", np.array([a[name] for a in attributes], dtype=dtype), attrs)
    events = make_events(
        variables,
        simulator=tool[0],
        simulator_version=tool[1],
        seed=None,
        settings={"format": "hepmc"},
        seconds_per_event=float("nan"),
    )
    events = events.assign_coords(event=np.array(numbers, dtype=np.int64))
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


def _variable_names(weight_names: Sequence[str], n_weights: int) -> list[str]:
    """Return the name of the variable of each weight but the first."""
    found: list[str] = []
    for i in range(1, n_weights):
        plain_name = re.sub(r"\W+", "_", weight_names[i] if i < len(weight_names) else str(i)).strip("_")
        name = f"{_PREFIX}{plain_name or i}"
        found.append(f"{name}_{i}" if name in found else name)
    return found


def _require_end(path: Path) -> None:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 200))
        if _END not in file.read():
            raise FormatError(f"'{path}' is truncated: it does not end with '{_END.decode()}'")


def _count_events(path: Path) -> int:
    with path.open("rb") as file:
        return sum(line.startswith(b"E ") for line in file)
