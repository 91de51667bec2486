"""Clouds: events of particles, with a different number in each event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import EventsError, names
from simulacra.formats.jetnet import in_common
from simulacra.judges.kinds.kind import Kind
from simulacra.judges.limits import area, uses_of
from simulacra.judges.samples import Cloud, JudgeError
from simulacra.observables.particle_numbers import KINDS, NEUTRINOS, is_kind
from simulacra.observables.relative_jets import OF_PARTICLES, hardest_particles, what_is_impossible
from simulacra.wording import listed


def _is_jet(events: xr.Dataset) -> bool:
    """Return whether events are jets in relative coordinates, perhaps without one of their variables."""
    return sum(name in events.data_vars for name in OF_PARTICLES) > 1


def _jets_in_common(samples: Sequence[xr.Dataset]) -> tuple[list[xr.Dataset], list[str]]:
    """Return jets with as many particles, and without the variables that any sample lacks; other clouds as they are.

    Impossible jets are refused in the truth. A generator may make some: they are judged, and said to be there.
    """
    lacking: dict[str, None] = {}
    for other in samples[1:]:
        lacking |= dict.fromkeys(in_common(samples[0], other)[2])
    warnings = _impossible_jets(samples)
    if lacking:
        warnings.append(
            f"Judged without {listed(tuple(lacking))} of the jets, which some of the samples lack: only quantities "
            "computed from the particles are compared."
        )
    alike = [events.drop_vars(list(lacking), errors="ignore") for events in samples]
    if not all("pt_rel" in events for events in alike):
        return alike, warnings
    places = [events["pt_rel"].shape[1] for events in alike]
    if min(places) < max(places):
        alike = [hardest_particles(events, min(places)) for events in alike]
        warnings.append(
            f"Judged on the {min(places)} hardest particles of each jet, the places of one sample; another has "
            f"{max(places)}."
        )
    return alike, warnings


def _impossible_jets(samples: Sequence[xr.Dataset]) -> list[str]:
    """Return warnings about impossible jets in generated samples; refuse those of the truth, the first one."""
    if not any(_is_jet(events) for events in samples):
        return []
    for number, events in enumerate(samples):
        if missing := [name for name in (*OF_PARTICLES, "present") if name not in events]:
            raise EventsError(f"{'a generated sample' if number else 'the truth'}: missing '{missing[0]}' of jets")
    if found := what_is_impossible(samples[0]):
        raise EventsError(f"the truth: {found}")
    return [
        f"A generated sample holds impossible jets: {found}."
        for one in samples[1:]
        if (found := what_is_impossible(one))
    ]


def _unpacked(events: xr.Dataset) -> dict[str, Any]:
    """Return the features of each particle: numbers unchanged, energies as logarithms, one feature per identity."""
    present = events["present"].values.astype(bool)
    columns: dict[str, np.ndarray] = {}
    for name in (*names(events, "feature"), *names(events, "coordinate"), *names(events, "uncertainty")):
        array = events[name]
        if array.dims[:2] != events["present"].dims:
            continue
        values = array.values
        if name == "momentum":
            length = np.maximum(np.sqrt((values.astype(np.float64) ** 2).sum(axis=2)), 1e-12)
            columns |= {f"direction_{axis}": values[..., i] / length for i, axis in enumerate("xyz")}
        elif name == "identity":
            columns |= {kind: is_kind(values, codes) for kind, codes in KINDS.items()}
            columns["neutrino"] = is_kind(values, NEUTRINOS)
        elif name == "energy":
            columns["log_energy"] = np.log10(np.maximum(values, 1e-6))
        else:
            flat = values.reshape(*values.shape[:2], -1)
            several = flat.shape[2] > 1
            columns |= {f"{name}_{i}" if several else name: flat[..., i] for i in range(flat.shape[2])}
    if not columns:
        raise JudgeError("these clouds have a mask 'present' but no features of particles: there is nothing to judge")
    features = np.stack([np.where(present, column, 0).astype(np.float32) for column in columns.values()], axis=2)
    return {"cloud": Cloud(features, present, tuple(columns))}


KIND: Final = Kind(
    holds=lambda events: ("present" in events.data_vars and "particle" in events["present"].dims) or _is_jet(events),
    generality=1,
    uses=uses_of(
        "particle by particle",
        area(
            ("particles (deep_sets)",),
            "AUC on particles",
            "Do not use single particles of generated events (reconstruction, networks on clouds): keep to the "
            "observables that agree.",
        ),
    ),
    made_alike=_jets_in_common,
    unpacked=_unpacked,
    classifiers=(("deep_sets", "particles"),),
)
