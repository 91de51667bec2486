"""Calorimeter plots: mean images; response, resolution and energy fractions against energy."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final

import numpy as np

from simulacra.geometry import CalorimeterGeometry
from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.statistics.distances.divisions import Divisions, Replicates, p_value
from simulacra.statistics.distances.profiles import Profile, bin_edges, profile
from simulacra.statistics.distances.two_sample import Scores
from simulacra.wording import with_error

NULL_REPLICATES: Final = 100
# Cells that are summed at once: a copy of all cells of all showers might not fit into the memory.
COLUMNS: Final = 128


@dataclass(frozen=True)
class MeanImages:
    """Mean energy of each cell and its statistical error, (n_cells,) each, [MeV]."""

    truth: np.ndarray
    truth_error: np.ndarray
    generated: np.ndarray
    generated_error: np.ndarray


@dataclass(frozen=True)
class EnergyProfiles:
    """One quantity against the incident energy, in both samples."""

    quantity: str
    long_name: str
    edges: np.ndarray
    truth: Profile
    generated: Profile


@dataclass(frozen=True)
class ShowerEvidence:
    """The data for the figures of a report on showers."""

    geometry: CalorimeterGeometry
    images: MeanImages
    profiles: tuple[EnergyProfiles, ...]


def judge_showers(
    truth: Sample, generated: Sample, pool: Sample, replicates: Replicates
) -> tuple[list[Finding], ShowerEvidence]:
    """Compare mean images, response, resolution and energy fractions.

    Parameters
    ----------
    truth, generated:
        the two samples of showers.
    pool:
        the truth events of ``replicates.halves``: the truth itself, or with further truth.
    replicates:
        for the weights of truth and generated showers.
    """
    if truth.geometry is None:
        raise ValueError("mean images need the detector of showers")
    findings, images = _judge_images(truth, generated, pool, replicates)
    edges = bin_edges(truth.conditions["incident_energy"], generated.conditions["incident_energy"])
    profiles: list[EnergyProfiles] = []
    if len(edges):
        quantities = ["energy_response"]
        quantities += [name for name in truth.observables if name.startswith("energy_fraction_")]
        profiles = [_profiles(name, truth, generated, edges) for name in (*quantities, "shower_depth")]
        findings += _judge_response(profiles[0], truth, generated, pool, replicates)
    return findings, ShowerEvidence(truth.geometry, images, tuple(profiles))


def _profiles(name: str, truth: Sample, generated: Sample, edges: np.ndarray) -> EnergyProfiles:
    both = (
        profile(sample.conditions["incident_energy"], sample.observables[name], sample.weights, edges)
        for sample in (truth, generated)
    )
    return EnergyProfiles(name, truth.long_names[name], edges, *both)


def _judge_response(
    response: EnergyProfiles, truth: Sample, generated: Sample, pool: Sample, replicates: Replicates
) -> list[Finding]:
    """Return the largest deviations of mean response and of resolution from the truth's, over bins of energy."""
    chance = _chance_deviations(response.edges, pool, replicates.halves)
    findings = []
    for column, (judge, noun) in enumerate(
        (("response_linearity", "mean energy response"), ("energy_resolution", "energy resolution"))
    ):
        deviation, error = (_mean_deviation, _width_deviation)[column](response.truth, response.generated)
        worst = int(np.argmax(np.abs(deviation)))
        low, high = response.edges[worst], response.edges[worst + 1]
        value, uncertainty = float(abs(deviation[worst])), float(error[worst])
        by_chance, spread = float(chance[column].mean()), float(chance[column].std(ddof=1))
        sign = "above" if deviation[worst] > 0 else "below"
        findings.append(
            Finding.of(
                judge,
                "energy_response",
                (value, uncertainty, by_chance, spread, p_value(value, chance[column])),
                (len(truth), len(generated)),
                f"The {noun} differs most from {truth.label}'s from {low:.3g} to {high:.3g} GeV, where it is "
                f"{with_error(value, uncertainty, '%')} {sign} it; the largest such difference "
                f"between two {truth.label} samples is {with_error(by_chance, spread, '%')}.",
                region=f"incident_energy {low:.3g} to {high:.3g} GeV",
                details={
                    "edges": response.edges.tolist(),
                    "deviation": deviation.tolist(),
                    "uncertainty": error.tolist(),
                },
            )
        )
    return findings


def _mean_deviation(truth: Profile, generated: Profile) -> tuple[np.ndarray, np.ndarray]:
    """Return the ratio of means, generated over truth, minus 1, with its error, (bins,) each."""
    return _relative(generated.mean, generated.mean_error, truth.mean, truth.mean_error)


def _width_deviation(truth: Profile, generated: Profile) -> tuple[np.ndarray, np.ndarray]:
    """Return the same for the resolutions, width over mean."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = generated.width / generated.mean, truth.width / truth.mean
        return _relative(a, generated.width_error / generated.mean, b, truth.width_error / truth.mean)


def _relative(a: np.ndarray, a_error: np.ndarray, b: np.ndarray, b_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a / b - 1 and its error; 0 if both are 0 or undefined."""
    fine = np.isfinite(a) & np.isfinite(b) & (b > 0)
    ratio = np.divide(a, b, out=np.ones_like(b), where=fine)
    error = np.divide(np.hypot(a_error, ratio * b_error), b, out=np.zeros_like(b), where=fine)
    return ratio - 1, error


def _chance_deviations(edges: np.ndarray, pool: Sample, halves: Divisions) -> np.ndarray:
    """Return the largest deviations of mean and resolution between samples of truth, (2, replicates)."""
    energy, response = pool.conditions["incident_energy"], pool.observables["energy_response"]
    largest = []
    for first, second in zip(halves.first[:NULL_REPLICATES], halves.second[:NULL_REPLICATES], strict=True):
        # An empty bin would divide by 0.
        one, two = (
            profile(energy, response, halves.weights * counts[halves.blocks] + 1e-12 / len(pool), edges)
            for counts in (first, second)
        )
        largest.append([np.abs(_mean_deviation(one, two)[0]).max(), np.abs(_width_deviation(one, two)[0]).max()])
    return np.asarray(np.sqrt(halves.shrink) * np.array(largest).T)


def _judge_images(
    truth: Sample, generated: Sample, pool: Sample, replicates: Replicates
) -> tuple[list[Finding], MeanImages]:
    """Return the share of the energy in different cells of the mean images, and the images."""
    if truth.cells is None or generated.cells is None or pool.cells is None:
        raise ValueError("mean images need the cells of showers")
    sums = _block_images(replicates.exchange, truth.cells, generated.cells)
    exchanged, bootstrapped = (_misplaced(d, sums) for d in (replicates.exchange, replicates.bootstrap))
    halves = replicates.halves
    chance = np.sqrt(halves.shrink) * _misplaced(halves, _block_images(halves, pool.cells))
    images = MeanImages(*_mean_and_error(truth), *_mean_and_error(generated))
    value = float(_share_apart(images.truth[None], images.generated[None])[0])
    found = Scores(value, value, exchanged, bootstrapped, chance).distance
    ours, theirs = (
        with_error(one, error, "%")
        for one, error in ((value, found.uncertainty), (found.truth_value, found.truth_uncertainty))
    )
    finding = Finding.of(
        "misplaced_energy",
        "mean_image",
        astuple(found),
        (len(truth), len(generated)),
        f"The generated mean shower has {ours} of its energy in other cells than {truth.label}'s; {truth.label} "
        f"against itself {theirs}.",
    )
    return [finding], images


def _mean_and_error(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    if sample.cells is None:
        raise ValueError("mean images need the cells of showers")
    share = sample.weights / sample.weights.sum()
    cells = sample.cells.astype(np.float64)
    mean = share @ cells
    return mean, np.sqrt(np.maximum(share**2 @ (cells - mean) ** 2, 0))


def _block_images(divisions: Divisions, *cells: np.ndarray) -> np.ndarray:
    """Return the weighted sum of the cells (K, n_cells), given in one or two parts, over each block: (B, n_cells)."""
    n_cells = cells[0].shape[1]
    columns = (slice(at, at + COLUMNS) for at in range(0, n_cells, COLUMNS))
    return np.concatenate(
        [divisions.block_sums(np.concatenate([part[:, some] for part in cells])) for some in columns], axis=1
    )


def _misplaced(divisions: Divisions, sums: np.ndarray) -> np.ndarray:
    """Return the misplaced energy of each replicate, (R,), with the blocks' sums, (B, n_cells)."""
    first, second = divisions.coefficients()
    return _share_apart(first @ sums, second @ sums)


def _share_apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return half the sum of differences between the shares of energy in the cells, (R,): 0 to 1."""
    totals = first.sum(axis=1, keepdims=True), second.sum(axis=1, keepdims=True)
    a, b = (np.divide(i, t, out=np.zeros_like(i), where=t > 0) for i, t in zip((first, second), totals, strict=True))
    return np.asarray(0.5 * np.abs(a - b).sum(axis=1))
