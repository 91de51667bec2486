"""Lines of stars: the strip of the sky with the largest excess over what is expected there, and its significance.

The Hough transform of Via Machinae (arXiv:2104.12789): each strip has an angle and a distance from the window's centre.
Here its excess is measured against the background's own distribution over the window after the same cut, and the
largest of all strips against the largest in samples of that background, which is what the search over strips costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

#: angles of strips, over half a turn
ANGLES: Final = 24
#: a strip is looked at if so many stars are expected in it, and it is less than half of all
FEWEST: Final = 2.0
SAMPLES: Final = 1000
#: length of a piece of a line in which a cluster would be, in half-widths
PIECE: Final = 4.0
#: samples at once
BLOCK: Final = 100


@dataclass(frozen=True)
class Line:
    """The strip with the largest excess.

    Attributes
    ----------
    angle:
        of the direction across the strip, from phi1 to phi2 [rad], 0 to pi.
    distance:
        of its middle line from the window's centre, along ``angle`` [deg].
    half_width:
        half of its width [deg].
    stars, expected:
        number of stars in it, and the expected one.
    significance:
        square root of twice the binomial log-likelihood ratio of the strip alone.
    p_value:
        probability of as large a significance in any strip, without a line.
    densest:
        share of its stars in the densest piece of it, as long as :data:`PIECE` half-widths and at most a quarter of the
        strip: near 1 for a cluster.
    """

    angle: float
    distance: float
    half_width: float
    stars: int
    expected: float
    significance: float
    p_value: float
    densest: float = 0.0

    def holds(self, positions: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """Return which positions (N, 2) are in the strip, (N,), given the window's centre, (2,)."""
        across = (positions - centre) @ np.array([np.cos(self.angle), np.sin(self.angle)])
        return np.asarray(np.abs(across - self.distance) <= self.half_width)


def find_line(
    stars: np.ndarray,
    background: np.ndarray,
    window: np.ndarray,
    half_width: float,
    rng: np.random.Generator,
) -> Line | None:
    """Return the strip with the largest excess; None if no strip can be looked at.

    Parameters
    ----------
    stars:
        positions of the selected stars, (N, 2) [deg].
    background:
        positions of background stars after the same cut, (M, 2), many more than stars.
    window:
        lowest and highest position, (2, 2).
    half_width:
        half of the width of strips [deg].
    rng:
        for the samples of the background.

    Notes
    -----
    Without a line, selected stars and others are alike: the p-value is the share of divisions of both together, at
    random, in which as many "stars" show as large a significance. Below 1 in 1,000 it is extrapolated by a Gumbel
    distribution of the largest significance.
    """
    from scipy.stats import gumbel_r

    n = len(stars)
    if n < FEWEST or len(background) < FEWEST:
        return None
    centre = window.mean(axis=0)
    angles = np.arange(ANGLES) * np.pi / ANGLES
    reach = float(np.hypot(*(window[1] - window[0]))) / 2
    distances = np.arange(-reach, reach + half_width, half_width)
    across = (np.concatenate([stars, background]) - centre) @ np.stack([np.cos(angles), np.sin(angles)])
    # Whether each is in each strip, (stars and background, angles * distances).
    inside = (np.abs(across[:, :, None] - distances) <= half_width).reshape(len(across), -1)
    share = inside.mean(axis=0)
    looked_at = (share * n >= FEWEST) & (share < 0.5)
    if not looked_at.any():
        return None
    inside = inside[:, looked_at].astype(np.float32)
    whole = inside.sum(axis=0)
    found = _significance(inside[:n].sum(axis=0), whole, n, len(background))
    largest = np.empty(SAMPLES)
    for start in range(0, SAMPLES, BLOCK):
        chosen = np.zeros((min(BLOCK, SAMPLES - start), len(inside)), np.float32)
        for row in chosen:
            row[rng.permutation(len(inside))[:n]] = 1.0
        largest[start : start + len(chosen)] = _significance(chosen @ inside, whole, n, len(background)).max(axis=1)
    best = int(np.argmax(found))
    above = int((largest >= found[best]).sum())
    p_value = (above + 1) / (SAMPLES + 1)
    if above == 0:
        p_value = min(p_value, float(gumbel_r.sf(found[best], *gumbel_r.fit(largest))))
    t, r = np.unravel_index(np.flatnonzero(looked_at)[best], (ANGLES, len(distances)))
    in_strip = float(inside[:n, best].sum())
    along = np.array([-np.sin(angles[t]), np.cos(angles[t])])
    places = (np.concatenate([stars, background]) - centre) @ along
    here = inside[:, best] > 0
    # Of a strip that is short in the window, a piece is a quarter.
    piece = min(PIECE * half_width, float(np.ptp(places[here])) / 4)
    return Line(
        angle=float(angles[t]),
        distance=float(distances[r]),
        half_width=half_width,
        stars=int(in_strip),
        expected=(float(whole[best]) - in_strip) / len(background) * n,
        significance=float(found[best]),
        p_value=p_value,
        densest=_densest(places[:n][here[:n]], piece),
    )


def _densest(places: np.ndarray, length: float) -> float:
    """Return the largest share of places (N,) within a length."""
    places = np.sort(places)
    return float((np.searchsorted(places, places + length, side="right") - np.arange(len(places))).max()) / len(places)


def _significance(counts: np.ndarray, whole: np.ndarray, stars: int, background: int) -> np.ndarray:
    """Return sqrt(2 ln L ratio) of counts of ``stars``, the rest of ``whole`` being those of ``background``.

    It is 0 where there is no excess; half a star is added to the background's counts, which may be 0.
    """
    share = (whole - counts + 0.5) / (background + 1)
    seen = counts / stars
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(counts > 0, counts * np.log(seen / share), 0.0)
        outside = np.where(counts < stars, (stars - counts) * np.log((1 - seen) / (1 - share)), 0.0)
    return np.where(seen > share, np.sqrt(2 * np.maximum(inside + outside, 0.0)), 0.0)
