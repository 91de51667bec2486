r"""The map over the box of a network's parameters, from events drawn over the box: one fit of a polynomial.

With c(theta) a polynomial and events x_i drawn at theta_i, the sum over events of
:math:`\log r(x_i|c(\theta_i)) - \log Z(c(\theta_i))`, Z the mean of r over the reference, is greatest where the
network's best fit at every theta stands at c(theta) (:mod:`simulacra.fits.parameter_map`). All events serve the few
coefficients at once, so that the map is known far better than from fits of single runs. The classifier's loss has
another optimum, and a map of its own: there each reference event is paired with parameters of drawn events, as in
training.

Newton steps use the networks' own derivatives, event by event. The coefficients' covariance is the sandwich, from each
drawn event's score and from the reference's in blocks. A plane is fitted first; from there the total degree is taken
whose Takeuchi information criterion (loss plus trace of inverse curvature times scores' covariance) is expected to be
least.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor

from simulacra.fits.derivatives import BATCH
from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.errors import FitError
from simulacra.fits.log_normalisation import LogNormalisation
from simulacra.fits.log_ratio import LogRatio, parameter_space
from simulacra.fits.objective import Method
from simulacra.fits.parameter_map import ParameterMap, map_terms
from simulacra.fits.polynomials import powers_up_to
from simulacra.fits.tilting import sigmoid

HIGHEST_DEGREE: Final = 5
#: drawn events that a coefficient must rest on
EVENTS_A_COEFFICIENT: Final = 100
STEPS: Final = 8
CLOSE: Final = 1e-4
"""Squared length of a step in standard deviations of the coefficients at which it is the last."""
PAIRS: Final = 4
"""Parameters that each reference event is paired with in the classifier's loss."""
FARTHEST: Final = 0.5
"""Largest step of a coefficient, in half widths of the box, that is taken at once."""

UNSOLVABLE: Final = 1e30
"""Information criterion of a degree whose coefficients the events do not determine."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Drawn:
    """Events drawn over the box.

    Attributes
    ----------
    events:
        embedded, (N, L).
    theta:
        their parameters, (N, P), in their units.
    """

    events: EmbeddedEvents
    theta: np.ndarray


def fit_parameter_map(
    members: Sequence[LogRatio],
    drawn: Drawn,
    reference: EmbeddedEvents,
    *,
    method: Method = "likelihood_ratio",
    highest_degree: int = HIGHEST_DEGREE,
    made_from: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ParameterMap:
    """Return the map of an ensemble's mean log ratio over its trained box.

    Parameters
    ----------
    members:
        the ensemble; they must take a theta for each event, (N, P).
    drawn:
        events at parameters drawn over the box, which no member was trained on.
    reference:
        events at the ensemble's theta_0, likewise unseen.
    method:
        the objective whose optimum is mapped.
    highest_degree:
        largest total degree that is tried, where there are events enough for it.
    made_from:
        what identifies the samples, for the record.
    seed:
        of the parameters that reference events are paired with.
    progress:
        called with a sentence and the share that is done.

    Raises
    ------
    ValueError
        if the parameters' shape does not fit, or some lie outside the box.
    FitError
        if there are too few events, or no optimum is found.
    """
    space = parameter_space(members)
    names, low, high = space.names, space.low, space.high
    half = (high - low) / 2
    theta = np.asarray(drawn.theta, dtype=np.float64)
    if theta.shape != (len(drawn.events), len(names)):
        raise ValueError(f"parameters of drawn events have the shape {theta.shape}, not ({len(drawn.events)}, P)")
    x = (theta - low) / half - 1.0
    if np.abs(x).max() > 1 + 1e-5:
        event, column = np.unravel_index(np.abs(x).argmax(), x.shape)
        raise ValueError(
            f"drawn event {event} has {names[column]} = {theta[event, column]:g}, outside the trained box, "
            f"{low[column]:g} to {high[column]:g}"
        )
    powers = powers_up_to(_degree_for(drawn.events.effective_size, len(names), highest_degree), len(names))[1:]
    tell = progress or (lambda _step, _share: None)
    terms = map_terms(torch.from_numpy(theta), low, high, space.reference, powers).numpy()
    pieces: _Pieces = (
        _LikelihoodPieces(members, drawn.events, theta, terms, reference, low, high, tell)
        if method == "likelihood_ratio"
        else _LossPieces(members, drawn.events, theta, terms, reference, seed)
    )
    highest = int(powers.sum(axis=1).max())
    flat = _Solution(pieces, powers, half, None, 1, tell)
    criteria = {degree: flat.criterion(degree) for degree in range(1, highest + 1)}
    best = min(criteria, key=lambda degree: criteria[degree])
    kept = flat if best == flat.degree else _Solution(pieces, powers, half, flat.table, best, tell)
    chosen = powers.sum(axis=1) <= best
    return ParameterMap(
        names,
        low,
        high,
        space.reference,
        powers[chosen],
        kept.table[chosen],
        kept.covariance(),
        len(drawn.events),
        len(reference),
        criteria,
        dict(made_from or {}),
    )


def _degree_for(events: float, parameters: int, highest: int) -> int:
    """Return the highest degree that so many events allow."""
    for degree in range(highest, 0, -1):
        if events >= EVENTS_A_COEFFICIENT * (len(powers_up_to(degree, parameters)) - 1) * parameters:
            return degree
    raise FitError(
        f"{events:.0f} drawn events are too few for a calibration over the box of {parameters} parameters: it needs at "
        f"least {EVENTS_A_COEFFICIENT * parameters**2}"
    )


@dataclass(frozen=True)
class _Sums:
    """The objective around a map: its derivatives by c, event by event, summed over with the terms.

    Attributes
    ----------
    gradient:
        (C, P), by the table of shifts in the parameters' units.
    curvature:
        (C, P, C, P).
    scores_square:
        sum of the squares of single events' scores, (C, P, C, P).
    """

    gradient: np.ndarray
    curvature: np.ndarray
    scores_square: np.ndarray


class _Pieces(Protocol):
    def sums(self, table: np.ndarray) -> _Sums:
        """Return the sums at a table of shifts (C, P) in the parameters' units."""


class _LikelihoodPieces:
    """The learned likelihood, normalised over the reference."""

    def __init__(
        self,
        members: Sequence[LogRatio],
        events: EmbeddedEvents,
        theta: np.ndarray,
        terms: np.ndarray,
        reference: EmbeddedEvents,
        low: np.ndarray,
        high: np.ndarray,
        tell: Progress,
    ) -> None:
        self._members, self._events, self._theta, self._terms = members, events, theta, terms
        self._normalisation = LogNormalisation(members, reference, low, high, progress=tell)

    def sums(self, table: np.ndarray) -> _Sums:
        c = self._theta + self._terms @ table
        _, first, second = event_derivatives(self._members, self._events, c)
        shift, bend, by_block = self._normalisation.derivatives(c, self._terms, self._events.shares)
        found = _summed(self._terms, self._events.shares, shift - first, bend - second)
        blocks = len(by_block)
        moved = by_block.reshape(blocks, -1)
        square = (moved.T @ moved * blocks / (blocks - 1)).reshape(found.curvature.shape)
        return _Sums(found.gradient, found.curvature, found.scores_square + square)


class _LossPieces:
    """The classifier's loss, each reference event paired with parameters of drawn events."""

    def __init__(
        self,
        members: Sequence[LogRatio],
        events: EmbeddedEvents,
        theta: np.ndarray,
        terms: np.ndarray,
        reference: EmbeddedEvents,
        seed: int,
    ) -> None:
        self._members, self._events, self._theta, self._terms = members, events, theta, terms
        self._reference = reference
        self._rows = np.random.default_rng(seed).choice(len(theta), (PAIRS, len(reference)), p=events.shares)

    def sums(self, table: np.ndarray) -> _Sums:
        c = self._theta + self._terms @ table
        ratio, first, second = event_derivatives(self._members, self._events, c)
        wrong = sigmoid(-ratio)
        slope = -wrong[:, None] * first
        bend = (wrong * sigmoid(ratio))[:, None, None] * _outer(first) - wrong[:, None, None] * second
        found = _summed(self._terms, self._events.shares, slope, bend)
        gradient, curvature = found.gradient, found.curvature
        scores = np.zeros((len(self._reference), table.size))
        shares = self._reference.shares / PAIRS
        for rows in self._rows:
            terms = self._terms[rows]
            ratio, first, second = event_derivatives(self._members, self._reference, c[rows])
            wrong = sigmoid(ratio)
            slope = wrong[:, None] * first
            bend = (wrong * sigmoid(-ratio))[:, None, None] * _outer(first) + wrong[:, None, None] * second
            one = _summed(terms, shares, slope, bend, squares=False)
            gradient, curvature = gradient + one.gradient, curvature + one.curvature
            scores += (shares[:, None, None] * terms[:, :, None] * slope[:, None, :]).reshape(len(scores), -1)
        # What all reference events have in common balances the drawn events' sum.
        scores -= scores.mean(axis=0)
        square = (scores.T @ scores).reshape(curvature.shape)
        return _Sums(gradient, curvature, found.scores_square + square)


def _outer(rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = rows[:, :, None] * rows[:, None, :]
    return found


def _summed(
    terms: np.ndarray, shares: np.ndarray, slope: np.ndarray, bend: np.ndarray, *, squares: bool = True
) -> _Sums:
    """Return sums over events of terms (N, C) times slopes (N, P), and terms' products times bends (N, P, P)."""
    count, parameters = terms.shape[1], slope.shape[1]
    gradient = terms.T @ (shares[:, None] * slope)
    curvature = np.zeros((count, parameters, count, parameters))
    scores = np.zeros_like(curvature)
    for p in range(parameters):
        for q in range(p, parameters):
            one = terms.T @ ((shares * bend[:, p, q])[:, None] * terms)
            curvature[:, p, :, q], curvature[:, q, :, p] = one, one
            if squares:
                two = terms.T @ ((np.square(shares) * slope[:, p] * slope[:, q])[:, None] * terms)
                scores[:, p, :, q], scores[:, q, :, p] = two, two
    return _Sums(gradient, curvature, scores)


def event_derivatives(
    members: Sequence[LogRatio], events: EmbeddedEvents, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean log ratios, (N,), and their first and second derivatives, each event at its own theta (N, P).

    Raises
    ------
    FitError
        if one is not finite.
    """
    n, parameters = theta.shape
    ratio, first, second = np.zeros(n), np.zeros((n, parameters)), np.zeros((n, parameters, parameters))
    for number, member in enumerate(members):
        z = events.of_member(number)
        for begin in range(0, n, BATCH):
            rows = slice(begin, begin + BATCH)
            point = torch.from_numpy(theta[rows]).to(z).requires_grad_()
            with torch.enable_grad():
                value = member(z[rows], point)
                slope = _derivative(value.sum(), point, further=True)
                bends = [_derivative(slope[:, p].sum(), point, further=False) for p in range(parameters)]
            ratio[rows] += value.detach().double().cpu().numpy() / len(members)
            first[rows] += slope.detach().double().cpu().numpy() / len(members)
            second[rows] += torch.stack(bends, dim=1).double().cpu().numpy() / len(members)
    whole = np.column_stack([ratio, first, second.reshape(n, -1)])
    if not np.isfinite(whole).all():
        event = int(np.argwhere(~np.isfinite(whole))[0, 0])
        raise FitError(f"the log ratio of {events.label} event {event}, or a derivative, is NaN or infinite")
    return ratio, first, (second + second.transpose(0, 2, 1)) / 2


def _derivative(total: Tensor, point: Tensor, *, further: bool) -> Tensor:
    if not total.requires_grad:
        return torch.zeros_like(point)
    return torch.autograd.grad(total, point, create_graph=further, retain_graph=True, materialize_grads=True)[0]


class _Solution:
    """The map of one total degree at the least value of its objective."""

    def __init__(
        self,
        pieces: _Pieces,
        powers: np.ndarray,
        half: np.ndarray,
        start: np.ndarray | None,
        degree: int,
        tell: Progress,
    ) -> None:
        self.degree = degree
        self._powers, self._half = powers, half
        self._chosen = self._of_degree(degree)
        self.table = np.zeros((len(powers), len(half)))
        if start is not None:
            self.table[powers.sum(axis=1) <= degree] = start[powers.sum(axis=1) <= degree]
        for step in range(STEPS):
            tell(f"fitting a map of degree {degree}: step {step + 1}", (step + 1) / (STEPS + 1))
            sums = pieces.sums(self.table * half)
            self._gradient, self._curvature, self._square = self._in_half_widths(sums)
            move, moved_by = self._step()
            if moved_by < CLOSE:
                return
            farthest = float(np.abs(move).max())
            self.table = self.table + move * min(1.0, FARTHEST / max(farthest, 1e-30))
        raise FitError(f"the map over the box found no optimum in {STEPS} steps: the network is far from the ratio")

    def _of_degree(self, degree: int) -> np.ndarray:
        """Return which coefficients belong to a total degree, a boolean array (C P,)."""
        return np.repeat(self._powers.sum(axis=1) <= degree, len(self._half))

    def _in_half_widths(self, sums: _Sums) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        size = sums.gradient.size
        scale = np.tile(self._half, len(self._powers))
        return (
            sums.gradient.ravel() * scale,
            sums.curvature.reshape(size, size) * np.outer(scale, scale),
            sums.scores_square.reshape(size, size) * np.outer(scale, scale),
        )

    def _step(self) -> tuple[np.ndarray, float]:
        """Return Newton's step, (C, P), and its squared length in standard deviations, per coefficient."""
        at = np.flatnonzero(self._chosen)
        curvature = self._curvature[np.ix_(at, at)]
        size = np.sqrt(np.abs(np.diag(curvature)))
        if np.linalg.eigvalsh(curvature / np.outer(size, size))[0] < 1e-9:
            raise FitError(
                "the map over the box has no optimum: the drawn events do not tell the parameters' values apart, or "
                "the network is far from the ratio"
            )
        move = np.zeros(self.table.size)
        move[at] = -np.linalg.solve(curvature, self._gradient[at])
        spread = self.covariance()
        length = float(move[at] @ np.linalg.pinv(spread) @ move[at]) / len(at)
        return move.reshape(self.table.shape), length

    def covariance(self) -> np.ndarray:
        """Return the sandwich covariance of the coefficients in use."""
        at = np.flatnonzero(self._chosen)
        inverse = np.linalg.inv(self._curvature[np.ix_(at, at)])
        covariance = inverse @ self._square[np.ix_(at, at)] @ inverse
        return np.asarray((covariance + covariance.T) / 2)

    def criterion(self, degree: int) -> float:
        """Return what the information criterion of a degree is expected to be, less a constant, from one step."""
        at = np.flatnonzero(self._of_degree(degree))
        curvature = self._curvature[np.ix_(at, at)]
        size = np.sqrt(np.abs(np.diag(curvature)))
        if np.linalg.eigvalsh(curvature / np.outer(size, size))[0] < 1e-9:
            return UNSOLVABLE
        # The degree's own optimum, by the curvature here.
        there = np.zeros(self.table.size)
        there[at] = np.linalg.solve(curvature, (self._curvature @ self.table.ravel() - self._gradient)[at])
        apart = there - self.table.ravel()
        rise = 2 * self._gradient @ apart + apart @ self._curvature @ apart
        optimism = np.trace(np.linalg.solve(curvature, self._square[np.ix_(at, at)]))
        return float(rise + 2 * optimism)
