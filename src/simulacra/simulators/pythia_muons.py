"""The image of the calorimeter around the hardest muon of each collision as an event, with pile-up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from simulacra.events import variable
from simulacra.observables.jet_images import image_variables
from simulacra.observables.muon_images import calorimeter_images, hardest_muons, pile_up_images
from simulacra.simulators.pythia_jets import PARTICLES, check_without, selected_collisions
from simulacra.simulators.pythia_settings import MuonImageSettings, PythiaSettings

if TYPE_CHECKING:
    from simulacra.simulators.pythia_instance import PythiaInstance


@dataclass(frozen=True)
class PileUp:
    """A library of collisions (:mod:`simulacra.observables.visible_particles`), and what draws from it."""

    library: Mapping[str, np.ndarray]
    rng: np.random.Generator


def muon_images_of_collisions(
    collisions: Iterator[int],
    pythia: PythiaInstance,
    settings: PythiaSettings,
    start: int,
    stop: int,
    *,
    pile_up: PileUp | None,
) -> dict[str, xr.Variable]:
    """Return the variables of events ``start`` to ``stop - 1``, each the image around a collision's hardest muon.

    Parameters
    ----------
    collisions:
        makes a collision in ``pythia`` with each step.
    settings:
        with a ``muon``.
    pile_up:
        what is added to each image, if anything.

    Raises
    ------
    PythiaError
        if too many collisions in a row have no such muon, or no pixel above 0.
    """
    muon = settings.muon
    if muon is None:
        raise ValueError("the settings ask for no image around a muon")
    wanted = (
        f"muon of {muon.min_pt:g} to {muon.max_pt:g} GeV, |eta| < {muon.max_abs_eta:g}, with a pixel of "
        f"{muon.min_pixel:g} GeV or more: change these (muon_image)"
    )
    return selected_collisions(
        _with_muons(collisions, pythia, muon, wanted),
        pythia,
        settings,
        (start, stop),
        lambda found: _images(found, muon, pythia, pile_up),
        wanted,
    )


def _with_muons(
    collisions: Iterator[int], pythia: PythiaInstance, muon: MuonImageSettings, wanted: str
) -> Iterator[int]:
    """Yield the numbers of collisions with a muon: the particles of all others need not be read."""
    without = 0
    for number in collisions:
        if pythia.has_muon(muon.min_pt, muon.max_abs_eta):
            without = 0
            yield number
        else:
            without += 1
            check_without(without, wanted)


def _images(
    variables: dict[str, xr.Variable], muon: MuonImageSettings, pythia: PythiaInstance, pile_up: PileUp | None
) -> dict[str, xr.Variable]:
    """Return the images with a pixel above 0 around muons in range, and the weights of their collisions."""
    momentum, _, identity, _, present = (variables[name].values for name in PARTICLES)
    muons = hardest_muons(
        momentum, identity, present, pt_range=(muon.min_pt, muon.max_pt), max_abs_eta=muon.max_abs_eta
    )
    image = calorimeter_images(
        momentum,
        identity,
        present & pythia.visible(identity),
        muons,
        min_particle=muon.min_particle,
        pixels=muon.pixels,
        pixel_size=muon.pixel_size,
    )
    if pile_up is not None:
        image += pile_up_images(
            pile_up.library,
            muons.eta,
            pile_up.rng,
            mean=muon.pile_up,
            pixels=muon.pixels,
            pixel_size=muon.pixel_size,
        )
    image[image < muon.min_pixel] = 0
    seen = np.flatnonzero(image.any(axis=(1, 2)))
    columns = (("muon_pt", muons.pt, "GeV", "transverse momentum"), ("muon_eta", muons.eta, "1", "pseudorapidity"))
    weights = {name: one for name, one in variables.items() if name not in PARTICLES}
    return {
        "image": image_variables(image[seen].astype(np.float32), muon.pixel_size)["image"],
        **{
            name: variable(
                values[seen].astype(np.float32), units=units, long_name=f"{what} of the muon", role="feature"
            )
            for name, values, units, what in columns
        },
        **{name: one.isel(event=muons.place[seen]) for name, one in weights.items()},
    }
