r"""N-subjettiness of images: how well N axes describe a jet (Thaler and Van Tilburg, arXiv:1011.2268 and 1108.2701).

.. math:: \tau_N = \frac{\sum_i p_{T,i} \min_k \Delta R_{ik}}{\sum_i p_{T,i} R_0}

with beta = 1 and R_0 = 1. The axes begin as those of exclusive kT clustering into N jets without a beam, where each
merged pair takes the direction of its harder member (winner takes all, arXiv:1401.2158). From there one minimisation
follows (one pass): each axis moves to the mean of its pixels with the weights pT / Delta R, which lowers tau.
"""

from __future__ import annotations

from typing import Final

import numpy as np

#: images at a time
BLOCK: Final = 100
#: steps of a minimisation, and the distance below which a pixel counts as on its axis
MOST_STEPS: Final = 100
PRECISION: Final = 1e-4


def tau21(images: np.ndarray, pixel_size: float) -> np.ndarray:
    """Return 2- over 1-subjettiness of images (N, n, n), (N,); 0 for images of a single pixel, or of none."""
    one, two = (subjettiness(images, pixel_size, axes) for axes in (1, 2))
    return np.asarray(np.divide(two, one, out=np.zeros_like(one), where=one > 0))


def subjettiness(images: np.ndarray, pixel_size: float, axes: int) -> np.ndarray:
    """Return the N-subjettiness of images (N, rows, columns) >= 0 for a number of axes, (N,)."""
    images = np.asarray(images, dtype=np.float64)
    found = np.zeros(len(images))
    number = np.count_nonzero(images > 0, axis=(1, 2))
    order = np.argsort(number, kind="stable")  # images of like numbers of pixels together
    for block in np.split(order, range(BLOCK, len(order), BLOCK)):
        if len(block) and number[block[-1]]:
            pt, place = pixels(images[block], pixel_size, int(number[block[-1]]))
            found[block] = _tau(pt, place, *minimised(pt, place, winner_axes(pt, place, axes)))
    return found


def pixels(images: np.ndarray, pixel_size: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``most`` hardest pixels: their transverse momenta (N, P), falling, and places (N, P, 2)."""
    rows, columns = images.shape[1:]
    flat = images.reshape(len(images), -1)
    hardest = np.argsort(-flat, axis=1, kind="stable")[:, :most]
    row, column = np.divmod(hardest, columns)
    place = np.stack([row - (rows - 1) / 2, column - (columns - 1) / 2], axis=2) * pixel_size
    return np.take_along_axis(flat, hardest, axis=1), place


def winner_axes(pt: np.ndarray, place: np.ndarray, axes: int) -> np.ndarray:
    """Return the directions of the last ``axes`` clusters, (N, axes, 2), of pixels (N, P) at (N, P, 2).

    The pair with the smallest min(pT)^2 Delta R^2 is merged again and again. A cluster is thus one of the pixels: it
    takes the transverse momentum of the softer ones. If there are fewer pixels than axes, the hardest is repeated.
    """
    n, most = pt.shape
    pt, every = pt.copy(), np.arange(n)
    row, column = place[..., 0], place[..., 1]
    separation = (row[:, :, None] - row[:, None]) ** 2 + (column[:, :, None] - column[:, None]) ** 2
    alive = pt > 0
    # For each cluster, the nearest harder one; ties are broken by the place in the list.
    nearest = np.zeros((n, most), dtype=int)
    distance = np.full((n, most), np.inf)
    ranks = np.arange(most)

    def renew(event: np.ndarray, cluster: np.ndarray) -> None:
        mine = pt[event, cluster][:, None]
        harder = (pt[event] > mine) | ((pt[event] == mine) & (ranks < cluster[:, None]))
        apart = np.where(harder & alive[event], separation[event, cluster], np.inf)
        at = apart.argmin(axis=1)
        nearest[event, cluster] = at
        least = apart[np.arange(len(event)), at]
        merges = alive[event, cluster] & np.isfinite(least)
        distance[event, cluster] = np.where(merges, mine[:, 0] ** 2 * np.where(merges, least, 0), np.inf)

    for place_in_list in ranks:
        renew(every, np.full(n, place_in_list))
    left = alive.sum(axis=1)
    while (busy := np.flatnonzero(left > axes)).size:
        softer = np.asarray(distance[busy].argmin(axis=1))
        harder = nearest[busy, softer]
        pt[busy, harder] += pt[busy, softer]
        alive[busy, softer] = False
        distance[busy, softer] = np.inf
        left[busy] -= 1
        # The grown cluster may be the nearest harder one of those that were harder before.
        mine, theirs = pt[busy, harder][:, None], pt[busy]
        passed = alive[busy] & ((theirs < mine) | ((theirs == mine) & (ranks > harder[:, None])))
        apart = np.where(passed, theirs**2 * separation[busy, harder], np.inf)
        closer = apart < distance[busy]
        nearest[busy] = np.where(closer, harder[:, None], nearest[busy])
        distance[busy] = np.where(closer, apart, distance[busy])
        stale = alive[busy] & (nearest[busy] == softer[:, None]) & np.isfinite(distance[busy])
        stale[np.arange(len(busy)), harder] = True
        event, cluster = np.nonzero(stale)
        renew(busy[event], cluster)
    order = np.argsort(np.where(alive, -pt, np.inf), axis=1, kind="stable")[:, :axes]
    order = np.where(np.arange(axes) < left[:, None], np.pad(order, ((0, 0), (0, axes - order.shape[1]))), order[:, :1])
    return np.take_along_axis(place, order[..., None], axis=1)


def minimised(pt: np.ndarray, place: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return axes (N, K, 2) after the minimisation, and the axes before: what is better of both counts."""
    start, rest = axes, np.arange(len(pt))
    axes = axes.copy()
    for _ in range(MOST_STEPS):
        if not len(rest):
            break
        distance = _distances(place[rest], axes[rest])
        own = distance.argmin(axis=2)[..., None] == np.arange(axes.shape[1])
        weight = np.where(own, pt[rest][..., None] / np.sqrt(distance**2 + PRECISION**2), 0)
        total = weight.sum(axis=1)[..., None]
        moved = np.einsum("npk,npd->nkd", weight, place[rest]) / np.where(total > 0, total, 1)
        moved = np.where(total > 0, moved, axes[rest])
        change = np.abs(moved - axes[rest]).max(axis=(1, 2))
        axes[rest] = moved
        rest = rest[change > PRECISION]
    return start, axes


def _tau(pt: np.ndarray, place: np.ndarray, *axes: np.ndarray) -> np.ndarray:
    """Return the lowest subjettiness of several choices of axes, (N,)."""
    total = np.where(pt.any(axis=1), pt.sum(axis=1), 1)
    found = [(pt * _distances(place, one).min(axis=2)).sum(axis=1) / total for one in axes]
    return np.asarray(np.minimum.reduce(found))


def _distances(place: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return the distance of each pixel (N, P, 2) from each axis (N, K, 2), (N, P, K)."""
    apart = place[:, :, None] - axes[:, None]
    return np.asarray(np.hypot(apart[..., 0], apart[..., 1]))
