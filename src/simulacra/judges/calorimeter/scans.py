"""The response of a generator to its conditions: at fixed noise, and beyond the trained range."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.judges.case import SamplesEvents
from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.observables import observe
from simulacra.statistics.distances.profiles import Profile, profile
from simulacra.wording import with_error

NOISES: Final = 5
ENERGY_POINTS: Final = 25
POSITION_POINTS: Final = 17
IMAGES: Final = 5
EVENTS_A_POINT: Final = 200
INSIDE_POINTS: Final = 7
BEYOND: Final = (0.5, 0.7, 1.25, 1.5, 2.0)


@dataclass(frozen=True)
class Scan:
    """One condition varied at fixed noise, for several noises.

    Attributes
    ----------
    values:
        of the condition, (P,).
    observables:
        (noises, P) each, by name.
    image_values, images:
        values of the condition with stored showers of the first noise, (K,), and these showers, (K, n_cells) [MeV].
    """

    condition: str
    values: np.ndarray
    observables: Mapping[str, np.ndarray]
    image_values: np.ndarray
    images: np.ndarray


@dataclass(frozen=True)
class Extrapolation:
    """Energy response and fractions at fixed energies inside and beyond the trained range.

    Attributes
    ----------
    energies:
        (P,) [GeV].
    outside:
        whether they are beyond the trained range, (P,).
    trained:
        the range.
    profiles:
        by observable, with one bin per energy.
    """

    energies: np.ndarray
    outside: np.ndarray
    trained: tuple[float, float]
    profiles: Mapping[str, Profile]


@dataclass(frozen=True)
class Scanned:
    """The response of a generator to its conditions; without extrapolation if it was trained at one energy."""

    scans: tuple[Scan, ...]
    extrapolation: Extrapolation | None


def judge_generator(generator: SamplesEvents, truth: Sample, *, seed: int) -> tuple[list[Finding], Scanned]:
    """Return the findings of scans of the generator's conditions; a condition with one value is not scanned."""
    findings: list[Finding] = []
    scans: list[Scan] = []
    extrapolation = None
    moving = {name for name, (low, high) in generator.trained_range.items() if high > low}
    if "incident_energy" in moving:
        finding, scan = judge_energy_scan(generator, seed=seed)
        beyond, extrapolation = judge_extrapolation(generator, seed=seed)
        findings += [finding, beyond]
        scans.append(scan)
    for condition in ("impact_x", "impact_y"):
        if condition in moving:
            finding, scan = judge_position_scan(generator, truth, condition, seed=seed)
            findings.append(finding)
            scans.append(scan)
    return findings, Scanned(tuple(scans), extrapolation)


def judge_energy_scan(generator: SamplesEvents, *, seed: int) -> tuple[Finding, Scan]:
    """Scan the incident energy at fixed noise: total energy should rise with every step."""
    low, high = generator.trained_range["incident_energy"]
    scan = _scan(generator, "incident_energy", np.geomspace(low, high, ENERGY_POINTS), seed)
    rises = np.mean(np.diff(scan.observables["total_energy"], axis=1) > 0, axis=1)
    value, error = float(rises.mean()), float(rises.std(ddof=1) / np.sqrt(len(rises)))
    finding = Finding.of(
        "energy_scan",
        "total_energy",
        (value, error),
        (0, scan.observables["total_energy"].size),
        f"At fixed noise the total energy rises with the incident energy in {with_error(value, error, '%')} of the "
        f"steps from {low:.3g} to {high:.3g} GeV.",
    )
    return finding, scan


def judge_position_scan(generator: SamplesEvents, truth: Sample, condition: str, *, seed: int) -> tuple[Finding, Scan]:
    """Scan ``impact_x`` or ``impact_y`` at fixed noise: the shower's centre should follow with the truth's slope."""
    scan = _scan(generator, condition, np.linspace(*generator.trained_range[condition], POSITION_POINTS), seed)
    direction = "eta" if condition == "impact_x" else "phi"
    energies = [name for name in truth.observables if name.startswith("energy_") and name[7:].isdigit()]
    section = max(energies, key=lambda name: float(truth.observables[name].mean()))[7:]
    centre = f"{direction}_centre_{section}"
    slopes = np.array([np.polyfit(scan.values, row, 1)[0] for row in scan.observables[centre]])
    value, error = float(slopes.mean()), float(slopes.std(ddof=1) / np.sqrt(len(slopes)))
    truth_value, truth_error = _slope(truth.conditions.get(condition), truth.observables[centre])
    beside = (
        "" if truth_value is None else f"; {truth.label}'s follows with {with_error(truth_value, truth_error or 0.0)}"
    )
    finding = Finding.of(
        "position_scan",
        centre,
        (value, error, truth_value, truth_error),
        (0 if truth_value is None else len(truth), scan.observables[centre].size),
        f"At fixed noise the shower's centre in section {section} follows {condition} with a slope of "
        f"{with_error(value, error)}{beside}.",
    )
    return finding, scan


def judge_extrapolation(generator: SamplesEvents, *, seed: int) -> tuple[Finding, Extrapolation]:
    """Generate at fixed energies, inside and beyond the trained range, and compare the responses."""
    low, high = generator.trained_range["incident_energy"]
    inside = np.geomspace(low, high, INSIDE_POINTS)
    beyond = np.array([low * f if f < 1 else high * f for f in BEYOND])
    energies = np.sort(np.concatenate([inside, beyond]))
    column = np.repeat(energies, EVENTS_A_POINT)
    observed = observe(_sample(generator, len(column), seed, fixed_noise=False, incident_energy=column))
    names = ["energy_response", *(str(n) for n in observed.data_vars if str(n).startswith("energy_fraction_"))]
    edges = np.concatenate([[0.0], (energies[1:] + energies[:-1]) / 2, [2 * energies[-1]]])
    profiles = {name: profile(column, observed[name].values, np.ones(len(column)), edges) for name in names}

    response = profiles["energy_response"]
    last, edge = len(energies) - 1, int(np.argmin(np.abs(energies - high)))
    value = float(response.mean[last] / response.mean[edge] - 1)
    error = float(np.hypot(response.mean_error[last], response.mean_error[edge]) / response.mean[edge])
    finding = Finding.of(
        "extrapolation",
        "energy_response",
        (value, error),
        (0, len(column)),
        f"Extrapolation: at {energies[last]:.3g} GeV, beyond the trained {low:.3g} to {high:.3g} GeV, the energy "
        f"response differs by {with_error(value, error, '%')} from that at {high:.3g} GeV.",
        region=f"incident_energy {energies[last]:.3g} GeV",
        extrapolated=True,
    )
    outside = (energies < low * (1 - 1e-9)) | (energies > high * (1 + 1e-9))
    return finding, Extrapolation(energies, outside, (low, high), profiles)


def _scan(generator: SamplesEvents, condition: str, values: np.ndarray, seed: int) -> Scan:
    kept = np.linspace(0, len(values) - 1, IMAGES).round().astype(int)
    rows: dict[str, list[np.ndarray]] = {}
    images = np.zeros((0, 0))
    for noise in range(NOISES):
        events = _sample(generator, len(values), seed + noise, fixed_noise=True, **{condition: values})
        if noise == 0:
            images = events["shower"].values[kept]
        for name, array in observe(events).data_vars.items():
            rows.setdefault(str(name), []).append(array.values)
    return Scan(condition, values, {name: np.stack(row) for name, row in rows.items()}, values[kept], images)


def _sample(generator: SamplesEvents, n: int, seed: int, *, fixed_noise: bool, **moved: np.ndarray) -> xr.Dataset:
    """Return events with the other conditions in the middle of their ranges."""
    conditions: dict[str, Any] = {}
    for name, (low, high) in generator.trained_range.items():
        conditions[name] = moved.get(name, float(np.sqrt(low * high) if low > 0 else (low + high) / 2))
    with warnings.catch_warnings():
        # The report itself marks values beyond the trained range.
        warnings.simplefilter("ignore", UserWarning)
        return generator.sample(n, seed=seed, fixed_noise=fixed_noise, **conditions)


def _slope(condition: np.ndarray | None, centre: np.ndarray) -> tuple[float | None, float | None]:
    if condition is None or np.ptp(condition) == 0:
        return None, None
    coefficients, covariance = np.polyfit(condition, centre, 1, cov=True)
    return float(coefficients[0]), float(np.sqrt(covariance[0, 0]))
