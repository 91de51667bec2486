"""Planted failures: events of a toy with a known distribution, and generators with one known fault.

The toy only tests judges and is not a model of a simulator. Given the incident energy E, log-uniform from 1 to 100 GeV,
eight features have known marginals, joined by a Gaussian copula (correlated normal numbers z, each turned into its
feature by a monotonic function):

    response    Gaussian about 1 with the resolution 10 % / sqrt(E / GeV) + 1 %, in quadrature
    depth       Gaussian about 5 + 0.5 ln(E / GeV)
    width       log-normal, narrower at high energies
    asymmetry   Gaussian about 0
    tail        Student's t with four degrees of freedom
    position    a mixture of five narrow Gaussians at -4, -2, 0, 2, 4 with the shares of SHARES
    deposit     exponential above a sharp threshold of 1 GeV, with a mean excess of 1 + ln(E / GeV) / 5
    fraction    the Gaussian's cumulative distribution of its z: uniform from 0 to 1

A failure changes only the generated events. Truth, generated and training events are independent draws for each seed;
with one seed all failures have the same truth. The sizes of the failures are stated in the titles; they are meant to be
difficult to detect but realistic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr

from simulacra.events import make_events, variable

LOWEST, HIGHEST = 1.0, 100.0  # GeV
MODES: Final = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
SHARES: Final = np.array([0.1, 0.3, 0.2, 0.25, 0.15])
MODE_WIDTH: Final = 0.3
THRESHOLD: Final = 1.0  # GeV
FEATURES: Final[Mapping[str, tuple[str, str]]] = {
    "response": ("1", "response"),
    "depth": ("1", "depth [radiation lengths]"),
    "width": ("mm", "lateral width"),
    "asymmetry": ("1", "asymmetry"),
    "tail": ("1", "heavy-tailed feature"),
    "position": ("mm", "position, five modes"),
    "deposit": ("GeV", "deposit above threshold"),
    "fraction": ("1", "fraction"),
}
NAMES: Final = tuple(FEATURES)
SIGNS: Final = np.array([1, 1, -1, 1, 1, -1, -1, 1])


@dataclass(frozen=True)
class Toy:
    """Events: incident energy [GeV], (N,), and the features by name, (N,) each."""

    energy: np.ndarray
    features: Mapping[str, np.ndarray]

    def take(self, rows: np.ndarray) -> Toy:
        """Return some of the events, or events several times."""
        return Toy(self.energy[rows], {name: values[rows] for name, values in self.features.items()})

    def changed(self, **features: np.ndarray) -> Toy:
        """Return the events with other values of some features."""
        return Toy(self.energy, {**self.features, **features})

    def events(self, seed: int, first_event: int, simulator: str) -> xr.Dataset:
        """Return valid events."""
        variables = {
            "incident_energy": variable(
                self.energy.astype("f4"), units="GeV", long_name="incident energy", role="condition"
            )
        }
        for name, (units, long_name) in FEATURES.items():
            variables[name] = variable(
                self.features[name].astype("f4"), units=units, long_name=long_name, role="feature"
            )
        return make_events(
            variables,
            simulator=simulator,
            simulator_version="1",
            seed=seed,
            settings={"toy": "benchmarks.judges.planted"},
            seconds_per_event=0.0,
            first_event=first_event,
        )


@dataclass(frozen=True)
class Failure:
    """A fault of generated events.

    Attributes
    ----------
    title:
        the fault and its size.
    generate:
        returns n generated events, given training events and a random generator.
    """

    title: str
    generate: Callable[[int, Toy, np.random.Generator], Toy]


def correlations(strength: float = 1.0) -> np.ndarray:
    """Return the correlation matrix of z, (8, 8).

    Its elements are 0.6^|i - j|, with signs of SIGNS and, off the diagonal, times ``strength``.
    """
    number = np.arange(len(NAMES))
    matrix = strength * np.outer(SIGNS, SIGNS) * 0.6 ** np.abs(number[:, None] - number[None])
    np.fill_diagonal(matrix, 1.0)
    return np.asarray(matrix)


def draw_energy(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return incident energies, (n,), [GeV]."""
    return np.asarray(np.exp(rng.uniform(np.log(LOWEST), np.log(HIGHEST), n)))


def draw_toy(energy: np.ndarray, rng: np.random.Generator, *, strength: float = 1.0) -> Toy:
    """Return events of these incident energies [GeV] with correlations of this strength (1 is the truth)."""
    from scipy.stats import norm, t

    z = rng.normal(size=(len(energy), len(NAMES))) @ np.linalg.cholesky(correlations(strength)).T
    share = norm.cdf(z)
    log_energy = np.log(energy)
    return Toy(
        energy,
        {
            "response": 1 + resolution(energy) * z[:, 0],
            "depth": 5 + 0.5 * log_energy + 0.7 * z[:, 1],
            "width": np.exp(2 + 0.3 * z[:, 2] - 0.05 * log_energy),
            "asymmetry": 0.2 * z[:, 3],
            "tail": t.ppf(share[:, 4], 4),
            "position": _mixture_quantile(share[:, 5]),
            "deposit": THRESHOLD - (1 + 0.2 * log_energy) * np.log1p(-np.minimum(share[:, 6], 1 - 1e-12)),
            "fraction": share[:, 7],
        },
    )


def resolution(energy: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the response at incident energies [GeV]."""
    return np.asarray(np.hypot(0.1 / np.sqrt(energy), 0.01))


def draw(name: str, n: int, seed: int) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Return n truth, n generated and n training events, (n,) each, of the failure with this name.

    Raises
    ------
    ValueError
        if there is no such failure.
    """
    if name not in FAILURES:
        raise ValueError(f"no failure is named '{name}'; there are {', '.join(FAILURES)}")
    streams = [np.random.default_rng([seed, stream]) for stream in range(3)]
    truth, training = (draw_toy(draw_energy(n, rng), rng) for rng in streams[:2])
    generated = FAILURES[name].generate(n, training, streams[2])
    return (
        truth.events(seed, 0, "toy truth"),
        generated.events(seed, n, "toy generator"),
        training.events(seed, 2 * n, "toy truth"),
    )


def _mixture_quantile(share: np.ndarray) -> np.ndarray:
    """Return the quantiles of the five modes as if they did not overlap; their tails do by less than 1e-3."""
    from scipy.stats import norm

    edges = np.concatenate([[0.0], np.cumsum(SHARES)])
    mode = np.clip(np.searchsorted(edges, share, side="right") - 1, 0, len(MODES) - 1)
    within = np.clip((share - edges[mode]) / SHARES[mode], 1e-9, 1 - 1e-9)
    return np.asarray(MODES[mode] + MODE_WIDTH * norm.ppf(within))


def _perfect(n: int, _training: Toy, rng: np.random.Generator) -> Toy:
    return draw_toy(draw_energy(n, rng), rng)


def _mean_shift(n: int, training: Toy, rng: np.random.Generator) -> Toy:
    toy = _perfect(n, training, rng)
    return toy.changed(depth=toy.features["depth"] + 0.05 * 0.7)


def _wider_tail(n: int, training: Toy, rng: np.random.Generator) -> Toy:
    from scipy.stats import t

    toy = _perfect(n, training, rng)
    value, start = toy.features["tail"], t.ppf(0.975, 4)
    beyond = np.maximum(np.abs(value) - start, 0.0)
    return toy.changed(tail=value + np.sign(value) * 0.4 * beyond)


def _dropped_mode(n: int, training: Toy, rng: np.random.Generator) -> Toy:
    toy = _perfect(2 * n, training, rng)
    kept = np.flatnonzero(toy.features["position"] > (MODES[0] + MODES[1]) / 2)
    return toy.take(kept[:n])


def _memorised(n: int, training: Toy, rng: np.random.Generator) -> Toy:
    toy = training.take(rng.integers(0, len(training.energy), n))
    noise = {name: v + 0.02 * v.std() * rng.normal(size=n) for name, v in toy.features.items() if name != "deposit"}
    noise["fraction"] = np.clip(noise["fraction"], 0, 1)
    deposit = toy.features["deposit"]
    noise["deposit"] = THRESHOLD + (deposit - THRESHOLD) * np.exp(0.02 * rng.normal(size=n))
    return toy.changed(**noise)


def _broken_correlations(n: int, _training: Toy, rng: np.random.Generator) -> Toy:
    return draw_toy(draw_energy(n, rng), rng, strength=0.9)


def _ignored_condition(n: int, training: Toy, rng: np.random.Generator) -> Toy:
    toy = _perfect(n, training, rng)
    return Toy(rng.permutation(toy.energy), toy.features)


def _wrong_at_high_energy(n: int, training: Toy, rng: np.random.Generator) -> Toy:
    toy = _perfect(n, training, rng)
    high = toy.energy > 80
    return toy.changed(response=toy.features["response"] + 0.5 * high * resolution(toy.energy))


def _contaminated(n: int, training: Toy, rng: np.random.Generator) -> Toy:
    toy = _perfect(n, training, rng)
    other = rng.random(n) < 0.01
    return toy.changed(
        depth=toy.features["depth"] + 2.1 * other,
        width=toy.features["width"] * np.exp(0.6 * other),
    )


def _smeared_threshold(n: int, training: Toy, rng: np.random.Generator) -> Toy:
    toy = _perfect(n, training, rng)
    return toy.changed(deposit=np.abs(toy.features["deposit"] + 0.05 * rng.normal(size=n)))


FAILURES: Final[Mapping[str, Failure]] = {
    "null": Failure("nothing: another draw of the truth", _perfect),
    "mean_shift": Failure("the mean depth is 5 % of its standard deviation (at fixed energy) too large", _mean_shift),
    "wider_tail": Failure("the outermost 5 % of one feature lie 40 % further beyond their quantile", _wider_tail),
    "dropped_mode": Failure("one mode of five, with 10 % of the events, is never made", _dropped_mode),
    "memorised": Failure(
        "training events, drawn with replacement, with noise of 2 % of a standard deviation", _memorised
    ),
    "broken_correlations": Failure(
        "every correlation at fixed energy is 10 % too small, every marginal is right", _broken_correlations
    ),
    "ignored_condition": Failure("the features do not depend on the energy asked for", _ignored_condition),
    "wrong_above_80_gev": Failure(
        "above 80 GeV (5 % of the events) the mean response is half its resolution too large", _wrong_at_high_energy
    ),
    "contamination": Failure(
        "1 % of the events are of another kind, deeper by 2.1 radiation lengths and wider by 82 %", _contaminated
    ),
    "smeared_threshold": Failure(
        "the sharp threshold at 1 GeV is smeared by 0.05 GeV, 1 in 75 events or so below it", _smeared_threshold
    ),
}
