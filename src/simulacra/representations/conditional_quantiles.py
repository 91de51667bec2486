"""Non-negative values as normal scores, by quantiles that depend on a coordinate; exact zeros stay exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

#: logit of the normal distribution function is a z + b z^3 to 1.4e-4 (Page, Applied Statistics 26 (1977) 75)
LINEAR: Final = 1.5976
CUBIC: Final = 0.07056
#: the logits of the stored quantiles; beyond them the logarithm of a value is linear in the logit
LOWEST: Final = -6.0
HIGHEST: Final = 6.0
NODES: Final = 37
SPACING: Final = (HIGHEST - LOWEST) / (NODES - 1)
#: logit of the probability of what did not occur in training
NEVER: Final = 30.0
#: quantiles rise by at least this share of their spread from node to node, so that they can be inverted
LEAST_RISE: Final = 1e-3
FEWEST: Final = 64
LEAST_UNIFORM: Final = 1e-6
#: nodes beyond which a value no longer changes, so that the exponential does not overflow
FURTHEST: Final = 6 * NODES
SLICE: Final = 256
#: hits whose quantiles are in memory at once
AT_ONCE: Final = 2**17


def logit_of_score(score: Tensor) -> Tensor:
    """Return the logit of the distribution function at (nearly) standard normal scores."""
    return score * (LINEAR + CUBIC * score.square())


def score_of_logit(logit: Tensor) -> Tensor:
    """Return the (nearly) standard normal score of a logit: the real root of Page's cubic."""
    root = math.sqrt(LINEAR / (3 * CUBIC))
    return 2 * root * torch.sinh(torch.asinh(logit * (1.5 / (LINEAR * root))) / 3)


def hit_logit(excess: Tensor, threshold: Tensor) -> Tensor:
    """Return the logit s of a value above 0 from its excess g - g0 and the threshold g0."""
    tiny = torch.finfo(excess.dtype).tiny
    return threshold + excess + torch.log(-torch.expm1(-excess.clamp(min=tiny))) - functional.softplus(threshold)


def hit_score(inner: Tensor, threshold: Tensor) -> Tensor:
    """Return the score of a value above 0 from its logit s and the threshold g0."""
    logit = torch.logaddexp(inner + functional.softplus(threshold), threshold)
    # A hit at the very bottom of its distribution must not be rounded to an empty cell.
    return score_of_logit(logit.maximum(threshold + 64 * torch.finfo(inner.dtype).eps * (1 + threshold.abs())))


def open_uniform(like: Tensor, rng: torch.Generator | None) -> Tensor:
    """Return numbers in (0, 1) like a tensor, never 0 or 1, where a score would be infinite; 1/2 without ``rng``."""
    if rng is None:
        return torch.full_like(like, 0.5)
    return torch.rand(like.shape, generator=rng).clamp(LEAST_UNIFORM, 1.0 - LEAST_UNIFORM).to(like)


class ConditionalQuantiles(nn.Module):
    """An invertible map between non-negative values (N, D) and scores (N, D), each nearly standard normal.

    A value is 0 with the probability p0; otherwise it follows the quantiles q. Both depend on a coordinate of the event
    (such as the logarithm of an energy) and are interpolated linearly between its ``knots``. With g the logit of the
    score's distribution function, the value is 0 if g does not exceed g0 = logit(p0), and otherwise

        log y = q(s),   s = logit((p - p0) / (1 - p0)) = log(exp(g) - exp(g0)) - softplus(g0).

    The score of a 0 is drawn below g0 (dequantisation), so scores have a density. The inverse is exact for hits and
    zeros, except for rounding if a hit is so far in its lower tail that exp(g) is nearly exp(g0). A mixture of a point
    mass and a density has no single Jacobian, so none is provided.

    Only the dependence between scores remains to be learned: a standard normal distribution already has every marginal
    distribution right.

    Parameters
    ----------
    groups:
        the number of the coordinate for each value, (D,) integers.
    knots:
        number of knots of each coordinate.
    """

    groups: Tensor
    places: Tensor
    empty: Tensor
    quantiles: Tensor

    def __init__(self, groups: Tensor, knots: int = 16) -> None:
        super().__init__()
        if knots < 2:
            raise ValueError(f"quantiles need at least 2 knots, not {knots}")
        size, coordinates = len(groups), int(groups.max()) + 1
        self.knots = knots
        self.register_buffer("groups", groups)
        self.register_buffer("places", torch.linspace(0, 1, knots).repeat(coordinates, 1))
        self.register_buffer("empty", torch.zeros(knots, size))
        self.register_buffer("quantiles", torch.linspace(-3, 3, NODES).repeat(knots, size, 1))

    def fit(self, values: Tensor, coordinates: Tensor) -> None:
        """Fit to non-negative values (N, D) and coordinates (N, G); events without a finite coordinate are left out.

        Raises
        ------
        ValueError
            if no coordinate has ``FEWEST`` events with different values.
        """
        most = 0
        for group in range(coordinates.shape[1]):
            column = coordinates[:, group].double().numpy()
            order = np.argsort(column, kind="stable")
            order = order[np.isfinite(column[order])]
            varies = len(order) > 0 and column[order[0]] < column[order[-1]]
            most = max(most, len(order) if varies else 0)
            if not varies:
                # A section that is never lit, or by one event: it has no trend, and stays as it is.
                continue
            members = torch.nonzero(self.groups == group).flatten()
            sorted_values = values[torch.from_numpy(order)][:, members].double().numpy()
            self._fit_group(group, members, column[order], sorted_values)
        if most < FEWEST:
            raise ValueError(
                f"no coordinate of the quantiles has more than {most} finite values that vary: give at least {FEWEST} "
                "training events over a range of conditions"
            )

    def _fit_group(self, group: int, members: Tensor, column: np.ndarray, values: np.ndarray) -> None:
        n = len(column)
        hits = (values > 0).sum(axis=0)
        windows, places = self._knots_of(column)
        self.places[group] = torch.from_numpy(places)
        for k, (low, high) in enumerate(windows):
            for d, member in enumerate(members.tolist()):
                seen = values[low:high, d]
                hit = int((seen > 0).sum())
                share = math.log((len(seen) - hit + 0.5) / (hit + 0.5))
                # What never happened at any coordinate is not made to happen by the half event of a window.
                self.empty[k, member] = -NEVER if hits[d] == n else NEVER if hits[d] == 0 else share
                a, b = low, high
                while (values[a:b, d] > 0).sum() < min(FEWEST, hits[d]) and b - a < n:
                    a, b = _with_ties(column, max(0, a - (high - low)), min(n, b + (high - low)))
                chosen = values[a:b, d]
                self.quantiles[k, member] = torch.from_numpy(_log_quantiles(chosen[chosen > 0]))

    def _knots_of(self, column: np.ndarray) -> tuple[list[tuple[int, int]], np.ndarray]:
        """Return the ranks of sorted coordinates (n,) for the fit of each knot, and the knots' positions.

        A coordinate with at most as many different values as knots, such as a few discrete energies, has a knot at each
        value. The quantiles there are those of the events with this value only.
        """
        values, first, counts = np.unique(column, return_index=True, return_counts=True)
        if len(values) <= self.knots and counts.min() >= FEWEST:
            windows = [(int(a), int(a + n)) for a, n in zip(first, counts, strict=True)]
            beyond = self.knots - len(values)
            places = np.concatenate([values, values[-1] + np.arange(1, beyond + 1)])
            return windows + windows[-1:] * beyond, places
        windows = [_with_ties(column, *_window(k, self.knots, len(column))) for k in range(self.knots)]
        means = np.maximum.accumulate([column[low:high].mean() for low, high in windows])
        # Apart by more than single precision's rounding, or the place between two knots would be 0 / 0.
        least = 1e-6 * max(1.0, float(np.abs(means).max()))
        return windows, means + least * np.arange(self.knots)

    def forward(self, values: Tensor, coordinates: Tensor, uniform: Tensor) -> Tensor:
        """Map values (N, D) to scores (N, D); ``uniform`` (N, D) in (0, 1) sets the scores of zeros."""
        return self.dequantise(self.scores(values, coordinates), self.thresholds(coordinates), uniform)

    def thresholds(self, coordinates: Tensor) -> Tensor:
        """Return g0, the logit of the probability of 0, (N, D)."""
        return self._lerp(self.empty, *self._between(coordinates))

    def scores(self, values: Tensor, coordinates: Tensor) -> Tensor:
        """Return the scores of values (N, D), minus infinity for 0."""
        return self._of_hits(values, coordinates, hit_score)

    def hit_logits(self, values: Tensor, coordinates: Tensor) -> Tensor:
        """Return the logits s of values (N, D) among those above 0 at their coordinates, minus infinity for 0."""
        return self._of_hits(values, coordinates, lambda inner, _: inner)

    def _of_hits(self, values: Tensor, coordinates: Tensor, wanted: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return what is ``wanted`` of the logits s and the thresholds of values above 0, minus infinity for 0."""
        found = torch.full_like(values, -torch.inf)
        slices = zip(values.split(SLICE), coordinates.split(SLICE), found.split(SLICE), strict=True)
        for value, coordinate, score in slices:
            knots, weights = self._between(coordinate)
            # Most cells of a fine calorimeter are empty.
            places = zip(*(place.split(AT_ONCE) for place in torch.nonzero(value, as_tuple=True)), strict=True)
            for rows, columns in places:
                knot, weight = knots[rows, columns], weights[rows, columns]
                held = torch.lerp(self.quantiles[knot, columns], self.quantiles[knot + 1, columns], weight[:, None])
                logarithm = value[rows, columns].log()[:, None]
                node = (torch.searchsorted(held, logarithm) - 1).clamp(0, NODES - 2)
                low, high = held.gather(1, node), held.gather(1, node + 1)
                inner = LOWEST + SPACING * (node + (logarithm - low) / (high - low)).squeeze(1)
                empty = torch.lerp(self.empty[knot, columns], self.empty[knot + 1, columns], weight)
                score[rows, columns] = wanted(inner, empty)
        return found

    @staticmethod
    def dequantise(scores: Tensor, thresholds: Tensor, uniform: Tensor) -> Tensor:
        """Draw the scores of zeros (minus infinity in ``scores``) below their thresholds."""
        # p = uniform p0; the logit of a product, without leaving the logarithms.
        log_p = uniform.log() + functional.logsigmoid(thresholds)
        return torch.where(torch.isinf(scores), score_of_logit(log_p - torch.log(-torch.expm1(log_p))), scores)

    def excess(self, scores: Tensor, coordinates: Tensor) -> Tensor:
        """Return g - g0, (N, D): above 0 for hits."""
        return logit_of_score(scores) - self.thresholds(coordinates)

    def values(self, excess: Tensor, coordinates: Tensor) -> Tensor:
        """Return the values (N, D) of an excess g - g0 above 0; meaningless elsewhere."""
        return self.values_of_logits(hit_logit(excess, self.thresholds(coordinates)), coordinates)

    def values_of_logits(self, inner: Tensor, coordinates: Tensor) -> Tensor:
        """Return the values (N, D) of logits s, (N, D), among those above 0."""
        knot, weight = self._between(coordinates)
        place = ((inner - LOWEST) / SPACING).clamp(-FURTHEST, FURTHEST)
        node = place.floor().clamp(0, NODES - 2)
        index = (knot * len(self.groups) + torch.arange(len(self.groups), device=knot.device)) * NODES + node.long()
        flat, row = self.quantiles.flatten(), len(self.groups) * NODES
        low = torch.lerp(flat[index], flat[index + row], weight)
        high = torch.lerp(flat[index + 1], flat[index + row + 1], weight)
        return torch.lerp(low, high, place - node).exp()

    def inverse(self, scores: Tensor, coordinates: Tensor) -> Tensor:
        """Map scores (N, D) and coordinates (N, G) to values (N, D)."""
        excess = self.excess(scores, coordinates)
        return torch.where(excess > 0, self.values(excess, coordinates), 0.0)

    def _between(self, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """Return the knot below each value's coordinate and the weight of the one above, (N, D) each."""
        knot = (coordinates[..., None] > self.places[:, 1:-1]).sum(dim=2)
        low = self.places.expand(coordinates.shape[0], -1, -1).gather(2, knot[..., None]).squeeze(2)
        high = self.places.expand(coordinates.shape[0], -1, -1).gather(2, knot[..., None] + 1).squeeze(2)
        weight = ((coordinates - low) / (high - low)).clamp(0.0, 1.0)
        return knot[:, self.groups], weight[:, self.groups]

    def _lerp(self, table: Tensor, knot: Tensor, weight: Tensor) -> Tensor:
        member = torch.arange(len(self.groups), device=knot.device)
        weight = weight.reshape(*weight.shape, *(1,) * (table.dim() - 2))
        return torch.lerp(table[knot, member], table[knot + 1, member], weight)


def _window(knot: int, knots: int, n: int) -> tuple[int, int]:
    """Return the range of ranks, of n, for the fit of a knot: narrower at the ends, where it would be asymmetric."""
    middle = round(knot / (knots - 1) * (n - 1))
    widest, narrowest = 0.75 * n / knots, max(0.2 * n / knots, FEWEST / 2)
    half = round(max(narrowest, min(widest, middle, n - 1 - middle)))
    return max(0, middle - half), min(n, middle + half + 1)


def _with_ties(column: np.ndarray, low: int, high: int) -> tuple[int, int]:
    """Return the range of ranks widened to whole groups of equal coordinates, to keep mirror images together."""
    first, last = column[low], column[high - 1]
    return int(np.searchsorted(column, first, "left")), int(np.searchsorted(column, last, "right"))


def _log_quantiles(values: np.ndarray) -> np.ndarray:
    """Return the logarithms of quantiles at the nodes' logits, rising, extrapolated linearly at the ends."""
    nodes = np.linspace(LOWEST, HIGHEST, NODES)
    if len(values) < 2:
        # Never or once hit in training: of a hit's size, if the generator lights it.
        middle = float(np.log(values).mean()) if len(values) else -12.0
        return middle + 0.2 * nodes
    logarithms = np.sort(np.log(values))
    share = (np.arange(len(values)) + 0.5) / len(values)
    at = np.log(share) - np.log1p(-share)
    found = np.interp(nodes, at, logarithms)
    step = max(1, len(values) // 16)
    for end, inner, outside in ((0, step, nodes < at[0]), (-1, -1 - step, nodes > at[-1])):
        slope = (logarithms[inner] - logarithms[end]) / (at[inner] - at[end])
        found = np.where(outside, logarithms[end] + slope * (nodes - at[end]), found)
    rise = max(LEAST_RISE * float(logarithms.std()), 1e-6) * np.arange(NODES)
    return np.asarray(np.maximum.accumulate(found) + rise - rise.mean())
