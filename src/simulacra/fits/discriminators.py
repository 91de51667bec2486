"""Classifiers of detector-level data against weighted simulation, trained to the minimum of their loss.

``LogisticDiscriminator`` is linear in the features that it is given, so its loss is convex and its minimum exact, in a
handful of Newton steps. ``PerceptronDiscriminator`` is general, slower, and its minimum as good as LBFGS finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from simulacra.fits.errors import FitError
from simulacra.statistics.logistic import fit_logistic, sigmoid

SEPARATED: Final = 1e-6
"""Loss below which samples do not overlap and coefficients grow without end."""


@dataclass(frozen=True)
class Separation:
    """How well a discriminator tells two samples apart, at its minimum.

    Attributes
    ----------
    loss:
        -mean of log g over the data - mean of log(1 - g) over the simulation, least over g, plus the penalty.
    data_log_odds, simulation_log_odds:
        log g / (1 - g), (N,) and (M,).
    parameters:
        of g, from which the next minimisation starts.
    curvature:
        second derivatives of the loss by g's parameters, (D, D); None where these are not known.
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
            standardised features, (N, D) and (M, D), the last of them constantly 1.
        data_shares, shares:
            weights that sum to 1, (N,) and (M,).
        start:
            parameters of a g nearby.
        """


@dataclass(frozen=True)
class LogisticDiscriminator:
    """Logistic regression with a penalty, minimised exactly.

    Attributes
    ----------
    ridge:
        penalty on half the sum of the squared coefficients of the standardised features, the constant's excepted. A
        small one keeps features that repeat each other harmless; a large one weakens g, but biases no estimate.
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
        """Return the best g by Newton's method, each step halved until the loss falls.

        Raises
        ------
        FitError
            if it does not converge, as where negative weights leave no minimum.
        """
        penalty = np.full(data.shape[1], self.ridge)
        penalty[-1] = 0.0
        found = fit_logistic(
            np.concatenate([data, simulation]),
            np.repeat([1.0, 0.0], [len(data), len(simulation)]),
            np.concatenate([data_shares, shares]),
            np.zeros(len(penalty)) if start is None else start,
            penalty=penalty,
            # The derivatives by theta depend on the last digits of g.
            exact=True,
        )
        if not found.converged or found.loss < SEPARATED:
            raise FitError(_STUCK)
        on_data, on_simulation = np.split(found.log_odds, [len(data)])
        return Separation(found.loss, on_data, on_simulation, found.coefficients, found.curvature)


_STUCK: Final = (
    "the detector-level classifier finds no minimum: data and simulation are separable, or negative weights dominate; "
    "raise the ridge, use fewer features, or a reference with fewer negative weights"
)


@dataclass(frozen=True)
class PerceptronDiscriminator:
    """A small network with one hidden layer and a penalty, minimised by LBFGS from the same start every time.

    Attributes
    ----------
    hidden:
        number of hidden units.
    ridge:
        penalty on half the sum of all squared weights; keeps g from telling single events apart.
    steps:
        most iterations.
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
        """Return the best g that LBFGS finds; a start from a nearby one keeps the loss smooth in the weights."""
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
