r"""The map over the box of a network's parameters, from events drawn over the box: one fit of a polynomial.

With c(theta) a polynomial and events x_i drawn at theta_i, the sum over events of
:math:`\log r(x_i|c(\theta_i)) - \log Z(c(\theta_i))`, Z the mean of r over the reference, is largest if c(theta) is the
network's best fit at every theta (:mod:`simulacra.fits.parameter_map`). All events determine the few coefficients
together, so the map is known much better than from fits of single runs. The classifier's loss has another optimum and
its own map. There, each reference event is paired with parameters of drawn events, as in training.

Newton steps use the networks' own derivatives, event by event. The coefficients' covariance is the sandwich, from the
scores of each drawn event and of blocks of the reference. A plane is fitted first. Starting there, the set of terms
with the lowest expected Takeuchi information criterion (loss plus trace of inverse curvature times scores' covariance)
is chosen: all terms up to a total degree, or up to two to four times this degree in one parameter. The shift that
remains in cells of the box, beyond noise, is the map's lack of fit (:mod:`simulacra.fits.map_residuals`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor

from simulacra.fits.derivatives import BATCH
from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.errors import FitError
from simulacra.fits.log_normalisation import BLOCKS, LogNormalisation
from simulacra.fits.log_ratio import LogRatio, parameter_space
from simulacra.fits.map_residuals import Contribution, lack_of_fit
from simulacra.fits.objective import Method
from simulacra.fits.parameter_map import ParameterMap, map_terms
from simulacra.fits.polynomials import powers_up_to
from simulacra.statistics.logistic import sigmoid

HIGHEST_DEGREE: Final = 5
STRETCHES: Final = (2, 3, 4)
"""Factors by which the degree of one parameter may exceed that of the others."""
#: smallest number of drawn events per coefficient
EVENTS_A_COEFFICIENT: Final = 100
#: where one parameter's degree is larger: a choice among more sets of terms depends more on chance
EVENTS_A_STRETCHED: Final = 1000
#: highest degree of one parameter that is tried
HIGHEST_OF_ONE: Final = 12
STEPS: Final = 8
CLOSE: Final = 1e-4
"""Squared length of the last step, in standard deviations of the coefficients."""
PART: Final = 65_536
"""Number of events per partial sum."""
PAIRS: Final = 4
"""Number of parameter values that each reference event is paired with in the classifier's loss."""
FARTHEST: Final = 0.5
"""Largest single step of a coefficient, in half widths of the box."""

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
        the ensemble; it must accept one theta per event, (N, P).
    drawn:
        events at parameters drawn over the box that no member was trained on.
    reference:
        events at the ensemble's theta_0 that no member was trained on.
    method:
        the objective whose optimum is mapped.
    highest_degree:
        highest total degree that is tried, if there are enough events for it.
    made_from:
        identification of the samples, for the record.
    seed:
        for pairing reference events with parameters.
    progress:
        called with a sentence and the completed share.

    Raises
    ------
    ValueError
        if the parameters' shape does not fit, or some are outside the box.
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
    candidates = candidates_for(drawn.events.effective_size, len(names), highest_degree)
    tell = progress or (lambda _step, _share: None)
    box = _Box(low, high, space.reference)
    pieces: _Pieces = (
        _LikelihoodPieces(members, drawn.events, theta, reference, box, tell)
        if method == "likelihood_ratio"
        else _LossPieces(members, drawn.events, theta, reference, box, seed)
    )
    flat = _Solution(pieces, candidates["1"], half, None, tell)
    criteria = flat.criteria(candidates)
    kept = _best(flat, pieces, candidates, criteria, half, tell)
    tell("measuring what the map leaves", 1.0)
    return ParameterMap(
        names,
        low,
        high,
        space.reference,
        kept.powers,
        kept.table,
        kept.covariance(),
        lack_of_fit(pieces.contributions(kept.powers, kept.table * half), x),
        len(drawn.events),
        len(reference),
        criteria,
        dict(made_from or {}),
    )


def _best(
    flat: _Solution,
    pieces: _Pieces,
    candidates: Mapping[str, np.ndarray],
    criteria: Mapping[str, float],
    half: np.ndarray,
    tell: Progress,
) -> _Solution:
    """Return the map with the lowest criterion that has an optimum; the expectation from one step may be wrong."""
    for label in sorted(criteria, key=lambda label: criteria[label]):
        if label == "1":
            break
        try:
            return _Solution(pieces, candidates[label], half, flat, tell)
        except FitError:
            continue
    return flat


def candidates_for(events: float, parameters: int, highest: int) -> dict[str, np.ndarray]:
    """Return the sets of terms, (C, P) each, that this many events allow, by name: "3", "3 2 times in 0".

    Raises
    ------
    FitError
        if there are too few events for a plane.
    """
    found: dict[str, np.ndarray] = {}
    for degree in range(1, highest + 1):
        plain = powers_up_to(degree, parameters)[1:]
        if events >= EVENTS_A_COEFFICIENT * plain.size:
            found[str(degree)] = plain
        sets = {}
        if parameters > 1 and degree > 1:
            for stretch in STRETCHES:
                for p in range(parameters):
                    sets[f"{degree} {stretch} times in {p}"] = powers_up_to(degree, parameters, stretched=(p, stretch))[
                        1:
                    ]
        found |= {
            label: powers
            for label, powers in sets.items()
            if events >= EVENTS_A_STRETCHED * powers.size and powers.max() <= HIGHEST_OF_ONE
        }
    if not found:
        raise FitError(
            f"{events:.0f} drawn events are too few for a calibration over the box of {parameters} parameters: it "
            f"needs at least {EVENTS_A_COEFFICIENT * parameters**2}"
        )
    return found


@dataclass(frozen=True)
class _Box:
    low: np.ndarray
    high: np.ndarray
    reference: np.ndarray

    def terms(self, theta: np.ndarray, powers: np.ndarray) -> np.ndarray:
        """Return the terms, (N, C), at parameters (N, P)."""
        return map_terms(torch.from_numpy(theta), self.low, self.high, self.reference, powers).numpy()


@dataclass(frozen=True)
class _Sums:
    """The objective around a map: sums over events of its derivatives by c times the terms.

    Attributes
    ----------
    gradient:
        (C, P), with respect to the table of shifts in the parameters' units.
    curvature:
        (C, P, C, P).
    scores_square:
        sum of the squares of single events' scores, (C, P, C, P).
    """

    gradient: np.ndarray
    curvature: np.ndarray
    scores_square: np.ndarray

    @classmethod
    def nothing(cls, terms: int, parameters: int) -> _Sums:
        """Return sums over no events."""
        square = np.zeros((terms, parameters, terms, parameters))
        return cls(np.zeros((terms, parameters)), square, square)

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.gradient + other.gradient,
            self.curvature + other.curvature,
            self.scores_square + other.scores_square,
        )


class _Pieces(Protocol):
    def sums(self, powers: np.ndarray, table: np.ndarray) -> _Sums:
        """Return the sums at a table of shifts (C, P), in the parameters' units, of terms with these powers."""

    def contributions(self, powers: np.ndarray, table: np.ndarray) -> Iterator[Contribution]:
        """Return the contributions of the events to the objective's derivatives by c, there."""


class _LikelihoodPieces:
    """The learned likelihood, normalised over the reference."""

    def __init__(
        self,
        members: Sequence[LogRatio],
        events: EmbeddedEvents,
        theta: np.ndarray,
        reference: EmbeddedEvents,
        box: _Box,
        tell: Progress,
    ) -> None:
        self._members, self._events, self._theta, self._box = members, events, theta, box
        self._normalisation = LogNormalisation(members, reference, box.low, box.high, progress=tell)

    def sums(self, powers: np.ndarray, table: np.ndarray) -> _Sums:
        found = _Sums.nothing(*table.shape)
        by_block = np.zeros((BLOCKS, *table.shape))
        for one, moved in self._evaluated(powers, table):
            found = found + _summed(one)
            by_block += moved
        blocks = by_block.reshape(BLOCKS, -1)
        square = (blocks.T @ blocks * BLOCKS / (BLOCKS - 1)).reshape(found.curvature.shape)
        return _Sums(found.gradient, found.curvature, found.scores_square + square)

    def contributions(self, powers: np.ndarray, table: np.ndarray) -> Iterator[Contribution]:
        return (one for one, _ in self._evaluated(powers, table))

    def _evaluated(self, powers: np.ndarray, table: np.ndarray) -> Iterator[tuple[Contribution, np.ndarray]]:
        """Return the contributions of events, and those of the reference's blocks, (blocks, C, P)."""
        for rows, events, terms, c in _parts(self._events, self._theta, self._box, powers, table):
            shares = self._events.shares[rows]
            _, first, second = event_derivatives(self._members, events, c)
            shift, bend, moved = self._normalisation.derivatives(c, terms, shares)
            yield Contribution(rows, terms, shares, shift - first, bend - second), moved


class _LossPieces:
    """The classifier's loss, with each reference event paired with parameters of drawn events."""

    def __init__(
        self,
        members: Sequence[LogRatio],
        events: EmbeddedEvents,
        theta: np.ndarray,
        reference: EmbeddedEvents,
        box: _Box,
        seed: int,
    ) -> None:
        self._members, self._events, self._theta, self._box = members, events, theta, box
        self._reference = reference
        self._rows = np.random.default_rng(seed).choice(len(theta), (PAIRS, len(reference)), p=events.shares)

    def sums(self, powers: np.ndarray, table: np.ndarray) -> _Sums:
        found = _Sums.nothing(*table.shape)
        scores = np.zeros((len(self._reference), table.size))
        for one in self.contributions(powers, table):
            found = found + _summed(one)
            if one.of_reference is not None:
                moved = one.shares[:, None, None] * one.terms[:, :, None] * one.slope[:, None, :]
                scores[one.of_reference] += moved.reshape(len(moved), -1)
        # What all reference events have in common balances the drawn events' sum.
        scores -= scores.mean(axis=0)
        square = (scores.T @ scores).reshape(found.curvature.shape)
        return _Sums(found.gradient, found.curvature, found.scores_square + square)

    def contributions(self, powers: np.ndarray, table: np.ndarray) -> Iterator[Contribution]:
        for rows, events, terms, c in _parts(self._events, self._theta, self._box, powers, table):
            ratio, first, second = event_derivatives(self._members, events, c)
            wrong = sigmoid(-ratio)
            slope = -wrong[:, None] * first
            bend = (wrong * sigmoid(ratio))[:, None, None] * _outer(first) - wrong[:, None, None] * second
            yield Contribution(rows, terms, self._events.shares[rows], slope, bend)
        for drawn in self._rows:
            theta = self._theta[drawn]
            for rows, events, terms, c in _parts(self._reference, theta, self._box, powers, table):
                ratio, first, second = event_derivatives(self._members, events, c)
                wrong = sigmoid(ratio)
                slope = wrong[:, None] * first
                bend = (wrong * sigmoid(-ratio))[:, None, None] * _outer(first) + wrong[:, None, None] * second
                shares = self._reference.shares[rows] / PAIRS
                yield Contribution(drawn[rows], terms, shares, slope, bend, rows)


def _parts(
    events: EmbeddedEvents, theta: np.ndarray, box: _Box, powers: np.ndarray, table: np.ndarray
) -> Iterator[tuple[np.ndarray, EmbeddedEvents, np.ndarray, np.ndarray]]:
    """Return rows, their events, the terms (N, C) and c (N, P), one part of the events after the other."""
    for begin in range(0, len(theta), PART):
        rows = np.arange(begin, min(begin + PART, len(theta)))
        terms = box.terms(theta[rows], powers)
        yield rows, events.select(rows), terms, theta[rows] + terms @ table


def _outer(rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = rows[:, :, None] * rows[:, None, :]
    return found


def _summed(one: Contribution) -> _Sums:
    """Return sums of terms times slopes, of their products times bends, and of drawn events' squared scores."""
    terms, shares, slope = one.terms, one.shares, one.slope
    count, parameters = terms.shape[1], slope.shape[1]
    gradient = terms.T @ (shares[:, None] * slope)
    curvature = np.zeros((count, parameters, count, parameters))
    scores = np.zeros_like(curvature)
    for p in range(parameters):
        for q in range(p, parameters):
            bend = terms.T @ ((shares * one.bend[:, p, q])[:, None] * terms)
            curvature[:, p, :, q], curvature[:, q, :, p] = bend, bend
            if one.of_reference is None:
                square = terms.T @ ((np.square(shares) * slope[:, p] * slope[:, q])[:, None] * terms)
                scores[:, p, :, q], scores[:, q, :, p] = square, square
    return _Sums(gradient, curvature, scores)


def event_derivatives(
    members: Sequence[LogRatio], events: EmbeddedEvents, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean log ratios, (N,), and their first and second derivatives, with one theta per event (N, P).

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
    """The map with given terms at the minimum of its objective; the search starts at another map."""

    def __init__(
        self, pieces: _Pieces, powers: np.ndarray, half: np.ndarray, start: _Solution | None, tell: Progress
    ) -> None:
        self.powers, self._pieces, self._half = powers, pieces, half
        self.table = np.zeros((len(powers), len(half))) if start is None else start.extended_to(powers)
        for step in range(STEPS):
            tell(f"fitting a map of {len(powers)} terms: step {step + 1}", (step + 1) / (STEPS + 1))
            self._gradient, self._curvature, self._square = self._in_half_widths(self.table, powers)
            move, moved_by = self._step()
            if moved_by < CLOSE:
                return
            farthest = float(np.abs(move).max())
            self.table = self.table + move * min(1.0, FARTHEST / max(farthest, 1e-30))
        raise FitError(f"the map over the box found no optimum in {STEPS} steps: the network is far from the ratio")

    def extended_to(self, powers: np.ndarray) -> np.ndarray:
        """Return this map's coefficients for the terms of another map, 0 if it has no such term."""
        mine = {tuple(row): coefficients for row, coefficients in zip(self.powers.tolist(), self.table, strict=True)}
        none = np.zeros(len(self._half))
        return np.stack([mine.get(tuple(row), none) for row in powers.tolist()])

    def _in_half_widths(self, table: np.ndarray, powers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        sums = self._pieces.sums(powers, table * self._half)
        size = sums.gradient.size
        scale = np.tile(self._half, len(powers))
        return (
            sums.gradient.ravel() * scale,
            sums.curvature.reshape(size, size) * np.outer(scale, scale),
            sums.scores_square.reshape(size, size) * np.outer(scale, scale),
        )

    def _step(self) -> tuple[np.ndarray, float]:
        """Return Newton's step, (C, P), and its squared length in standard deviations, per coefficient."""
        if not _has_optimum(self._curvature):
            raise FitError(
                "the map over the box has no optimum: the drawn events do not depend on the parameters, or "
                "the network is far from the ratio"
            )
        move = -np.linalg.solve(self._curvature, self._gradient)
        length = float(move @ np.linalg.pinv(self.covariance()) @ move) / len(move)
        return move.reshape(self.table.shape), length

    def covariance(self) -> np.ndarray:
        """Return the sandwich covariance of the coefficients."""
        inverse = np.linalg.inv(self._curvature)
        covariance = inverse @ self._square @ inverse
        return np.asarray((covariance + covariance.T) / 2)

    def criteria(self, candidates: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Return the expected information criterion of each set of terms from here, up to a constant."""
        every = sorted({tuple(row) for powers in candidates.values() for row in powers.tolist()})
        table = self.extended_to(np.array(every))
        gradient, curvature, square = self._in_half_widths(table, np.array(every))
        place = {row: number for number, row in enumerate(every)}
        found = {}
        for label, powers in candidates.items():
            terms = np.array([place[tuple(row)] for row in powers.tolist()])
            at = (terms[:, None] * len(self._half) + np.arange(len(self._half))).ravel()
            own = curvature[np.ix_(at, at)]
            if not _has_optimum(own):
                continue
            apart = np.zeros(table.size)
            apart[at] = np.linalg.solve(own, (curvature @ table.ravel() - gradient)[at])
            apart -= table.ravel()
            rise = 2 * gradient @ apart + apart @ curvature @ apart
            found[label] = float(rise + 2 * np.trace(np.linalg.solve(own, square[np.ix_(at, at)])))
        return found


def _has_optimum(curvature: np.ndarray) -> bool:
    size = np.sqrt(np.abs(np.diag(curvature)))
    return bool(np.linalg.eigvalsh(curvature / np.outer(size, size))[0] > 1e-9)
