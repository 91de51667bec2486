"""Classifiers trained to the minimum of their loss, between detector-level data and weighted simulation.

``LogisticDiscriminator`` is linear in its features, so its loss is convex and a few Newton steps find the exact
minimum. ``PerceptronDiscriminator`` is general and slower; LBFGS finds its minimum approximately.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from simulacra.fits.errors import FitError
from simulacra.fits.tilting import sigmoid

NEWTON_STEPS: Final = 100
DECREMENT: Final = 1e-13
"""Twice the distance to the lowest loss below which one more step is the last."""
SEPARATED: Final = 1e-6
"""Loss below which samples do not overlap and coefficients grow without bound."""


@dataclass(frozen=True)
class Separation:
    """How well a discriminator separates two samples, at its minimum.

    Attributes
    ----------
    loss:
        -mean of log g over the data - mean of log(1 - g) over the simulation, minimised over g, plus the penalty.
    data_log_odds, simulation_log_odds:
        log g / (1 - g), (N,) and (M,).
    parameters:
        parameters of g, the start of the next minimisation.
    curvature:
        second derivatives of the loss by the parameters of g, (D, D); None if they are not known.
    """

    loss: float
    data_log_odds: np.ndarray
    simulation_log_odds: np.ndarray
    parameters: np.ndarray
    curvature: np.ndarray | None


class Discriminator(Protocol):
    """A family of classifiers g of detector-level features."""

    def separate(
        self,
        data: np.ndarray,
        data_shares: np.ndarray,
        simulation: np.ndarray,
        shares: np.ndarray,
        start: np.ndarray | None,
    ) -> Separation:
        """Return the best g.

        Parameters
        ----------
        data, simulation:
            standardised features, (N, D) and (M, D); the last one is constant 1.
        data_shares, shares:
            weights that sum to 1, (N,) and (M,).
        start:
            parameters of a similar g.
        """


@dataclass(frozen=True)
class LogisticDiscriminator:
    """Logistic regression with a penalty, minimised exactly.

    Attributes
    ----------
    ridge:
        penalty on half the sum of the squared coefficients of the standardised features, without the constant's. A
        small one makes redundant features harmless; a large one weakens g but does not bias the estimate.
    """

    ridge: float = 1e-6

    def separate(
        self,
        data: np.ndarray,
        data_shares: np.ndarray,
        simulation: np.ndarray,
        shares: np.ndarray,
        start: np.ndarray | None,
    ) -> Separation:
        """Return the best g by Newton's method; each step is halved until the loss decreases.

        Raises
        ------
        FitError
            if it does not converge, for example if negative weights leave no minimum.
        """
        width = data.shape[1]
        beta = np.zeros(width) if start is None else start.copy()
        penalty = np.full(width, self.ridge)
        penalty[-1] = 0.0
        loss, on_data, on_simulation = self._loss(beta, data, data_shares, simulation, shares, penalty)
        for _ in range(NEWTON_STEPS):
            slope = data.T @ (-data_shares * sigmoid(-on_data)) + simulation.T @ (shares * sigmoid(on_simulation))
            slope += penalty * beta
            curvature = _curvature(on_data, data, data_shares) + _curvature(on_simulation, simulation, shares)
            curvature[np.diag_indices(width)] += penalty
            try:
                step = np.linalg.solve(curvature, slope)
            except np.linalg.LinAlgError as error:
                raise FitError(_STUCK) from error
            decrement = float(slope @ step)
            if not np.isfinite(decrement) or decrement < -1e-9:
                raise FitError(_STUCK)
            if decrement < DECREMENT:
                if loss < SEPARATED:
                    raise FitError(_STUCK)
                # One more step doubles the digits of g, on which the derivatives by theta rest.
                beta = beta - step
                loss, on_data, on_simulation = self._loss(beta, data, data_shares, simulation, shares, penalty)
                return Separation(loss, on_data, on_simulation, beta, curvature)
            for halving in range(40):
                moved = beta - step * 0.5**halving
                after = self._loss(moved, data, data_shares, simulation, shares, penalty)
                if after[0] <= loss:
                    break
            else:
                # Not even the smallest step lowers the loss: this is the minimum to the last digit, or there is none.
                if decrement < 1e-9:
                    return Separation(loss, on_data, on_simulation, beta, curvature)
                raise FitError(_STUCK)
            beta, (loss, on_data, on_simulation) = moved, after
        raise FitError(_STUCK)

    @staticmethod
    def _loss(
        beta: np.ndarray,
        data: np.ndarray,
        data_shares: np.ndarray,
        simulation: np.ndarray,
        shares: np.ndarray,
        penalty: np.ndarray,
    ) -> tuple[float, np.ndarray, np.ndarray]:
        on_data, on_simulation = data @ beta, simulation @ beta
        loss = data_shares @ np.logaddexp(0.0, -on_data) + shares @ np.logaddexp(0.0, on_simulation)
        return float(loss + 0.5 * penalty @ np.square(beta)), on_data, on_simulation


_STUCK: Final = (
    "the detector-level classifier has no minimum: data and simulation are separable, or negative weights dominate; "
    "raise the ridge, use fewer features, or a reference with fewer negative weights"
)


def _curvature(log_odds: np.ndarray, features: np.ndarray, shares: np.ndarray) -> np.ndarray:
    result: np.ndarray = (features.T * (shares * sigmoid(log_odds) * sigmoid(-log_odds))) @ features
    return result


@dataclass(frozen=True)
class PerceptronDiscriminator:
    """A small network with one hidden layer and a penalty, minimised by LBFGS, always from the same start.

    Attributes
    ----------
    hidden:
        number of hidden units.
    ridge:
        penalty on half the sum of all squared weights; keeps g from telling single events apart.
    steps:
        largest number of iterations.
    seed:
        of the initial weights.
    """

    hidden: int = 16
    ridge: float = 1e-4
    steps: int = 500
    seed: int = 0

    def separate(
        self,
        data: np.ndarray,
        data_shares: np.ndarray,
        simulation: np.ndarray,
        shares: np.ndarray,
        start: np.ndarray | None,
    ) -> Separation:
        """Return the best g that LBFGS finds; starting from a similar one keeps the loss smooth in the weights."""
        from scipy.optimize import minimize

        width = data.shape[1]
        if start is None:
            rng = np.random.default_rng(self.seed)
            inner = rng.normal(0, 1 / np.sqrt(width), (width, self.hidden))
            start = np.concatenate([inner.ravel(), rng.normal(0, 0.1, self.hidden + 1)])

        def split(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
            inner = parameters[: width * self.hidden].reshape(width, self.hidden)
            return inner, parameters[width * self.hidden : -1], float(parameters[-1])

        def loss_and_slope(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            inner, outer, constant = split(parameters)
            loss = 0.5 * self.ridge * float(np.square(parameters).sum())
            slope = self.ridge * parameters
            for features, weights, sign in ((data, data_shares, -1.0), (simulation, shares, 1.0)):
                hidden = np.tanh(features @ inner)
                log_odds = hidden @ outer + constant
                loss += float(weights @ np.logaddexp(0.0, sign * log_odds))
                on_odds = sign * weights * sigmoid(sign * log_odds)
                on_inner = features.T @ (on_odds[:, None] * outer * (1 - np.square(hidden)))
                slope += np.concatenate([on_inner.ravel(), hidden.T @ on_odds, [on_odds.sum()]])
            return loss, slope

        found = minimize(
            loss_and_slope,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": self.steps, "ftol": 1e-13, "gtol": 1e-7},
        )
        inner, outer, constant = split(found.x)
        on_data, on_simulation = (np.tanh(features @ inner) @ outer + constant for features in (data, simulation))
        return Separation(float(found.fun), on_data, on_simulation, found.x, None)
