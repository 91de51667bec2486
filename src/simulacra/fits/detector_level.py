r"""Fits of particle-level parameters to detector-level data: SRGN in its nested form (arXiv:2010.03569).

Every simulated event is known at two levels: as particles and behind the detector. Its weight w(x_P, theta) is computed
from the particles, where theta acts. A classifier g sees the detector level, where the data are. The estimate is

.. math:: \hat\theta = \arg\max_\theta \min_g \left[ -\langle\log g(x_D)\rangle_{data}
          - \langle w(x_P, \theta) \log(1 - g(x_D))\rangle_{simulation} \right]

with weights scaled to a sum of 1: the theta whose weighted simulation the best g cannot tell from data.

**Derivatives.** At the best g the loss is stationary in g, so its slope in theta comes only from the weights (the
envelope theorem). For a logistic g all second derivatives are known as well, and with them the score of each event in
the pair (theta, g): the sandwich covers the fluctuations of data and simulation, and the response of g to them.

**Overfitting.** g is trained and evaluated on the same N data and M simulated events. With D parameters its loss is
lower than that of the truth by about D / 4 (1 / N + 1 / M), the same at every theta. A constant does not move the
maximum: near the truth the loss is 2 log 2 minus a quarter of the squared distance between the mean features of data
and weighted simulation, in units of their covariance. Maximising it is a generalised method of moments with optimal
weights, unbiased to first order in 1 / N for any D.

The other form uses one detector-level classifier with theta as an input, trained on weighted events. It is ``fit`` with
its log ratio and the classifier loss. The naive fit is ``fit`` with a particle-level log ratio and detector-level data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulacra.fits.derivatives import LogRatios, log_ratios
from simulacra.fits.discriminators import Discriminator, LogisticDiscriminator, Separation
from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.errors import FitError
from simulacra.fits.fit import Precision, fit_with
from simulacra.fits.log_ratio import LogRatio, ParameterSpace, parameter_space
from simulacra.fits.objective import About, Linearised, Objective
from simulacra.fits.result import Fit
from simulacra.fits.tilting import centred, tilted
from simulacra.statistics.distances.two_sample import effective_size
from simulacra.statistics.logistic import sigmoid


@dataclass(frozen=True)
class SimulatedPairs:
    """Simulated events at the reference parameters, at both levels.

    Attributes
    ----------
    particles:
        embedded by the particle-level ensemble, (M, L), with the simulation's weights.
    detector:
        features behind the detector, (M, D), of the same events as ``particles``.
    """

    particles: EmbeddedEvents
    detector: EmbeddedEvents

    def __post_init__(self) -> None:
        if len(self.particles) != len(self.detector):
            raise ValueError(
                f"{len(self.particles)} events at particle level, {len(self.detector)} behind the detector; "
                "pair them by their event index"
            )


class NestedLoss:
    """Minus the loss of the best g, as a function of the free parameters; minimal where g separates worst.

    Parameters
    ----------
    particles:
        log ratios of the simulated events from their particles.
    data, simulation:
        standardised features, (N, D) and (M, D); the last one is constant 1.
    data_weights:
        (N,), with a positive sum.
    discriminator:
        the family of g.
    """

    def __init__(
        self,
        particles: LogRatios,
        data: np.ndarray,
        simulation: np.ndarray,
        data_weights: np.ndarray,
        discriminator: Discriminator,
    ) -> None:
        self._particles = particles
        self._data, self._simulation = data, simulation
        self._data_weights = data_weights
        self._data_shares = data_weights / data_weights.sum()
        self._shares = particles.events.shares
        self._discriminator = discriminator
        self._g: Separation | None = None
        self._values_at: tuple[bytes, np.ndarray, Separation] | None = None
        self._slopes_at: tuple[bytes, np.ndarray, np.ndarray] | None = None
        self.about = About(
            "nested_detector_level",
            particles.space,
            len(data),
            len(simulation),
            effective_size(data_weights),
            is_likelihood=False,
        )

    def _separate(self, free: np.ndarray) -> tuple[np.ndarray, Separation]:
        """Return the normalised weights of the simulation at theta, (M,), and the best g against it."""
        key = np.asarray(free, dtype=np.float64).tobytes()
        if self._values_at is None or self._values_at[0] != key:
            known = self._slopes_at is not None and self._slopes_at[0] == key
            ratios = self._slopes_at[1] if known and self._slopes_at else self._particles.values(free)
            shares = tilted(ratios, self._shares)
            start = None if self._g is None else self._g.parameters
            self._g = self._discriminator.separate(self._data, self._data_shares, self._simulation, shares, start)
            self._values_at = (key, shares, self._g)
        return self._values_at[1], self._values_at[2]

    def _slopes(self, free: np.ndarray) -> np.ndarray:
        """Return the derivatives of the log ratios, (M, F)."""
        key = np.asarray(free, dtype=np.float64).tobytes()
        if self._slopes_at is None or self._slopes_at[0] != key:
            self._slopes_at = (key, *self._particles.slopes(free))
        return self._slopes_at[2]

    def value(self, free: np.ndarray) -> float:
        """Return minus the lowest loss."""
        return -self._separate(free)[1].loss

    def gradient(self, free: np.ndarray) -> np.ndarray:
        """Return its derivatives, (F,), by the envelope theorem."""
        shares, g = self._separate(free)
        penalised = np.logaddexp(0.0, g.simulation_log_odds)
        return self._particles.slope(free, -shares * (penalised - shares @ penalised))

    def expected_hessian(self, free: np.ndarray) -> np.ndarray | None:
        """Return the second derivatives, (F, F), due to the response of g to theta; None for a general g."""
        slopes = self._slopes(free)
        shares, g = self._separate(free)
        if g.curvature is None:
            return None
        mixed = self._mixed(slopes, shares, g)
        return np.asarray(mixed.T @ np.linalg.solve(g.curvature, mixed))

    def _mixed(self, slopes: np.ndarray, shares: np.ndarray, g: Separation) -> np.ndarray:
        """Return the derivatives of the loss by g's parameters and theta, (D, F)."""
        mixed: np.ndarray = (self._simulation.T * sigmoid(g.simulation_log_odds)) @ centred(slopes, shares)
        return mixed

    def linearise(self, free: np.ndarray) -> Linearised:
        """Return the objective around its minimum, with the optimal parameters of g.

        Raises
        ------
        FitError
            for a general g, whose second derivatives are not known.
        """
        slopes = self._slopes(free)
        shares, g = self._separate(free)
        if g.curvature is None:
            raise FitError("a general discriminator cannot be linearised; choose Precision(errors='bootstrap')")
        mixed = self._mixed(slopes, shares, g)
        penalised = np.logaddexp(0.0, g.simulation_log_odds)
        mean_slope, mean_loss = shares @ slopes, shares @ penalised
        apart, excess = slopes - mean_slope, penalised - mean_loss
        # Second derivatives of the weighted mean of -log(1 - g) at fixed g, by theta alone.
        direct = (apart.T * (shares * excess)) @ apart + self._particles.curvature(free, shares * excess)
        answer = np.linalg.solve(g.curvature, mixed)
        hessian = mixed.T @ answer - direct
        on_data = centred(-sigmoid(-g.data_log_odds)[:, None] * self._data, self._data_shares)
        on_simulation = centred(sigmoid(g.simulation_log_odds)[:, None] * self._simulation, shares)
        own = centred(excess[:, None] * apart, shares)
        return Linearised(hessian, on_data @ answer, on_simulation @ answer - own, effective_size(shares))

    def resampled(self, data_counts: np.ndarray, reference_counts: np.ndarray) -> NestedLoss:
        """Return the objective with the given counts of each event."""
        data, simulation = np.flatnonzero(data_counts), np.flatnonzero(reference_counts)
        particles = self._particles
        other = NestedLoss(
            LogRatios(particles.members, particles.events.reweighted(reference_counts), particles.space),
            self._data[data],
            self._simulation[simulation],
            (self._data_weights * data_counts)[data],
            self._discriminator,
        )
        other._g = self._g
        return other


def fit_detector_level(
    members: Sequence[LogRatio],
    data: EmbeddedEvents,
    simulation: SimulatedPairs,
    *,
    discriminator: Discriminator | None = None,
    squares: bool = True,
    free: Sequence[str] | None = None,
    fixed: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    precision: Precision | None = None,
) -> Fit:
    """Fit particle-level parameters to detector-level data by the nested form of SRGN.

    Parameters
    ----------
    members:
        the particle-level ensemble.
    data:
        detector-level features, (N, D).
    simulation:
        simulated events at both levels, with the same D features.
    discriminator:
        the family of g; logistic regression by default.
    squares:
        whether the squares of the standardised features are added as features; a logistic g then sees widths.
    free, fixed, start:
        the fitted parameters, the values of the others, and the start values; see ``parameter_space``.
    precision:
        how the uncertainty is computed; a general g needs ``Precision(errors="bootstrap")``.

    Raises
    ------
    ValueError
        if the features of data and simulation differ, or the settings do not fit.
    FitError
        if there is no valid maximum, or no curvature there.
    """
    space = parameter_space(members, free=free, fixed=fixed, start=start)
    on_data, on_simulation = _features(data, simulation.detector, squares=squares)
    family = discriminator or LogisticDiscriminator()

    def build(chosen: Sequence[LogRatio], member: int | None) -> Objective:
        particles = simulation.particles if member is None else simulation.particles.only(member)
        return _nested(chosen, particles, space, on_data, on_simulation, data.weights, family)

    return fit_with(build, members, precision=precision)


def _nested(
    members: Sequence[LogRatio],
    particles: EmbeddedEvents,
    space: ParameterSpace,
    data: np.ndarray,
    simulation: np.ndarray,
    data_weights: np.ndarray,
    family: Discriminator,
) -> NestedLoss:
    return NestedLoss(log_ratios(members, particles, space), data, simulation, data_weights, family)


def _features(data: EmbeddedEvents, simulation: EmbeddedEvents, *, squares: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised features of data, (N, D), and simulation, (M, D); the last one is constant 1."""
    tables = [events.of_member(0).double().cpu().numpy() for events in (data, simulation)]
    for events in (data, simulation):
        if len(events.embeddings) != 1:
            raise ValueError(f"{events.label}: {len(events.embeddings)} tables of features; a discriminator takes one")
    if tables[0].shape[1] != tables[1].shape[1]:
        raise ValueError(
            f"data have {tables[0].shape[1]} features, the simulation behind the detector {tables[1].shape[1]}"
        )
    tables = _standardised(tables)
    if squares:
        tables = _standardised([np.concatenate([table, np.square(table)], axis=1) for table in tables])
    data_table, simulation_table = (np.concatenate([t, np.ones((len(t), 1))], axis=1) for t in tables)
    return data_table, simulation_table


def _standardised(tables: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return features, (N, D) and (M, D), with mean 0 and width 1 in the simulation, without constant ones."""
    mean, width = tables[1].mean(axis=0), tables[1].std(axis=0)
    varied = width > 1e-9 * np.maximum(np.abs(mean), 1e-30)
    if not varied.any():
        raise ValueError(
            "all detector-level features of the simulation are constant; they do not depend on the parameters"
        )
    return [(table[:, varied] - mean[varied]) / width[varied] for table in tables]
