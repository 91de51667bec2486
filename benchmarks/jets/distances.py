r"""Distances of two samples of jets, as the jetnet library defines them (Kansal et al., arXiv:2106.11535, 2211.10295).

* *W1 of mass, particles, energy flow*: 1-Wasserstein distances of the relative mass of the particles' sum; of eta_rel,
  phi_rel and pt_rel of all particles, averaged over the three; of the five prime energy flow polynomials with four
  vertices and four edges, averaged. The polynomials are those of pt_rel, not of shares of the sum (``measure="hadr"``,
  ``beta=1``, ``normed=None`` of the energyflow library).
* *FPD*: the Frechet distance of all 36 polynomials of at most four edges, products included, each over the largest
  absolute value in the truth. It is the intercept, not below 0, of a line in 1/N through the means of 20 draws with
  replacement at ten N from 0.4 n to n. Such draws keep the bias of the sample itself, so that the value for truth
  against truth is above 0: compare values at the same n only.
* *KPD*: the median over ten batches of at most 5,000 jets of the unbiased quadratic MMD with the kernel
  (x.y / F + 1)^4 on the same features; as often below 0 as above for truth against truth.
* *Coverage and MMD* in the energy mover's distance (arXiv:1902.02346, R = 1, beta = 1), of 100 jets of each sample: the
  share of true jets that are nearest to some generated jet, and the mean distance of a true jet to the nearest
  generated one.

The library draws its samples with replacement from whatever there is; here each value is of n jets against n others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
import xarray as xr
from scipy.optimize import linprog, nnls
from scipy.sparse import csr_matrix
from scipy.stats import wasserstein_distance

from simulacra.kinds.jets import CONDITIONS, PARTICLE_VARIABLES
from simulacra.observables.energy_flow import GRAPHS, energy_flow_polynomials
from simulacra.observables.observe import observe
from simulacra.statistics.distances.frechet import frechet_distance

#: the most edges of the polynomials of FPD and KPD, products included
DEGREE: Final = 4
FRECHET_SIZES, FRECHET_DRAWS, SMALLEST_SHARE = 10, 20, 0.4
KERNEL_BATCHES, KERNEL_BATCH = 10, 5_000
MOVED, MOVED_BATCHES = 100, 10
#: rounds that bring the dual potentials of a transport near their best, and their temperatures
TEMPERATURES: Final = (0.3, 0.1, 0.05, 0.03, 0.02, 0.02)
ROUNDS: Final = 4
BLOCK: Final = 2_000
#: rows of a matrix of pairs at a time, which stay in a processor's cache
TILE: Final = 250


def _products() -> tuple[tuple[str, ...], ...]:
    """Return the factors of each polynomial of one to four edges: all multisets of prime ones with that many edges."""
    edges = {name: len(graph) for name, (graph, _) in GRAPHS.items()}
    return tuple(
        chosen
        for many in range(1, DEGREE + 1)
        for chosen in itertools.combinations_with_replacement(edges, many)
        if sum(edges[name] for name in chosen) <= DEGREE
    )


PRODUCTS: Final = _products()
#: positions among these of the five prime polynomials of four vertices and four edges
FOUR_BY_FOUR: Final = tuple(
    place
    for place, chosen in enumerate(PRODUCTS, 1)
    if len(chosen) == 1
    and len(graph := GRAPHS[chosen[0]][0]) == DEGREE
    and len({vertex for edge in graph for vertex in edge}) == DEGREE
)


@dataclass(frozen=True)
class JetSample:
    """What is compared of N jets.

    Attributes
    ----------
    cloud:
        eta_rel, phi_rel, pt_rel of the particles, 0 where there is none, (N, P, 3) float32.
    mass:
        relative mass of the particles' sum, (N,).
    flow:
        the polynomials of at most four edges, (N, 36).
    observables:
        those of :func:`~simulacra.observables.observe.observe` by name, (N,) each, also what is generated of the jet.
    conditions:
        class and transverse momentum [GeV], (N, 2).
    """

    cloud: np.ndarray
    mass: np.ndarray
    flow: np.ndarray
    observables: dict[str, np.ndarray]
    conditions: np.ndarray

    @classmethod
    def of(cls, events: xr.Dataset) -> Self:
        """Return these quantities of jets in relative coordinates."""
        there = events["present"].values
        cloud = np.stack([np.where(there, events[name].values, 0) for name in PARTICLE_VARIABLES], axis=2)
        found = {str(name): column.values for name, column in observe(events).data_vars.items()}
        return cls(
            cloud.astype(np.float32),
            found["relative_mass"],
            np.concatenate([energy_flow(cloud[i : i + BLOCK]) for i in range(0, len(cloud), BLOCK)]),
            found,
            np.column_stack([events[name].values for name in CONDITIONS]).astype(np.float64),
        )

    def __len__(self) -> int:
        return len(self.mass)

    def take(self, rows: np.ndarray) -> JetSample:
        """Return some of the jets."""
        kept = {name: column[rows] for name, column in self.observables.items()}
        return JetSample(self.cloud[rows], self.mass[rows], self.flow[rows], kept, self.conditions[rows])


def energy_flow(cloud: np.ndarray) -> np.ndarray:
    """Return the energy flow polynomials of up to four edges of clouds (N, P, 3), (N, 36); the first has no edges."""
    eta, phi, pt = np.moveaxis(cloud.astype(np.float64), 2, 0)
    distance = np.hypot(eta[:, :, None] - eta[:, None], phi[:, :, None] - phi[:, None])
    prime = energy_flow_polynomials(pt, distance, degree=DEGREE)
    columns = [pt.sum(axis=1), *(np.prod([prime[name] for name in chosen], axis=0) for chosen in PRODUCTS)]
    return np.stack(columns, axis=1)


def w1_mass(truth: JetSample, other: JetSample) -> float:
    """Return W1 of the relative mass."""
    return float(wasserstein_distance(truth.mass, other.mass))


def w1_particles(truth: JetSample, other: JetSample) -> float:
    """Return W1 of the particles' features, averaged over eta_rel, phi_rel and pt_rel."""
    first, second = (one.cloud[one.cloud[..., 2] > 0] for one in (truth, other))
    return float(np.mean([wasserstein_distance(first[:, i], second[:, i]) for i in range(first.shape[1])]))


def w1_energy_flow(truth: JetSample, other: JetSample) -> float:
    """Return W1 of the polynomials of four vertices and four edges, averaged."""
    return float(np.mean([wasserstein_distance(truth.flow[:, i], other.flow[:, i]) for i in FOUR_BY_FOUR]))


def frechet(truth: JetSample, other: JetSample, seed: int = 42) -> float:
    """Return the Frechet physics distance; see the top of this file."""
    tables, rng = _normalised(truth, other), np.random.default_rng(seed)
    n = min(map(len, tables))
    sizes = (1 / np.linspace(1 / (SMALLEST_SHARE * n), 1 / n, FRECHET_SIZES)).astype(int)
    values = []
    for size in sizes:
        drawn = []
        for _ in range(FRECHET_DRAWS):
            moments = [_moments(table, np.bincount(rng.integers(len(table), size=size))) for table in tables]
            drawn.append(float(frechet_distance(*moments[0], *moments[1])))
        values.append(np.mean(drawn))
    # Both the intercept and the slope are bounded below by 0, as in the library.
    (intercept, _), _ = nnls(np.stack([np.ones(len(sizes)), sizes[0] / sizes], axis=1), np.array(values))
    return float(intercept)


def kernel(truth: JetSample, other: JetSample, seed: int = 42) -> np.ndarray:
    """Return the kernel physics distance of each of ten batches, (10,)."""
    tables = [torch.from_numpy(table.astype(np.float32)) for table in _normalised(truth, other)]
    size, values = min(KERNEL_BATCH, *map(len, tables)), []
    for batch in range(KERNEL_BATCHES):
        rng = np.random.default_rng(seed + 1000 * batch)
        x, y = (table[torch.from_numpy(rng.integers(len(table), size=size))] for table in tables)
        own = [float((((one**2).mean(dim=1).double() + 1) ** 4 - 1).sum()) for one in (x, y)]
        within = [_kernel_sum(one, one) - itself for one, itself in zip((x, y), own, strict=True)]
        values.append(sum(within) / (size * (size - 1)) - 2 * _kernel_sum(x, y) / size**2)
    return np.array(values)


def coverage_and_mmd(truth: JetSample, other: JetSample, seed: int = 42) -> tuple[np.ndarray, np.ndarray]:
    """Return coverage and MMD of each of ten batches of 100 jets, (10,) each."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(MOVED_BATCHES):
        real, made = (one.cloud[rng.integers(len(one), size=MOVED)] for one in (truth, other))
        transports = Transports.between(made, real)
        nearest_real = [transports.nearest(transports.row(i))[0] for i in range(MOVED)]
        to_made = [transports.nearest(transports.column(j))[1] for j in range(MOVED)]
        found.append((len(set(nearest_real)) / MOVED, np.mean(to_made)))
    coverage, distance = np.array(found).T
    return coverage, distance


@dataclass(frozen=True)
class Transports:
    """The energy mover's distances of all pairs of two sets of clouds (A, P, 3) and (B, P, 3), computed when needed.

    A lower bound of each, from potentials of the dual problem, spares nearly all of the exact computations when the
    nearest cloud is asked for.
    """

    first: np.ndarray
    second: np.ndarray
    bound: np.ndarray
    known: dict[tuple[int, int], float]

    @classmethod
    def between(cls, first: np.ndarray, second: np.ndarray) -> Self:
        return cls(first, second, lower_bounds(first, second), {})

    def row(self, i: int) -> Iterator[tuple[int, int]]:
        """Return the pairs of a cloud of the first set, that with the lowest bound first."""
        return ((i, int(j)) for j in np.argsort(self.bound[i]))

    def column(self, j: int) -> Iterator[tuple[int, int]]:
        """Return the pairs of a cloud of the second set."""
        return ((int(i), j) for i in np.argsort(self.bound[:, j]))

    def nearest(self, pairs: Iterator[tuple[int, int]]) -> tuple[int, float]:
        """Return the place in the second set of the pair with the smallest distance, and this."""
        best, place = math.inf, -1
        for i, j in pairs:
            if self.bound[i, j] >= best:
                break
            if (i, j) not in self.known:
                self.known[i, j] = energy_movers_distance(self.first[i], self.second[j])
            if self.known[i, j] < best:
                best, place = self.known[i, j], j
        return place, best


def energy_movers_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the least work of turning one jet (P, 3) into another, and the difference of their summed pT."""
    (one, here), (other, there) = (
        (jet[jet[:, 2] > 0, 2].astype(float), jet[jet[:, 2] > 0, :2]) for jet in (first, second)
    )
    cost = np.hypot(*np.moveaxis(here[:, None].astype(float) - there[None], 2, 0))
    surplus = one.sum() - other.sum()
    # What one jet lacks is made at the cost of a way of length R = 1.
    if surplus > 0:
        other, cost = np.append(other, surplus), np.hstack([cost, np.ones((len(one), 1))])
    else:
        one, cost = np.append(one, -surplus), np.vstack([cost, np.ones((1, len(other)))])
    n, m = cost.shape
    flow = np.arange(n * m)
    places = np.concatenate([flow // m, n + flow % m]), np.concatenate([flow, flow])
    sums = csr_matrix((np.ones(2 * n * m), places), shape=(n + m, n * m))
    # One of the conditions follows from the others, and rounding would contradict it.
    wanted = np.concatenate([one, other])[:-1]
    found = linprog(cost.ravel(), A_eq=sums[:-1], b_eq=wanted, method="highs-ds", options={"presolve": False})
    if not found.success:
        raise RuntimeError(f"no transport from one jet to the other: {found.message}")
    return float(found.fun)


def lower_bounds(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return lower bounds of the energy mover's distances of clouds (A, P, 3) and (B, P, 3), (A, B).

    Any potentials with f_i + g_j <= cost_ij bound it by the sum of f over the pT of one jet and g over that of the
    other. Good ones come from a few rounds of Sinkhorn's iteration at falling temperature.
    """
    one, other = (torch.from_numpy(clouds[..., 2]).clamp(min=0) for clouds in (first, second))
    here, there = (torch.from_numpy(clouds[..., :2]) for clouds in (first, second))
    bounds = []
    for pt, place in zip(one, here, strict=True):
        cost = (place[None, :, None] - there[:, None]).square().sum(dim=3).sqrt()
        cost = torch.nn.functional.pad(cost, (0, 1, 0, 1), value=1.0)
        surplus = pt.sum() - other.sum(dim=1)
        a = torch.cat([pt.expand(len(other), -1), (-surplus).clamp(min=0)[:, None]], dim=1)
        b = torch.cat([other, surplus.clamp(min=0)[:, None]], dim=1)
        # Places without pT take part in nothing.
        gone_a, gone_b = torch.where(a > 0, 0.0, torch.inf), torch.where(b > 0, 0.0, torch.inf)
        g = torch.zeros_like(b)
        for temperature in TEMPERATURES:
            for _ in range(ROUNDS):
                f = -temperature * torch.logsumexp((g[:, None] - cost) / temperature + b.log()[:, None], dim=2)
                g = -temperature * torch.logsumexp((f[:, :, None] - cost) / temperature + a.log()[:, :, None], dim=1)
        f = (cost - g[:, None] + gone_b[:, None]).amin(dim=2)
        g = (cost - f[:, :, None] + gone_a[:, :, None]).amin(dim=1)
        f = (cost - g[:, None] + gone_b[:, None]).amin(dim=2)
        bounds.append((a * f).sum(dim=1) + (b * g).sum(dim=1))
    # Rounding in single precision must not make a bound of what is none.
    return torch.stack(bounds).numpy() - 1e-5


def _normalised(truth: JetSample, other: JetSample) -> tuple[np.ndarray, np.ndarray]:
    largest = np.abs(truth.flow).max(axis=0)
    largest[largest == 0] = 1.0
    return truth.flow / largest, other.flow / largest


def _moments(table: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of the rows of a table, each as many times as given."""
    rows = table[: len(times)]
    total = times.sum()
    mean = times @ rows / total
    products = rows.T @ (rows * times[:, None])
    return mean, (products - total * np.outer(mean, mean)) / (total - 1)


def _kernel_sum(x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the sum of (x.y / F + 1)^4 - 1 over all pairs; the 1, which cancels, would cost digits."""
    total, one = 0.0, torch.ones(())
    for rows in x.split(TILE):
        kernel = torch.addmm(one, rows, y.T, alpha=1 / x.shape[1])
        total += float(kernel.square_().square_().sub_(1.0).sum())
    return total
