"""The image of the trimmed leading jet of each collision as an event, of those collisions that have one in range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from simulacra.events import variable
from simulacra.observables.image_preparation import leading_jet_images
from simulacra.observables.jet_images import image_variables
from simulacra.simulators.pythia_jets import PARTICLES, selected_collisions
from simulacra.simulators.pythia_settings import JetImageSettings, MuonImageSettings, PythiaSettings

if TYPE_CHECKING:
    from simulacra.simulators.pythia_instance import PythiaInstance


def images_of_collisions(
    collisions: Iterator[int], pythia: PythiaInstance, settings: PythiaSettings, start: int, stop: int
) -> dict[str, xr.Variable]:
    """Return the variables of events ``start`` to ``stop - 1``, each the image of a collision's leading jet.

    Parameters
    ----------
    collisions:
        makes a collision in ``pythia`` with each step.
    settings:
        with an ``image``.

    Raises
    ------
    PythiaError
        if too many collisions in a row have no such jet.
    """
    image = settings.image
    if image is None:
        raise ValueError("the settings ask for no image")
    return selected_collisions(
        collisions,
        pythia,
        settings,
        (start, stop),
        lambda found: _images(found, image, pythia),
        f"leading jet of {image.min_pt:g} to {image.max_pt:g} GeV after trimming: change this range (jet_image)",
    )


def positions_of(image: JetImageSettings | MuonImageSettings) -> dict[str, xr.Variable]:
    """Return the positions of the pixels of all images, by the names of the two coordinates."""
    found = image_variables(np.zeros((0, image.pixels, image.pixels)), image.pixel_size)
    return {name: one for name, one in found.items() if "event" not in one.dims}


def _images(
    variables: dict[str, xr.Variable], image: JetImageSettings, pythia: PythiaInstance
) -> dict[str, xr.Variable]:
    """Return the images of jets within the range, and the weights of their collisions."""
    momentum, energy, identity, _, present = (variables[name].values for name in PARTICLES)
    made = leading_jet_images(
        momentum,
        energy,
        present & pythia.visible(identity),
        pt_range=(image.min_pt, image.max_pt),
        max_abs_eta=image.max_abs_eta,
        radius=image.radius,
        subjet_radius=image.subjet_radius,
        subjet_share=image.subjet_share,
        pixels=image.pixels,
        pixel_size=image.pixel_size,
        rotation=image.rotation,
    )
    columns = (
        ("jet_pt", made.pt, "GeV", "transverse momentum of the trimmed jet"),
        ("jet_eta", made.eta, "1", "pseudorapidity of the trimmed jet"),
        ("jet_mass", made.mass, "GeV", "mass of the trimmed jet"),
        ("subjet_distance", made.distance, "1", "distance of the two leading subjets, 0 if there is one"),
    )
    weights = {name: one.isel(event=made.place) for name, one in variables.items() if name not in PARTICLES}
    return {
        "image": image_variables(made.image, image.pixel_size)["image"],
        **{
            name: variable(values, units=units, long_name=long_name, role="feature")
            for name, values, units, long_name in columns
        },
        **weights,
    }
