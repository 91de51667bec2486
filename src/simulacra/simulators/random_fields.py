r"""A toy: Gaussian and lognormal random fields, whose likelihood is known, to check a learned one.

A Gaussian field g on a periodic grid of n pixels along each axis has the power spectrum

.. math:: P(k) = A \left(\frac{k}{0.5}\right)^{s}, \quad P(0) = P(2 \pi / n)

with the amplitude A, the spectral index s and k in rad per pixel, so that white noise has its variance at each k. A
lognormal field (Coles and Jones, MNRAS 248 (1991) 1) is :math:`\exp(g - \sigma^2 / 2) - 1` with the variance
:math:`\sigma^2` of g: a density contrast. This is no simulation of the sky: N-body planes are in docs/fields.md.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from os import PathLike
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
import xarray as xr
from pydantic import Field, model_validator

from simulacra.conditions import Distribution
from simulacra.events import make_events, variable
from simulacra.settings import CheckedSettings
from simulacra.simulators.simulation import DistributionText, check_seed, fingerprint_of, simulated
from simulacra.store import Chunk, Executor, WriteSummary, write_store

CHUNK_SIZE: Final = 256
VERSION: Final = "1"
#: where the power is the amplitude [rad / pixel]
PIVOT: Final = 0.5
AXES: Final = ("x", "y", "z")


class RandomFieldSettings(CheckedSettings):
    """Settings of random fields.

    ``amplitude`` and ``spectral_index`` are a number, ``uniform:LOW:HIGH`` or ``log:LOW:HIGH``; a field has ``pixels``
    pixels along each of its ``axes``.
    """

    form: Literal["gaussian", "lognormal"] = "gaussian"
    amplitude: DistributionText = "0.3"
    spectral_index: DistributionText = "-1.5"
    pixels: Annotated[int, Field(ge=4, le=4096)] = 64
    axes: Annotated[int, Field(ge=1, le=3)] = 2

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if Distribution.parse(self.amplitude).low <= 0:
            raise ValueError(f"the amplitude must be above 0, not {self.amplitude}")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a field."""
        return (self.pixels,) * self.axes


def power_of(shape: tuple[int, ...], amplitude: np.ndarray, spectral_index: np.ndarray) -> np.ndarray:
    """Return the power of each wave of fields with these parameters, (N,) each, (N, *shape)."""
    k = wave_numbers_of(shape)
    k.flat[0] = 2 * np.pi / max(shape)
    given = (slice(None), *(None,) * len(shape))
    return np.asarray(np.asarray(amplitude)[given] * (k / PIVOT) ** np.asarray(spectral_index)[given])


def wave_numbers_of(shape: tuple[int, ...]) -> np.ndarray:
    """Return the length of the wave vector of each of Fourier's waves, of the shape of the grid, [rad / pixel]."""
    axes = np.meshgrid(*(2 * np.pi * np.fft.fftfreq(n) for n in shape), indexing="ij")
    return np.asarray(np.sqrt(sum(k**2 for k in axes)))


def refuse_impossible(fields: np.ndarray, seen: np.ndarray | None = None) -> None:
    """Refuse lognormal fields, (N, n, ...), with a value of -1 or less where they are ``seen``, of the same shape.

    Raises
    ------
    ValueError
        with the place of the first such pixel.
    """
    wrong = fields <= -1 if seen is None else (fields <= -1) & seen
    if wrong.any():
        row, *pixel = (int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"field {row} is {fields[(row, *pixel)]:g} in pixel {tuple(pixel)}: a lognormal field is above -1 "
            "everywhere"
        )


def log_likelihood(
    field: np.ndarray,
    amplitude: np.ndarray,
    spectral_index: np.ndarray,
    form: str = "gaussian",
    observed: np.ndarray | None = None,
) -> np.ndarray:
    """Return the exact log-density of fields (N, n, ...) at parameters (N,) each, (N,).

    ``observed``, (N, n, ...), is true where a pixel is observed: the log-density is then that of these pixels. With K
    the inverse of the covariance of all pixels, the hidden ones h have the precision K_hh given the observed ones o,
    and

    .. math:: p(o) = p(o, h) / p(h | o)

    at any h. A field takes a matrix of the number of hidden pixels squared.
    """
    field = np.asarray(field, dtype=np.float64)
    axes = tuple(range(1, field.ndim))
    power = power_of(field.shape[1:], amplitude, spectral_index)
    seen = np.ones(field.shape, dtype=bool) if observed is None else np.asarray(observed, dtype=bool)
    volume = np.zeros(len(field))
    if form == "lognormal":
        refuse_impossible(field, seen)
        logarithm = np.log1p(np.where(seen, field, 0.0))
        volume = -logarithm.sum(axis=axes)
        field = logarithm + power.mean(axis=axes, keepdims=True) / 2
    field = np.where(seen, field, 0.0)
    waves = np.fft.fftn(field, axes=axes)
    squares = np.abs(waves) ** 2 / np.prod(field.shape[1:])
    found = volume - 0.5 * (squares / power + np.log(2 * np.pi * power)).sum(axis=axes)
    if observed is not None:
        filtered = np.fft.ifftn(waves / power, axes=axes).real
        kernels = np.fft.ifftn(1 / power, axes=axes).real
        found += [_log_hidden(*one) for one in zip(seen, filtered, kernels, strict=True)]
    return np.asarray(found)


def _log_hidden(seen: np.ndarray, filtered: np.ndarray, kernel: np.ndarray) -> float:
    """Return minus the log-density of hidden pixels that are 0, given the observed ones.

    ``filtered`` is K times the field with hidden pixels of 0, and ``kernel`` a row of K, (n, ...) each.
    """
    places = np.argwhere(~seen)
    precision = kernel[tuple(np.moveaxis((places[:, None] - places) % seen.shape, -1, 0))]
    force = filtered[~seen]
    pull = force @ np.linalg.solve(precision, force)
    return float(0.5 * (pull - np.linalg.slogdet(precision)[1] + len(places) * np.log(2 * np.pi)))


def fisher_information(shape: tuple[int, ...]) -> np.ndarray:
    """Return the Fisher matrix of ln A and s of one Gaussian field, (2, 2), which is the same for all A and s.

    It is half the sum over waves of the products of the derivatives of ln P.
    """
    k = wave_numbers_of(shape)
    k.flat[0] = 2 * np.pi / max(shape)
    slopes = np.stack([np.ones(k.size), np.log(k / PIVOT).ravel()])
    return np.asarray(0.5 * slopes @ slopes.T)


@dataclass(frozen=True)
class RandomFieldTask:
    """Makes a chunk; a pure function of the settings, the seed and the chunk."""

    settings: RandomFieldSettings
    seed: int

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        """Return the fields of a chunk: an event depends on the seed and its index only."""
        begin, settings = time.process_time(), self.settings
        n = chunk.stop - chunk.start
        drawn = {name: np.empty(n) for name in ("amplitude", "spectral_index")}
        noise = np.empty((n, *settings.shape))
        for row, event in enumerate(range(chunk.start, chunk.stop)):
            rng = np.random.default_rng([self.seed, event])
            for name, column in drawn.items():
                column[row] = Distribution.parse(getattr(settings, name)).draw(1, rng)[0]
            noise[row] = rng.normal(size=settings.shape)
        drawn = {name: column.astype(np.float32) for name, column in drawn.items()}
        axes = tuple(range(1, noise.ndim))
        power = power_of(settings.shape, *(column.astype(np.float64) for column in drawn.values()))
        field = np.fft.ifftn(np.fft.fftn(noise, axes=axes) * np.sqrt(power), axes=axes).real
        if settings.form == "lognormal":
            field = np.expm1(field - power.mean(axis=axes, keepdims=True) / 2)
        names = AXES[: settings.axes]
        places = {
            name: xr.Variable(name, np.arange(settings.pixels, dtype=np.float64), {"units": "1", "long_name": "pixel"})
            for name in names
        }
        return make_events(
            {
                "field": variable(
                    field.astype(np.float32), *names, units="1", long_name=f"{settings.form} field", role="feature"
                ),
                "amplitude": variable(
                    drawn["amplitude"], units="1", long_name="amplitude of the power spectrum", role="condition"
                ),
                "spectral_index": variable(
                    drawn["spectral_index"], units="1", long_name="index of the power spectrum", role="condition"
                ),
                **places,
            },
            simulator=f"{settings.form} random fields",
            simulator_version=VERSION,
            seed=self.seed,
            settings=settings.model_dump(),
            seconds_per_event=(time.process_time() - begin) / n,
            first_event=chunk.start,
        )


def write_random_fields(
    path: str | PathLike[str],
    settings: RandomFieldSettings,
    *,
    seed: int,
    n_events: int,
    workers: int | Executor = 1,
    chunk_size: int = CHUNK_SIZE,
    progress: bool = True,
    overwrite: bool = False,
) -> WriteSummary:
    """Write random fields into a Zarr store; a killed run can continue. The fields do not depend on ``workers``.

    Raises
    ------
    ValueError
        if the seed is negative.
    StoreError
        if the store cannot be written.
    """
    check_seed(seed)
    return write_store(
        path,
        RandomFieldTask(settings, seed),
        n_events=n_events,
        chunk_size=chunk_size,
        workers=workers,
        fingerprint=fingerprint_of("random fields", settings.model_dump() | {"version": VERSION}, seed),
        progress=progress,
        label="random fields",
        overwrite=overwrite,
        bytes_per_event=4 * settings.pixels**settings.axes,
    )


def simulate_random_fields(
    settings: RandomFieldSettings,
    *,
    seed: int,
    n_events: int,
    path: str | PathLike[str] | None = None,
    workers: int = 1,
    chunk_size: int = CHUNK_SIZE,
    progress: bool = False,
) -> xr.Dataset:
    """Return random fields: lazily from the store at ``path``, or in memory without one."""
    options: dict[str, Any] = {"workers": workers, "chunk_size": chunk_size, "progress": progress}
    return simulated(write_random_fields, settings, path, seed=seed, n_events=n_events, **options)
