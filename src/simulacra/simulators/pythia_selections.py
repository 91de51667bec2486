"""What is kept of collisions: several jets without particles, or visible particles by transverse momentum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from simulacra.observables.multi_jets import multi_jets
from simulacra.observables.visible_particles import visible_particles
from simulacra.simulators.pythia_jets import PARTICLES, selected_collisions
from simulacra.simulators.pythia_settings import MultiJetSettings, PythiaSettings, VisibleSettings

if TYPE_CHECKING:
    from simulacra.simulators.pythia_instance import PythiaInstance


def kept_of_collisions(
    collisions: Iterator[int], pythia: PythiaInstance, settings: PythiaSettings, start: int, stop: int
) -> dict[str, xr.Variable]:
    """Return the variables of events ``start`` to ``stop - 1``: what ``several_jets`` or ``visible_particles`` keeps.

    Raises
    ------
    PythiaError
        if too many collisions in a row have too few jets.
    """
    jets, particles = settings.several_jets, settings.visible_particles
    if jets is not None:
        return selected_collisions(
            collisions,
            pythia,
            settings,
            (start, stop),
            lambda found: _several_jets(found, jets, pythia),
            f"{jets.fewest} jets of {jets.min_pt:g} GeV or more with |eta| < {jets.max_abs_eta:g}: change these "
            "(multi_jet)",
        )
    if particles is None:
        raise ValueError("the settings ask for neither several jets nor visible particles")
    return selected_collisions(
        collisions, pythia, settings, (start, stop), lambda found: _visible(found, particles, pythia), "particles"
    )


def _several_jets(
    variables: dict[str, xr.Variable], jets: MultiJetSettings, pythia: PythiaInstance
) -> dict[str, xr.Variable]:
    momentum, energy, identity, _, present = (variables[name].values for name in PARTICLES)
    found = multi_jets(
        momentum,
        energy,
        present & pythia.visible(identity),
        radius=jets.radius,
        min_pt=jets.min_pt,
        max_abs_eta=jets.max_abs_eta,
        most=jets.most,
    )
    enough = np.flatnonzero(found["present"].values.sum(axis=1) >= jets.fewest)
    return {name: one.isel(event=enough) for name, one in (found | _others(variables)).items()}


def _visible(
    variables: dict[str, xr.Variable], particles: VisibleSettings, pythia: PythiaInstance
) -> dict[str, xr.Variable]:
    momentum, identity, present = (variables[name].values for name in ("momentum", "identity", "present"))
    found = visible_particles(
        momentum,
        present & pythia.visible(identity),
        min_pt=particles.min_pt,
        max_abs_eta=particles.max_abs_eta,
        particles=particles.particles,
    )
    return found | _others(variables)


def _others(variables: dict[str, xr.Variable]) -> dict[str, xr.Variable]:
    """Return the weights of collisions."""
    return {name: one for name, one in variables.items() if name not in PARTICLES}
