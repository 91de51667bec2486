"""Small samples of every kind of events that can be judged, the showers aside: jets, images, series, fields, tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from simulacra.events import Role, make_events, variable
from simulacra.formats.jetnet import jet_variable


def events_of(variables: Mapping[str, xr.Variable], seed: int) -> xr.Dataset:
    """Return variables as events of a toy simulator."""
    return make_events(
        dict(variables), simulator="toy", simulator_version="1", seed=seed, settings={}, seconds_per_event=0.0
    )


def number(values: np.ndarray, role: Role = "feature", units: str = "1", name: str = "number") -> xr.Variable:
    """Return one number per event."""
    return variable(values, units=units, long_name=name, role=role)


def array(values: np.ndarray, *dimensions: str) -> xr.Variable:
    """Return an array an event."""
    return variable(values.astype("f4"), *dimensions, units="1", long_name="values", role="feature", signed=True)


def table(n: int, seed: int, *, shift: float = 0.0, weights: np.ndarray | None = None, **more: Any) -> xr.Dataset:
    """Return rows of two Gaussian features, of the first one's mean ``shift``, that follow no condition."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 2))
    variables = {"first": number(values[:, 0] + shift, name="first"), "second": number(values[:, 1], name="second")}
    if weights is not None:
        variables["weight"] = number(weights, "weight")
    return events_of(variables | more, seed)


def images(n: int, seed: int, *, width: float = 1.0) -> xr.Dataset:
    """Return images of 6 x 5 pixels with a spot whose height follows a condition."""
    rng = np.random.default_rng(seed)
    height = rng.uniform(1, 3, n)
    y, x = np.mgrid[-2:3:6j, -2:2:5j]
    spot = np.exp(-(x**2 + y**2) / (2 * width**2))
    values = height[:, None, None] * spot + 0.1 * rng.normal(size=(n, 6, 5))
    return events_of(
        {"image": array(values, "row", "column"), "height": number(height, "condition", "mJy", "height")}, seed
    )


def light_curves(n: int, seed: int, *, memory: float = 0.7) -> xr.Dataset:
    """Return series of 16 times, each value ``memory`` times the one before, and noise that keeps the spread at 1."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, 16))
    values = np.empty_like(noise)
    values[:, 0] = noise[:, 0]
    for time in range(1, 16):
        values[:, time] = memory * values[:, time - 1] + np.sqrt(1 - memory**2) * noise[:, time]
    return events_of({"flux": array(values, "time")}, seed)


def fields(n: int, seed: int, *, smooth: bool = True) -> xr.Dataset:
    """Return fields of 6 x 6 x 6 cells of variance 1, each cell the mean of neighbours along an axis if smooth."""
    values = np.random.default_rng(seed).normal(size=(n, 6, 6, 6))
    if smooth:
        values = (values + np.roll(values, 1, axis=1)) / np.sqrt(2)
    return events_of({"density": array(values, "x", "y", "z")}, seed)


def jets(n: int, seed: int, *, spread: float = 0.1) -> xr.Dataset:
    """Return jets of up to 8 particles in relative coordinates, with the four variables of the jet."""
    rng = np.random.default_rng(seed)
    many = rng.integers(3, 9, n)
    present = np.arange(8) < many[:, None]
    eta, phi = (np.where(present, rng.normal(0, spread, (n, 8)), 0) for _ in range(2))
    pt = np.where(present, -np.sort(-rng.exponential(0.2, (n, 8)), axis=1), 0)
    columns = {
        "eta_rel": eta,
        "phi_rel": phi,
        "pt_rel": pt,
        "jet_pt": rng.uniform(800, 1600, n),
        "jet_eta": rng.normal(size=n),
        "jet_mass": rng.uniform(50, 150, n),
        "particle_number": many,
    }
    variables = {name: jet_variable(values.astype("f4"), name) for name, values in columns.items()}
    return events_of({**variables, "present": jet_variable(present, "present")}, seed)


def variable_stars(
    n: int,
    seed: int,
    *,
    amplitude: float = 1.0,
    error: float = 1.0,
    season: float = 1.0,
    padding: int = 0,
    shuffled: bool = False,
) -> xr.Dataset:
    """Return light curves of 25 to 40 observations in 100 days, with errors, that repeat themselves after a condition.

    Parameters
    ----------
    amplitude, error:
        factors of the curves' amplitudes and of the errors that are stated, but not of those that were made.
    season:
        share of the 100 days in which observations are made.
    padding, shuffled:
        slots beyond those that the longest curve needs, and whether the entries stand in random order.
    """
    rng = np.random.default_rng(seed)
    width = 40
    observed = np.arange(width) < rng.integers(25, width + 1, n)[:, None]
    time = rng.uniform(0, 100 * season, (n, width))
    period, phase = 10 ** rng.uniform(0, 1, n), rng.uniform(0, 1, n)
    angle = 2 * np.pi * (time / period[:, None] + phase[:, None])
    height = rng.uniform(0.3, 0.6, n)[:, None]
    errors = rng.uniform(0.02, 0.08, (n, width))
    curve = 15 + amplitude * height * (np.cos(angle) + 0.4 * np.cos(2 * angle + 1))
    curve += errors * rng.normal(size=(n, width))
    slot = rng.permuted(np.tile(np.arange(width), (n, 1)), axis=1) if shuffled else np.argsort(time, axis=1)

    def along(values: np.ndarray, name: str, role: Role, units: str = "mag", **more: str) -> xr.Variable:
        kept = values if role == "mask" else np.where(observed, values, 0).astype("f4")
        kept = np.pad(np.take_along_axis(kept, slot, axis=1), ((0, 0), (0, padding)))
        return variable(kept, "observation", units=units, long_name=name, role=role, **more)

    return events_of(
        {
            "magnitude": along(curve, "magnitude", "feature"),
            "magnitude_error": along(error * errors, "magnitude error", "uncertainty", of="magnitude"),
            "time": along(time, "time", "coordinate", "day"),
            "observed": along(observed, "whether it was observed", "mask", "1"),
            "period": number(period, "condition", "day", "period"),
        },
        seed,
    )


def masked_fields(n: int, seed: int, *, smooth: bool = True, seen: float = 0.8) -> xr.Dataset:
    """Return fields of 8 x 8 pixels of mean 3, of which a share of about ``seen`` is there, in errors of its own."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 8, 8))
    if smooth:
        values = (values + np.roll(values, 1, axis=1)) / np.sqrt(2)
    there = rng.random((n, 8, 8)) < seen
    mask = variable(there, "x", "y", units="1", long_name="pixel is seen", role="mask")
    return events_of({"density": array(np.where(there, values + 3, 0), "x", "y"), "seen": mask}, seed)


def lists(n: int, seed: int, *, padding: int = 0, spread: float = 1.0) -> xr.Dataset:
    """Return lists of 2 to 6 stars with a mass and two colours, the heaviest first."""
    rng = np.random.default_rng(seed)
    there = np.arange(6) < rng.integers(2, 7, n)[:, None]
    mass = np.where(there, -np.sort(-rng.exponential(size=(n, 6)) * there, axis=1), 0)
    colours = np.where(there[:, :, None], rng.normal(0, spread, (n, 6, 2)), 0)
    there, mass = (np.pad(values, ((0, 0), (0, padding))) for values in (there, mass))
    colours = np.pad(colours, ((0, 0), (0, padding), (0, 0)))
    mask = variable(there, "star", units="1", long_name="whether there is a star", role="mask")
    return events_of({"mass": array(mass, "star"), "colours": array(colours, "star", "band"), "there": mask}, seed)
