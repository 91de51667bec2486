r"""At which of its own parameters a network must be evaluated for an unbiased fit: a map over the box.

No network learns the ratio exactly. For events of :math:`\theta` its best fit is therefore not :math:`\theta` but

.. math:: c^*(\theta) = \arg\max_c \; E_{x|\theta}[\log r(x|c)] - \log E_{ref}[r(x|c)] ,

The spread of an ensemble does not show this shift. If the map :math:`c(\theta)` is known, :math:`r(x|c(\theta))`
instead of :math:`r(x|\theta)` has its best fit at the truth, for all parameters together and for any of them with the
others held at the truth. The shift is a polynomial in the parameters, of an order chosen from the events.
:mod:`simulacra.fits.map_fitting` fits it, with its covariance.

At the reference's parameters the shift is exactly 0, whatever the network has learned: data and reference are then the
same, and so are the derivatives of both terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from simulacra.fits.log_ratio import LinearRatio, LogRatio
from simulacra.fits.polynomials import chebyshev_products

DIGITS = 9
"""Significant digits of a covariance in a file."""


class MapError(ValueError):
    """A map that cannot be used; the message says why."""


@dataclass(frozen=True)
class ParameterMap:
    """The map c(theta) = theta + half width times a polynomial in the relative position of theta, 0 at the reference.

    Attributes
    ----------
    parameters:
        names, (P,).
    low, high:
        the box of the map, (P,), in the parameters' units.
    reference:
        the reference's parameters, (P,).
    powers:
        degree of each parameter in each term, (C, P); no term is constant.
    coefficients:
        of the shift in half widths of the box, (C, P).
    covariance:
        of the coefficients, row by row of the table, (C P, C P).
    lack_of_fit:
        covariance of c, (P, P), in the parameters' units: what the polynomial misses in cells of the box, beyond noise.
    events, reference_events:
        numbers of events used for the fit.
    tried:
        information criterion of each set of terms that was tried; the lowest was chosen.
    made_from:
        identification of the samples, for the record.
    """

    parameters: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    reference: np.ndarray
    powers: np.ndarray
    coefficients: np.ndarray
    covariance: np.ndarray
    lack_of_fit: np.ndarray
    events: int
    reference_events: int
    tried: Mapping[str, float]
    made_from: Mapping[str, Any]

    @property
    def degree(self) -> int:
        """The polynomial's total degree."""
        return int(self.powers.sum(axis=1).max(initial=0))

    def map_tensor(self, theta: Tensor) -> Tensor:
        """Return c, (..., P), at parameters (..., P), differentiable."""
        import torch

        half, table = (torch.from_numpy(a).to(theta.device) for a in ((self.high - self.low) / 2, self.coefficients))
        point = theta.double()
        terms = map_terms(point, self.low, self.high, self.reference, self.powers)
        mapped: Tensor = (point + half * (terms @ table)).to(theta.dtype)
        return mapped

    def at(self, theta: np.ndarray) -> np.ndarray:
        """Return c, (..., P), at parameters (..., P)."""
        import torch

        found: np.ndarray = self.map_tensor(torch.from_numpy(np.asarray(theta, dtype=np.float64))).numpy()
        return found

    def jacobian_at(self, theta: np.ndarray) -> np.ndarray:
        """Return the derivatives of c by theta, (P, P), at parameters (P,)."""
        import torch

        point = torch.from_numpy(np.asarray(theta, dtype=np.float64))
        jacobian = torch.func.jacfwd(self.map_tensor)(point)
        return np.asarray(jacobian.numpy())

    def region(self, *, points: int = 4096) -> np.ndarray:
        """Return the range of c over the box, (P, 2), in the parameters' units."""
        from scipy.stats import qmc

        # Halton's points leave out the edges, where the map reaches farthest: they are stretched onto them.
        unit = np.clip(1.1 * qmc.Halton(len(self.parameters), rng=np.random.default_rng(0)).random(points) - 0.05, 0, 1)
        there = self.at(self.low + unit * (self.high - self.low))
        return np.stack([np.minimum(there.min(axis=0), self.low), np.maximum(there.max(axis=0), self.high)], axis=1)

    def covariance_at(self, theta: np.ndarray) -> np.ndarray:
        """Return the covariance of c, (P, P), at parameters (P,), in their units."""
        import torch

        half = (self.high - self.low) / 2
        point = torch.from_numpy(np.asarray(theta, dtype=np.float64))
        products = map_terms(point, self.low, self.high, self.reference, self.powers).numpy()
        terms, parameters = self.coefficients.shape
        blocks = self.covariance.reshape(terms, parameters, terms, parameters)
        covariance = np.einsum("c,cpdq,d->pq", products, blocks, products) * np.outer(half, half)
        return np.asarray((covariance + covariance.T) / 2)

    def theta_covariance_at(self, theta: np.ndarray) -> np.ndarray:
        """Return the covariance, (P, P), of a fit of all parameters at theta (P,) due to the map's uncertainty.

        It includes the polynomial's lack of fit.
        """
        inverse = np.linalg.inv(self.jacobian_at(theta))
        covariance: np.ndarray = inverse @ (self.covariance_at(theta) + self.lack_of_fit) @ inverse.T
        return covariance

    def second_moment(self, *, points: int = 512) -> np.ndarray:
        """Return the mean over the box of the squared shift, (P, P): the squared bias of a fit without the map."""
        from scipy.stats import qmc

        unit = qmc.Sobol(len(self.parameters), rng=np.random.default_rng(0)).random(points)
        theta = self.low + unit * (self.high - self.low)
        shift = self.at(theta) - theta
        moment: np.ndarray = shift.T @ shift / points
        return moment

    def to_json(self) -> dict[str, Any]:
        """Return the map as plain JSON values; the covariance as its upper triangle, with nine digits."""
        upper = self.covariance[np.triu_indices(len(self.covariance))]
        return {
            "parameters": list(self.parameters),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "reference": self.reference.tolist(),
            "powers": self.powers.tolist(),
            "coefficients": self.coefficients.tolist(),
            "covariance": [float(f"{value:.{DIGITS}g}") for value in upper],
            "lack_of_fit": self.lack_of_fit.tolist(),
            "events": self.events,
            "reference_events": self.reference_events,
            "tried": dict(self.tried),
            "made_from": dict(self.made_from),
        }

    @classmethod
    def from_json(cls, told: Any) -> ParameterMap:
        """Return the map from the output of ``to_json``.

        Raises
        ------
        MapError
            if the values are not such a map, or not finite.
        """
        try:
            read = _Told.model_validate(told)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise MapError(f"the calibration over the box is damaged: {where}: {first['msg']}") from None
        parameters, terms = len(read.parameters), len(read.powers)
        size = terms * parameters
        tables = {
            "low": (np.array(read.low), (parameters,)),
            "high": (np.array(read.high), (parameters,)),
            "reference": (np.array(read.reference), (parameters,)),
            "powers": (np.array(read.powers, dtype=np.int64), (terms, parameters)),
            "coefficients": (np.array(read.coefficients), (terms, parameters)),
            "covariance": (np.array(read.covariance), (size * (size + 1) // 2,)),
            "lack_of_fit": (np.array(read.lack_of_fit), (parameters, parameters)),
        }
        for name, (array, shape) in tables.items():
            if array.shape != shape:
                raise MapError(f"the calibration over the box is damaged: {name} is {array.shape}, not {shape}")
        covariance = np.zeros((size, size))
        covariance[np.triu_indices(size)] = tables["covariance"][0]
        covariance += np.triu(covariance, 1).T
        return cls(
            tuple(read.parameters),
            tables["low"][0],
            tables["high"][0],
            tables["reference"][0],
            tables["powers"][0],
            tables["coefficients"][0],
            covariance,
            tables["lack_of_fit"][0],
            read.events,
            read.reference_events,
            read.tried,
            read.made_from,
        )


def map_terms(theta: Tensor, low: np.ndarray, high: np.ndarray, reference: np.ndarray, powers: np.ndarray) -> Tensor:
    """Return the terms of a map, (..., C), at parameters (..., P) in double precision; 0 at the reference."""
    import torch

    least, half, origin = (torch.from_numpy(a).to(theta.device) for a in (low, (high - low) / 2, reference))
    there = chebyshev_products((origin - least) / half - 1.0, powers)
    terms: Tensor = chebyshev_products((theta - least) / half - 1.0, powers) - there
    return terms


Number = Annotated[float, Field(allow_inf_nan=False)]


class _Told(BaseModel):
    """A map as stored in a file."""

    model_config = ConfigDict(extra="ignore", strict=True)

    parameters: Annotated[list[str], Field(min_length=1)]
    low: list[Number]
    high: list[Number]
    reference: list[Number]
    powers: Annotated[list[list[Annotated[int, Field(ge=0, le=32)]]], Field(min_length=1)]
    coefficients: list[list[Number]]
    covariance: list[Number]
    lack_of_fit: list[list[Number]]
    events: int
    reference_events: int
    tried: dict[str, Number]
    made_from: dict[str, Any]


class MappedRatio:
    """A member's log ratio, evaluated at c(theta) for a fit at theta.

    Parameters
    ----------
    of:
        the member.
    over_box:
        the map, of the same parameters.

    Raises
    ------
    MapError
        if the map is of other parameters.
    """

    def __init__(self, of: LogRatio, over_box: ParameterMap) -> None:
        if tuple(of.parameters) != over_box.parameters:
            raise MapError(
                f"the calibration is for {', '.join(over_box.parameters)}, the log ratio for {', '.join(of.parameters)}"
            )
        self._of, self._map = of, over_box
        self.parameters, self.bounds, self.reference = of.parameters, of.bounds, of.reference
        self.is_linear = bool(getattr(of, "is_linear", False))

    def terms(self, theta: Tensor) -> Tensor:
        """Return the terms of a member that is linear, (..., C), at parameters (..., P)."""
        found: Tensor = cast("LinearRatio", self._of).terms(self._map.map_tensor(theta))
        return found

    def __call__(self, z: Tensor, theta: Tensor) -> Tensor:
        """Return log ratios (N,) of embedded events (N, L) at parameters (P,)."""
        value: Tensor = self._of(z, self._map.map_tensor(theta))
        return value


def mapped(members: Sequence[LogRatio], over_box: ParameterMap) -> tuple[MappedRatio, ...]:
    """Return the members of an ensemble with the map of their mean."""
    return tuple(MappedRatio(member, over_box) for member in members)
