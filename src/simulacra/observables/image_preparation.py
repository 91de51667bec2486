"""Images of trimmed leading jets, from particles: the preparation of LAGAN's images (arXiv:1701.05927, 1511.05190).

1. Energies are added in towers of about 0.1 x 0.1 in pseudorapidity and azimuth (63 around the circle). A tower is a
   massless particle in its centre: pT = E / cosh(eta).
2. The leading anti-kT jet (R = 1) is trimmed: of its subjets by kT (R = 0.3), those with less than 5 % of its
   transverse momentum are left out.
3. Pixels are centred on the leading subjet. Each holds the transverse momentum of the trimmed jet's towers there.
4. The image is turned, so that the second subjet is below the centre; the principal axis, if there is no second. A
   cubic spline gives values between pixels. Where these are below 1 MeV, negative ones too, they become 0.
5. The image is mirrored if its left half holds more than its right half.

The spline swings below 0 around hard pixels, and nothing holds the sum when this is cut off: it grows by a sixth
(docs/jet_images.md). Without rotation the sum is that of the towers.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np

from simulacra.observables.jet_images import positions
from simulacra.observables.jets import clustered

Rotation = Literal["spline", "none"]
#: pixels below, as a spline leaves them, become 0 [GeV]
SMALLEST_PIXEL: Final = 1e-3
#: number of towers around the circle, of nearly 0.1 each; the circle is closed
AROUND: Final = 63
TOWER: Final = 0.1
MAX_ABS_ETA: Final = 5.0
ALONG: Final = round(2 * MAX_ABS_ETA / TOWER)


class JetImages(NamedTuple):
    """Images (n, rows, columns) [GeV] of some of the events, and what is known of their trimmed jets, (n,) each.

    ``place`` is the place of each among the events. ``distance`` is that of the two leading subjets, 0 for one.
    """

    place: np.ndarray
    image: np.ndarray
    pt: np.ndarray
    eta: np.ndarray
    mass: np.ndarray
    distance: np.ndarray


def leading_jet_images(
    momentum: np.ndarray,
    energy: np.ndarray,
    present: np.ndarray,
    *,
    pt_range: tuple[float, float] = (250.0, 300.0),
    max_abs_eta: float = 2.0,
    radius: float = 1.0,
    subjet_radius: float = 0.3,
    subjet_share: float = 0.05,
    pixels: int = 25,
    pixel_size: float = 0.1,
    rotation: Rotation = "spline",
) -> JetImages:
    """Return the images of those events whose trimmed leading jet has a pT [GeV] and pseudorapidity in range.

    Parameters
    ----------
    momentum, energy, present:
        of particles, (N, P, 3), (N, P), (N, P); [GeV]. Leave out neutrinos in ``present``.
    pt_range, max_abs_eta:
        of the trimmed jet.
    radius, subjet_radius, subjet_share:
        of the jet, of its subjets, and the smallest share of the jet's transverse momentum that a subjet must have.
    pixels, pixel_size:
        number of pixels along an axis, and their size.
    rotation:
        "spline" or "none".

    Raises
    ------
    ImportError
        if fastjet is not installed.
    """
    event, eta, phi, tower_energy = towers(momentum, energy, present)
    vectors = massless(eta, phi, tower_energy)
    number = len(energy)
    _, jet = clustered(vectors, np.bincount(event, minlength=number), radius, pt_range[0])
    kept = _leading(vectors, event, jet)
    event, eta, phi, vectors = event[kept], eta[kept], phi[kept], vectors[kept]
    jets = _sums(vectors, event, number)

    event_of_subjet, subjet = clustered(
        vectors, np.bincount(event, minlength=number), subjet_radius, 0.0, algorithm="kt"
    )
    subjets = _sums(vectors, subjet, len(event_of_subjet))
    subjet_pt = np.hypot(subjets[:, 0], subjets[:, 1])
    hard = subjet_pt >= subjet_share * np.hypot(jets[:, 0], jets[:, 1])[event_of_subjet]
    in_trimmed = hard[subjet]
    event, eta, phi, vectors = event[in_trimmed], eta[in_trimmed], phi[in_trimmed], vectors[in_trimmed]
    trimmed = _sums(vectors, event, number)
    pt = np.hypot(trimmed[:, 0], trimmed[:, 1])
    jet_eta = np.arcsinh(np.divide(trimmed[:, 2], pt, out=np.zeros_like(pt), where=pt > 0))
    taken = (pt >= pt_range[0]) & (pt < pt_range[1]) & (np.abs(jet_eta) < max_abs_eta)
    place = np.flatnonzero(taken)

    # the two leading subjets of each event
    order = np.lexsort((-subjet_pt, event_of_subjet))
    first = np.searchsorted(event_of_subjet[order], place)
    second = np.minimum(first + 1, len(order) - 1)
    has_second = (event_of_subjet[order[second]] == place) & hard[order[second]]
    axes = [_direction(subjets[order[one]]) for one in (first, second)]

    new = np.full(number, -1)
    new[place] = np.arange(len(place))
    event, here = new[event], new[event] >= 0
    event, eta, phi, vectors = event[here], eta[here], phi[here], vectors[here]
    d_eta, d_phi = eta - axes[0][0][event], wrapped(phi - axes[0][1][event])
    image = summed(event, d_phi, d_eta, np.hypot(vectors[:, 0], vectors[:, 1]), (len(place), pixels), pixel_size)
    apart = np.stack([axes[1][0] - axes[0][0], wrapped(axes[1][1] - axes[0][1])], axis=1)
    apart[~has_second] = 0
    if rotation == "spline":
        direction = np.where(has_second[:, None], apart, principal_direction(image, pixel_size))
        image = turned(image, direction)
    image = mirrored(image)
    mass = np.sqrt(np.maximum(trimmed[:, 3] ** 2 - (trimmed[:, :3] ** 2).sum(axis=1), 0))
    known = (image, pt[place], jet_eta[place], mass[place], np.hypot(apart[:, 0], apart[:, 1]))
    return JetImages(place, *(values.astype(np.float32) for values in known))


def towers(
    momentum: np.ndarray, energy: np.ndarray, present: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the event, pseudorapidity, azimuth and energy [GeV] of each tower with energy, event by event."""
    event, particle = np.nonzero(present)
    px, py, pz = momentum[event, particle].T.astype(np.float64)
    pt = np.hypot(px, py)
    eta = np.arcsinh(np.divide(pz, pt, out=np.full_like(pt, np.inf), where=pt > 0))
    seen = np.abs(eta) < MAX_ABS_ETA
    along = np.floor((eta[seen] + MAX_ABS_ETA) / TOWER).astype(int)
    around = np.floor((np.arctan2(py[seen], px[seen]) / (2 * np.pi) + 0.5) * AROUND).astype(int) % AROUND
    cell = (event[seen] * ALONG + along) * AROUND + around
    held = np.bincount(cell, energy[event, particle][seen], minlength=len(energy) * ALONG * AROUND)
    cell = np.flatnonzero(held)
    row, around = np.divmod(cell, AROUND)
    event, along = np.divmod(row, ALONG)
    return (
        event,
        (along + 0.5) * TOWER - MAX_ABS_ETA,
        ((around + 0.5) / AROUND - 0.5) * 2 * np.pi,
        held[cell],
    )


def massless(eta: np.ndarray, phi: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Return px, py, pz, E of massless particles, (n, 4)."""
    pt = energy / np.cosh(eta)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy], axis=1)


def wrapped(angle: np.ndarray) -> np.ndarray:
    """Return angles from -pi to pi."""
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def summed(
    event: np.ndarray, row: np.ndarray, column: np.ndarray, pt: np.ndarray, shape: tuple[int, int], pixel_size: float
) -> np.ndarray:
    """Return images (N, n, n) of the summed transverse momenta; what is outside is left out.

    Parameters
    ----------
    event, row, column, pt:
        the image of each entry, its azimuth and pseudorapidity from the centre, and its transverse momentum, (M,).
    shape:
        number of images, N, and of pixels along an axis, n.
    """
    number, pixels = shape
    image = np.zeros((number, pixels, pixels))
    rows, columns = (np.floor(d / pixel_size + pixels / 2).astype(int) for d in (row, column))
    inside = (rows >= 0) & (rows < pixels) & (columns >= 0) & (columns < pixels)
    np.add.at(image, (event[inside], rows[inside], columns[inside]), pt[inside])
    return image


def turned(images: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return images (N, n, n) turned about their centres by cubic splines, so that ``direction`` points down.

    ``direction`` (N, 2) is along columns and rows. Values below :data:`SMALLEST_PIXEL` become 0.
    """
    from scipy.ndimage import affine_transform, spline_filter1d

    middle = (images.shape[1] - 1) / 2
    coefficients = spline_filter1d(spline_filter1d(images, 3, axis=1, mode="mirror"), 3, axis=2, mode="mirror")
    length = np.hypot(direction[:, 0], direction[:, 1])
    found = np.empty_like(images)
    for i, (column, row) in enumerate(direction):
        # The place (row, column) in the new image comes from along * (-row) + across * column in the old one.
        along = np.array([row, column]) / length[i] if length[i] > 0 else np.array([-1.0, 0.0])
        across = np.array([along[1], -along[0]])
        matrix = np.stack([-along, across], axis=1)
        offset = middle - matrix @ np.array([middle, middle])
        found[i] = affine_transform(coefficients[i], matrix, offset, order=3, mode="constant", prefilter=False)
    found[found < SMALLEST_PIXEL] = 0
    return found


def mirrored(images: np.ndarray) -> np.ndarray:
    """Return images (N, n, n), mirrored where the left half holds more than the right one."""
    half = images.shape[2] // 2
    left, right = images[:, :, :half].sum(axis=(1, 2)), images[:, :, -half:].sum(axis=(1, 2))
    return np.where((left > right)[:, None, None], images[:, :, ::-1], images)


def principal_direction(images: np.ndarray, pixel_size: float) -> np.ndarray:
    """Return the direction of the largest spread about the centre, to the side that holds more, (N, 2)."""
    places = positions(images.shape[1], pixel_size)
    phi, eta = np.meshgrid(places, places, indexing="ij")
    ee, pp, ep = ((images * grid).sum(axis=(1, 2)) for grid in (eta**2, phi**2, eta * phi))
    angle = 0.5 * np.arctan2(2 * ep, ee - pp)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    along = direction[:, 0, None, None] * eta + direction[:, 1, None, None] * phi
    side = np.sign((images * np.sign(np.round(along, 9))).sum(axis=(1, 2)))
    return direction * np.where(side < 0, -1, 1)[:, None]


def _leading(vectors: np.ndarray, event: np.ndarray, jet: np.ndarray) -> np.ndarray:
    """Return the places of the constituents of each event's jet of the highest transverse momentum, event by event."""
    inside = jet >= 0
    count = int(jet.max(initial=-1)) + 1
    sums = _sums(vectors[inside], jet[inside], count)
    event_of_jet = np.zeros(count, dtype=int)
    event_of_jet[jet[inside]] = event[inside]
    order = np.lexsort((-np.hypot(sums[:, 0], sums[:, 1]), event_of_jet))
    _, first = np.unique(event_of_jet[order], return_index=True)
    leading = np.zeros(count + 1, dtype=bool)
    leading[order[first]] = True
    return np.flatnonzero(leading[jet] & inside)


def _sums(vectors: np.ndarray, group: np.ndarray, number: int) -> np.ndarray:
    """Return the sums of vectors (n, 4) in each of ``number`` groups, (number, 4)."""
    return np.stack([np.bincount(group, column, minlength=number) for column in vectors.T], axis=1)


def _direction(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pseudorapidity and azimuth of vectors (n, 4)."""
    px, py, pz, _ = vectors.T
    return np.arcsinh(pz / np.hypot(px, py)), np.arctan2(py, px)
