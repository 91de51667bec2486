r"""The two estimators at one level: what a fit minimises over the parameters, with exact derivatives.

With the learned r = log p(x|theta) / p(x|theta_0), f = 1 / (1 + exp(-r)), and weighted means over data and over the
reference simulated at theta_0:

* ``ClassifierLoss`` (DCTR, arXiv:1907.08209): :math:`-\langle\log f\rangle_{data} - \langle\log(1-f)\rangle_{ref}`, a
  proper scoring rule, hence minimal at the data's parameters.
* ``LikelihoodRatio``: :math:`-\langle r\rangle_{data} + \log\langle e^r\rangle_{ref}`, the negative log likelihood per
  event. The second term makes the learned ratio integrate to 1 over the reference at every theta.

Both are means, so the numbers of data and reference events do not shift the minimum. Both treat the reference as a
finite sample: ``linearise`` gives the score of each data *and* each reference event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from simulacra.fits.derivatives import log_ratios
from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.log_ratio import LogRatio, ParameterSpace
from simulacra.fits.tilting import centred, covariance, log_mean_exp, tilted
from simulacra.statistics.distances.two_sample import effective_size
from simulacra.statistics.logistic import sigmoid

Method = Literal["likelihood_ratio", "classifier_loss"]


@dataclass(frozen=True)
class About:
    """What a fit needs to know about an objective besides its values.

    Attributes
    ----------
    method:
        name of the estimator.
    space:
        the trained box and its free parameters.
    n_data, n_reference:
        numbers of events.
    data_effective:
        effective number of data events, (sum w)^2 / sum w^2.
    is_likelihood:
        whether ``data_effective`` times the objective is a negative log likelihood.
    """

    method: str
    space: ParameterSpace
    n_data: int
    n_reference: int
    data_effective: float
    is_likelihood: bool


@dataclass(frozen=True)
class Linearised:
    """An objective around its minimum.

    Attributes
    ----------
    hessian:
        its second derivatives, (F, F).
    data_scores, reference_scores:
        change of its gradient when one event is counted once more, (N, F) and (M, F); each sums to 0.
    reference_effective:
        effective number of reference events after weighting to the estimate, (sum w)^2 / sum w^2.
    """

    hessian: np.ndarray
    data_scores: np.ndarray
    reference_scores: np.ndarray
    reference_effective: float


class Objective(Protocol):
    """A function of the free parameters (F,) with a minimum at the estimate."""

    @property
    def about(self) -> About:
        """The samples, parameters and method."""

    def value(self, free: np.ndarray) -> float:
        """Return the objective."""

    def gradient(self, free: np.ndarray) -> np.ndarray:
        """Return its derivatives, (F,)."""

    def expected_hessian(self, free: np.ndarray) -> np.ndarray | None:
        """Return the part of the second derivatives that does not vanish at the truth, (F, F); None if unknown."""

    def linearise(self, free: np.ndarray) -> Linearised:
        """Return the objective around its minimum.

        Raises
        ------
        FitError
            if this objective cannot be linearised.
        """

    def resampled(self, data_counts: np.ndarray, reference_counts: np.ndarray) -> Objective:
        """Return the objective with the given counts of each event, (N,) and (M,)."""


class Samples:
    """Data and reference with the log ratios and slopes at the last point.

    Parameters
    ----------
    members:
        the ensemble, whose mean log ratio is used.
    data, reference:
        embedded events.
    space:
        the trained box and its free parameters.
    """

    def __init__(
        self, members: Sequence[LogRatio], data: EmbeddedEvents, reference: EmbeddedEvents, space: ParameterSpace
    ) -> None:
        self.members = tuple(members)
        self.space = space
        self.data = log_ratios(members, data, space)
        self.reference = log_ratios(members, reference, space)
        self._values_at: tuple[bytes, np.ndarray, np.ndarray] | None = None
        self._slopes_at: tuple[bytes, np.ndarray, np.ndarray] | None = None

    def values(self, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the log ratios of the data, (N,), and of the reference, (M,)."""
        if self._values_at is None or _key(free) != self._values_at[0]:
            self._values_at = (_key(free), self.data.values(free), self.reference.values(free))
        return self._values_at[1], self._values_at[2]

    def slopes(self, free: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return log ratios and slopes of the data, (N,) and (N, F), and of the reference, (M,) and (M, F)."""
        if self._slopes_at is None or _key(free) != self._slopes_at[0]:
            data, data_slopes = self.data.slopes(free)
            reference, slopes = self.reference.slopes(free)
            self._values_at = (_key(free), data, reference)
            self._slopes_at = (_key(free), data_slopes, slopes)
        _, data_slopes, slopes = self._slopes_at
        data, reference = self.values(free)
        return data, data_slopes, reference, slopes

    def slope(self, free: np.ndarray, data: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """Return the slope, (F,), of the sum of coefficients, (N,) and (M,), times log ratios over both samples."""
        if self._slopes_at is not None and _key(free) == self._slopes_at[0]:
            known: np.ndarray = data @ self._slopes_at[1] + reference @ self._slopes_at[2]
            return known
        total: np.ndarray = self.data.slope(free, data) + self.reference.slope(free, reference)
        return total

    def resampled(self, data_counts: np.ndarray, reference_counts: np.ndarray) -> Samples:
        """Return both samples with the given counts of each event."""
        data, reference = self.data.events, self.reference.events
        return Samples(self.members, data.reweighted(data_counts), reference.reweighted(reference_counts), self.space)

    def about(self, method: Method, *, is_likelihood: bool) -> About:
        """Return the sizes of the samples."""
        data, reference = self.data.events, self.reference.events
        return About(method, self.space, len(data), len(reference), data.effective_size, is_likelihood)


def _key(free: np.ndarray) -> bytes:
    return np.asarray(free, dtype=np.float64).tobytes()


class LikelihoodRatio:
    """The negative log likelihood per event of the learned ratio, normalised over the reference."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._data_shares, self._shares = samples.data.events.shares, samples.reference.events.shares
        self.about = samples.about("likelihood_ratio", is_likelihood=True)

    def value(self, free: np.ndarray) -> float:
        """Return -mean of r over the data + log of the mean of exp(r) over the reference."""
        data, reference = self._samples.values(free)
        return float(log_mean_exp(reference, self._shares) - self._data_shares @ data)

    def gradient(self, free: np.ndarray) -> np.ndarray:
        """Return its derivatives, (F,): the mean slope over the weighted reference less that over the data."""
        _, reference = self._samples.values(free)
        return self._samples.slope(free, -self._data_shares, tilted(reference, self._shares))

    def expected_hessian(self, free: np.ndarray) -> np.ndarray:
        """Return the covariance of the slopes over the weighted reference, (F, F): the Fisher information per event."""
        _, _, reference, slopes = self._samples.slopes(free)
        return covariance(slopes, tilted(reference, self._shares))

    def linearise(self, free: np.ndarray) -> Linearised:
        """Return the full second derivatives and each event's score."""
        _, data_slopes, reference, slopes = self._samples.slopes(free)
        tilt = tilted(reference, self._shares)
        hessian = covariance(slopes, tilt)
        hessian += self._samples.reference.curvature(free, tilt)
        hessian -= self._samples.data.curvature(free, self._data_shares)
        return Linearised(
            hessian, -centred(data_slopes, self._data_shares), centred(slopes, tilt), effective_size(tilt)
        )

    def resampled(self, data_counts: np.ndarray, reference_counts: np.ndarray) -> LikelihoodRatio:
        """Return the objective with the given counts of each event."""
        return LikelihoodRatio(self._samples.resampled(data_counts, reference_counts))


class ClassifierLoss:
    """The loss of the parametrised classifier between data and reference, as a function of its parameters."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._data_shares, self._shares = samples.data.events.shares, samples.reference.events.shares
        self.about = samples.about("classifier_loss", is_likelihood=False)

    def value(self, free: np.ndarray) -> float:
        """Return -mean of log f over the data - mean of log(1 - f) over the reference."""
        data, reference = self._samples.values(free)
        return float(self._data_shares @ np.logaddexp(0.0, -data) + self._shares @ np.logaddexp(0.0, reference))

    def gradient(self, free: np.ndarray) -> np.ndarray:
        """Return its derivatives, (F,)."""
        data, reference = self._samples.values(free)
        return self._samples.slope(free, -self._data_shares * sigmoid(-data), self._shares * sigmoid(reference))

    def expected_hessian(self, free: np.ndarray) -> np.ndarray:
        """Return the mean of f (1 - f) times the slopes' products over both samples, (F, F)."""
        data, data_slopes, reference, slopes = self._samples.slopes(free)
        over_data = self._data_shares * sigmoid(data) * sigmoid(-data)
        over_reference = self._shares * sigmoid(reference) * sigmoid(-reference)
        hessian: np.ndarray = (data_slopes.T * over_data) @ data_slopes + (slopes.T * over_reference) @ slopes
        return hessian

    def linearise(self, free: np.ndarray) -> Linearised:
        """Return the full second derivatives and each event's score."""
        data, data_slopes, reference, slopes = self._samples.slopes(free)
        hessian = self.expected_hessian(free)
        hessian += self._samples.reference.curvature(free, self._shares * sigmoid(reference))
        hessian -= self._samples.data.curvature(free, self._data_shares * sigmoid(-data))
        return Linearised(
            hessian,
            -centred(sigmoid(-data)[:, None] * data_slopes, self._data_shares),
            centred(sigmoid(reference)[:, None] * slopes, self._shares),
            effective_size(tilted(reference, self._shares)),
        )

    def resampled(self, data_counts: np.ndarray, reference_counts: np.ndarray) -> ClassifierLoss:
        """Return the objective with the given counts of each event."""
        return ClassifierLoss(self._samples.resampled(data_counts, reference_counts))


def objective_of(method: Method, samples: Samples) -> Objective:
    """Return the objective of this name.

    Raises
    ------
    ValueError
        if there is none.
    """
    if method == "likelihood_ratio":
        return LikelihoodRatio(samples)
    if method == "classifier_loss":
        return ClassifierLoss(samples)
    raise ValueError(f"there is no method '{method}'; choose likelihood_ratio or classifier_loss")
