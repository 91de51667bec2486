r"""Images of jets, and of calorimeters around muons: their variables, and observables computed from the pixels.

An image is ``image`` (event, row, column), the transverse momentum in each pixel [GeV]. The coordinates ``row``
(azimuth) and ``column`` (pseudorapidity) are the centres of the pixels, relative to the centre of the image; the
attribute ``pixel_size`` is their distance. Each pixel counts as a massless particle in its centre (arXiv:1701.05927):

=====================================  ======================================================================
``image_pt``                           transverse momentum of the sum over the pixels [GeV]
``image_mass``                         its mass [GeV]
``image_tau21``                        2- over 1-subjettiness (:mod:`simulacra.observables.subjettiness`)
``image_pixels``                       number of pixels above 0
``image_pixel_1``, ``_2``, ``_3``      transverse momenta of the hardest pixels [GeV]
``image_dispersion``                   :math:`\sqrt{\sum p_T^2} / \sum p_T`
``image_width``                        :math:`\sum p_T \Delta R / \sum p_T`, with the distance from the axis
``image_centre_row``, ``_column``      mean position, weighted by :math:`p_T`
``image_width_row``, ``_column``       standard deviation of the position, weighted by :math:`p_T`
``image_tilt``                         covariance of row and column over the product of their standard deviations
``image_cone_1`` to ``_4``             muons only: sum over the pixels less than 0.1 to 0.4 from the muon [GeV]
=====================================  ======================================================================

An image without energy has 0 for each. Images around muons have no ``image_tau21``, for there are no subjets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr

from simulacra.conditions import Condition
from simulacra.events import variable
from simulacra.observables.subjettiness import tau21

IMAGE: Final = "image"
#: the attribute of events with the distance between the centres of two pixels
PIXEL_SIZE: Final = "pixel_size"
#: what the images are of: the attribute, and its values
IMAGE_OF: Final = "image_of"
MUONS: Final = "muons"
#: radii of the cones around a muon, in tenths
CONES: Final = (1, 2, 3, 4)
_HARDEST: Final = {1: "hardest", 2: "second hardest", 3: "third hardest"}
SIGNAL: Final = Condition(
    "1", "whether the event is of the signal or of the background", kind="choice", choices=("background", "signal")
)


def image_variables(images: np.ndarray, pixel_size: float) -> dict[str, xr.Variable]:
    """Return images (N, n, n) [GeV] as a variable, and the positions of their pixels as two coordinates."""
    places = positions(images.shape[1], pixel_size)
    return {
        IMAGE: variable(
            images, "row", "column", units="GeV", long_name="transverse momentum in each pixel", role="feature"
        ),
        "row": xr.Variable("row", places, {"units": "rad", "long_name": "azimuth from the centre of the image"}),
        "column": xr.Variable(
            "column", places, {"units": "1", "long_name": "pseudorapidity from the centre of the image"}
        ),
    }


def signal_variable(signal: np.ndarray) -> xr.Variable:
    """Return whether each event is of the signal (1) or of the background (0), (N,)."""
    return variable(
        np.asarray(signal, dtype=np.int32),
        units=SIGNAL.units,
        long_name=SIGNAL.long_name,
        role="condition",
        **SIGNAL.attributes,
    )


def positions(n: int, pixel_size: float) -> np.ndarray:
    """Return the centres of ``n`` pixels along an axis, relative to the centre of the image, (n,)."""
    return (np.arange(n) - (n - 1) / 2) * pixel_size


def is_image(events: xr.Dataset) -> bool:
    """Return whether events are images of jets or muons."""
    return bool(events.attrs.get(PIXEL_SIZE)) and IMAGE in events and events[IMAGE].dims == ("event", "row", "column")


def image_observables(events: xr.Dataset) -> xr.Dataset:
    """Return the observables of images, each (event,), with units and long names."""
    found = image_observables_of(
        events[IMAGE].values, float(events.attrs[PIXEL_SIZE]), muons=events.attrs.get(IMAGE_OF) == MUONS
    )
    return xr.Dataset(
        {
            name: variable(values, units=units, long_name=long_name, role="feature")
            for name, values in found.items()
            for units, long_name in (_DESCRIPTIONS[name],)
        },
        coords={"event": events["event"]} if "event" in events.coords else None,
    )


def image_observables_of(images: np.ndarray, pixel_size: float, *, muons: bool = False) -> dict[str, np.ndarray]:
    """Return all observables of images (N, n, n) [GeV] of jets or around muons, (N,) each, by the names above."""
    pt, mass = pt_and_mass(images, pixel_size)
    return {
        "image_pt": pt,
        "image_mass": mass,
        **(cones_of(images, pixel_size) if muons else {"image_tau21": tau21(images, pixel_size)}),
        "image_pixels": np.count_nonzero(images > 0, axis=(1, 2)).astype(np.float64),
        **shapes_of(images, pixel_size),
    }


def pt_and_mass(images: np.ndarray, pixel_size: float) -> tuple[np.ndarray, np.ndarray]:
    """Return transverse momentum and mass of the sum over the pixels of images (N, n, n), both (N,) [GeV]."""
    places = positions(images.shape[1], pixel_size)
    row, column = images.sum(axis=2, dtype=np.float64), images.sum(axis=1, dtype=np.float64)
    px, py = row @ np.cos(places), row @ np.sin(places)
    pz, energy = column @ np.sinh(places), column @ np.cosh(places)
    pt_squared = px**2 + py**2
    return np.sqrt(pt_squared), np.sqrt(np.maximum(energy**2 - pz**2 - pt_squared, 0))


def cones_of(images: np.ndarray, pixel_size: float) -> dict[str, np.ndarray]:
    """Return the transverse momenta [GeV] in cones around the centre of images (N, n, n), as isolation sums them."""
    places = positions(images.shape[1], pixel_size)
    distance = np.hypot(*np.meshgrid(places, places, indexing="ij"))
    return {f"image_cone_{tenths}": images[:, distance < tenths / 10].sum(axis=1, dtype=np.float64) for tenths in CONES}


def shapes_of(images: np.ndarray, pixel_size: float) -> dict[str, np.ndarray]:
    """Return the observables from ``image_pixel_1`` to ``image_tilt`` in the table above, (N,) each."""
    images = np.asarray(images, dtype=np.float64)
    n = images.shape[1]
    flat = images.reshape(len(images), -1)
    total = flat.sum(axis=1)
    share = flat / np.where(total > 0, total, 1)[:, None]
    places = positions(n, pixel_size)
    phi, eta = (grid.reshape(-1) for grid in np.meshgrid(places, places, indexing="ij"))
    row, column = share @ phi, share @ eta
    variances = np.maximum(share @ phi**2 - row**2, 0), np.maximum(share @ eta**2 - column**2, 0)
    spread = np.sqrt(variances[0] * variances[1])
    covariance = share @ (phi * eta) - row * column
    distance = np.hypot(phi - row[:, None], eta - column[:, None])
    hardest = -np.sort(-np.partition(flat, flat.shape[1] - 3, axis=1)[:, -3:], axis=1)
    return {
        **{f"image_pixel_{i + 1}": hardest[:, i] for i in range(3)},
        "image_dispersion": np.sqrt((share**2).sum(axis=1)),
        "image_width": (share * distance).sum(axis=1),
        "image_centre_row": row,
        "image_centre_column": column,
        "image_width_row": np.sqrt(variances[0]),
        "image_width_column": np.sqrt(variances[1]),
        "image_tilt": np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 1e-9),
    }


_DESCRIPTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "image_pt": ("GeV", "transverse momentum of the image"),
    "image_mass": ("GeV", "mass of the image"),
    **{f"image_cone_{tenths}": ("GeV", f"transverse momentum less than 0.{tenths} from the muon") for tenths in CONES},
    "image_tau21": ("1", "2- over 1-subjettiness of the image"),
    "image_pixels": ("1", "number of pixels above 0"),
    **{f"image_pixel_{i}": ("GeV", f"transverse momentum of the {n} pixel") for i, n in _HARDEST.items()},
    "image_dispersion": ("1", "root of the summed squares of the pixels over their sum"),
    "image_width": ("1", "mean distance from the axis, weighted by transverse momentum"),
    "image_centre_row": ("rad", "mean azimuth, weighted by transverse momentum"),
    "image_centre_column": ("1", "mean pseudorapidity, weighted by transverse momentum"),
    "image_width_row": ("rad", "standard deviation of azimuth, weighted by transverse momentum"),
    "image_width_column": ("1", "standard deviation of pseudorapidity, weighted by transverse momentum"),
    "image_tilt": ("1", "correlation of azimuth and pseudorapidity, weighted by transverse momentum"),
}
