"""The leading jet of each collision as an event, of those collisions that have one in the asked range."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from simulacra.observables.relative_jets import JET_CLASS, jet_variable, leading_jets
from simulacra.simulators.pythia_clouds import Clouds
from simulacra.simulators.pythia_errors import PythiaError
from simulacra.simulators.pythia_settings import LeadingJetSettings, PythiaSettings
from simulacra.simulators.pythia_variations import Variation

if TYPE_CHECKING:
    from simulacra.simulators.pythia_instance import PythiaInstance

#: collisions that are clustered at a time
BATCH: Final = 250
#: collisions without a jet after which the settings are at fault
MOST_WITHOUT: Final = 5000
#: of the particles, which become those of the jet
PARTICLES: Final = ("momentum", "energy", "identity", "charge", "present")


def jets_of_collisions(
    collisions: Iterator[int], pythia: PythiaInstance, settings: PythiaSettings, start: int, stop: int
) -> dict[str, xr.Variable]:
    """Return the variables of events ``start`` to ``stop - 1``, each the leading jet of a collision.

    Parameters
    ----------
    collisions:
        makes a collision in ``pythia`` with each step.
    settings:
        with a ``jet``.

    Raises
    ------
    PythiaError
        if too many collisions in a row have no such jet.
    """
    jet = settings.jet
    if jet is None:
        raise ValueError("the settings ask for no leading jet")
    variables = selected_collisions(
        collisions,
        pythia,
        settings,
        (start, stop),
        lambda found: _jets(found, jet, pythia),
        f"leading jet of {jet.min_pt:g} to {jet.max_pt:g} GeV: change this range (--leading-jet)",
    )
    if settings.jet_class is not None:
        place = np.full(stop - start, JET_CLASS.place_of(settings.jet_class), dtype=np.int32)
        variables["jet_class"] = jet_variable(place, "jet_class")
    return variables


def selected_collisions(
    collisions: Iterator[int],
    pythia: PythiaInstance,
    settings: PythiaSettings,
    numbers: tuple[int, int],
    select: Callable[[dict[str, xr.Variable]], dict[str, xr.Variable]],
    wanted: str,
) -> dict[str, xr.Variable]:
    """Return the variables of events from the first number to before the second, each from a selected collision.

    Parameters
    ----------
    collisions:
        makes a collision in ``pythia`` with each step.
    select:
        returns the variables of those collisions that become events, from the clouds of all.
    wanted:
        what the others lack and what to change, for the message.

    Raises
    ------
    PythiaError
        if too many collisions in a row are left out.
    """
    names = [Variation.parse(text).name for text in settings.variations]
    pieces: list[dict[str, xr.Variable]] = []
    (found, stop), without = numbers, 0
    while found < stop:
        clouds, size = Clouds(settings.room, names), min(BATCH, stop - found)
        for _ in islice(collisions, size):
            clouds.append(found, pythia)
        piece = select(clouds.variables(found, pythia.charges))
        kept = next(iter(piece.values())).sizes["event"]
        without = 0 if kept else without + size
        check_without(without, wanted)
        pieces.append(piece)
        found += kept
    return one_after_the_other(pieces)


def check_without(without: int, wanted: str) -> None:
    """Raise :class:`PythiaError` if too many collisions in a row are without what is wanted; it says what to change."""
    if without >= MOST_WITHOUT:
        raise PythiaError(f"{without} collisions in a row have no {wanted} or the process's (PhaseSpace:pTHatMin)")


def one_after_the_other(pieces: Sequence[Mapping[str, xr.Variable]]) -> dict[str, xr.Variable]:
    """Return the variables of all pieces along their events."""
    joined: Any = xr.Variable.concat
    return {name: joined([piece[name] for piece in pieces], "event") for name in pieces[0]}


def _jets(variables: dict[str, xr.Variable], jet: LeadingJetSettings, pythia: PythiaInstance) -> dict[str, xr.Variable]:
    """Return the jets within the range, and the weights of their collisions."""
    momentum, energy, identity, _, present = (variables[name].values for name in PARTICLES)
    jets = leading_jets(
        momentum,
        energy,
        present & pythia.visible(identity),
        radius=jet.radius,
        max_abs_eta=jet.max_abs_eta,
        particles=jet.particles,
    )
    pt = jets["jet_pt"].values
    inside = np.flatnonzero((jet.min_pt <= pt) & (pt < jet.max_pt))
    weights = {name: one for name, one in variables.items() if name not in PARTICLES}
    return {name: one.isel(event=inside) for name, one in (jets | weights).items()}
