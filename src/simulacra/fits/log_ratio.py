"""What a fit needs from a learned likelihood ratio: its box of parameters and its value for embedded events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


class LogRatio(Protocol):
    """One member of an ensemble: the learned log p(x|theta) / p(x|theta_0) of embedded events x.

    It must be differentiable with respect to theta, once forwards by ``torch.func`` and twice backwards, as networks of
    the usual layers are. It must treat events independently, because they are evaluated in batches.
    """

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters theta, in the order of its entries."""

    @property
    def bounds(self) -> Mapping[str, tuple[float, float]]:
        """The trained box: lowest and highest value of each parameter, in its unit."""

    @property
    def reference(self) -> Mapping[str, float]:
        """The parameters theta_0 of the reference simulation, in their units."""

    def __call__(self, z: Tensor, theta: Tensor) -> Tensor:
        """Return the log ratio of each event, (N,), of embedded events (N, L) at one theta (P,)."""


class LinearRatio(LogRatio, Protocol):
    """A log ratio of events that are embedded as coefficients (N, C) of terms in the parameters: z @ terms(theta).

    A fit uses the derivatives of the terms instead of those of each event.
    """

    @property
    def is_linear(self) -> bool:
        """Whether the log ratio has this form."""

    def terms(self, theta: Tensor) -> Tensor:
        """Return the terms at parameters (..., P), (..., C), differentiable twice."""


@dataclass(frozen=True)
class ParameterSpace:
    """The trained box, and which of its parameters a fit leaves free.

    Attributes
    ----------
    names:
        all P parameters, in the order that the log ratio expects.
    low, high:
        the trained box, (P,), in the parameters' units.
    reference:
        theta_0, (P,).
    free:
        positions of the F free parameters.
    held:
        values of all parameters, (P,); for the free ones, the start values.
    """

    names: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    reference: np.ndarray
    free: tuple[int, ...]
    held: np.ndarray

    @property
    def free_names(self) -> tuple[str, ...]:
        """Names of the free parameters, (F,)."""
        return tuple(self.names[p] for p in self.free)

    @property
    def fixed(self) -> dict[str, float]:
        """Values of the parameters that are not free."""
        return {name: float(self.held[p]) for p, name in enumerate(self.names) if p not in self.free}

    @property
    def free_low(self) -> np.ndarray:
        """Lowest trained values of the free parameters, (F,)."""
        return self.low[list(self.free)]

    @property
    def free_high(self) -> np.ndarray:
        """Highest trained values of the free parameters, (F,)."""
        return self.high[list(self.free)]

    @property
    def start(self) -> np.ndarray:
        """Start values of the free parameters, (F,)."""
        return self.held[list(self.free)]

    def embed(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (offset (P,), selection (P, F)) such that theta = offset + selection @ free parameters."""
        selection = np.zeros((len(self.names), len(self.free)))
        selection[list(self.free), range(len(self.free))] = 1.0
        offset = self.held.copy()
        offset[list(self.free)] = 0.0
        return offset, selection


def parameter_space(
    members: Sequence[LogRatio],
    *,
    free: Sequence[str] | None = None,
    fixed: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
) -> ParameterSpace:
    """Return the box that all members share.

    Parameters
    ----------
    members:
        the ensemble; all with the same parameters, in the same order, and the same reference.
    free:
        parameters to fit; by default all that are not fixed.
    fixed:
        values of parameters that are not fitted; those neither free nor fixed stay at the reference.
    start:
        start values; by default those of the reference.

    Raises
    ------
    ValueError
        if the members do not agree, a name is unknown, or a value is outside the trained box.
    """
    if not members:
        raise ValueError("there is no log ratio to fit with; give at least one member")
    names = tuple(members[0].parameters)
    reference = np.array([float(members[0].reference[name]) for name in names])
    for number, member in enumerate(members):
        if tuple(member.parameters) != names:
            raise ValueError(f"member {number} has parameters {tuple(member.parameters)}, member 0 has {names}")
        other = np.array([float(member.reference[name]) for name in names])
        if not np.allclose(other, reference, rtol=1e-9, atol=0):
            raise ValueError(
                f"member {number} was trained against the reference {dict(zip(names, other.tolist(), strict=True))}, "
                f"member 0 against {dict(zip(names, reference.tolist(), strict=True))}; they cannot be averaged"
            )
    low = np.array([max(float(member.bounds[name][0]) for member in members) for name in names])
    high = np.array([min(float(member.bounds[name][1]) for member in members) for name in names])
    for name, least, most in zip(names, low, high, strict=True):
        if not least < most:
            raise ValueError(f"the trained box of {name} is empty: {least:g} to {most:g}")
    box = dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True))
    fixed, start = dict(fixed or {}), dict(start or {})
    chosen = [name for name in names if name not in fixed] if free is None else list(free)
    _check_names(names, chosen, fixed, start)
    held = reference.copy()
    for what, values in (("fixed", fixed), ("start", start)):
        for name, value in values.items():
            least, most = box[name]
            # Networks keep their box in float32, so that its own edges may miss it by a rounding.
            slack = 1e-6 * (most - least)
            if not least - slack <= value <= most + slack:
                raise ValueError(
                    f"{name} = {value:g} ({what}) is outside the trained box, {least:g} to {most:g}; "
                    "choose a value inside it or train over a larger prior"
                )
            held[names.index(name)] = value
    positions = tuple(names.index(name) for name in chosen)
    inside = np.clip(held, low, high)
    return ParameterSpace(names, low, high, reference, positions, inside)


def _check_names(
    names: tuple[str, ...], free: Sequence[str], fixed: Mapping[str, float], start: Mapping[str, float]
) -> None:
    for name in (*free, *fixed, *start):
        if name not in names:
            raise ValueError(f"'{name}' is not a parameter; the parameters are {', '.join(names)}")
    if not free:
        raise ValueError(f"no parameter is free; leave at least one of {', '.join(names)} unfixed")
    if len(set(free)) != len(free):
        raise ValueError(f"a parameter is named twice among the free ones: {', '.join(free)}")
    for name in fixed:
        if name in free:
            raise ValueError(f"{name} is both free and fixed; drop it from one of them")
