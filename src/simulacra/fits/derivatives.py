"""The log ratios of a sample of events and their derivatives with respect to the parameters, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, cast

import numpy as np
import torch
from torch import Tensor

from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.errors import FitError
from simulacra.fits.log_ratio import LinearRatio, LogRatio, ParameterSpace

BATCH: Final = 16_384
"""Number of events per evaluation; small enough for a head's activations to stay in the processor's cache."""


@dataclass(frozen=True)
class LogRatios:
    """The mean over members of the log ratios of these events, as a function of the free parameters.

    Callers sum over events in float64; the members compute in the precision of the embedding.
    """

    members: tuple[LogRatio, ...]
    events: EmbeddedEvents
    space: ParameterSpace

    @cached_property
    def _linear(self) -> tuple[_Linear, ...] | None:
        """Return the members as terms and the events' coefficients, if all of them have this form."""
        if not all(getattr(member, "is_linear", False) for member in self.members):
            return None
        each = enumerate(self.members)
        return tuple(
            _Linear(cast("LinearRatio", member), self.events.of_member(number).cpu().numpy(), self.space)
            for number, member in each
        )

    def values(self, free: np.ndarray) -> np.ndarray:
        """Return the log ratio of each event, (N,) float64, at the free parameters (F,)."""
        if self._linear:
            return self._finite(_mean([one.coefficients @ one.terms(free) for one in self._linear]), free)
        with torch.no_grad():
            rows = self._batches(free, lambda ratio, theta, _: ratio(theta).double())
        return self._finite(np.concatenate([row.cpu().numpy() for row in rows]), free)

    def slopes(self, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the log ratios, (N,), and their derivatives by the free parameters, (N, F), both float64."""
        if self._linear:
            both_of = [one.coefficients @ np.column_stack([one.terms(free), one.slopes(free)]) for one in self._linear]
            table = self._finite(_mean(both_of), free)
            return table[:, 0], table[:, 1:]

        def both(ratio: Callable[[Tensor], Tensor], theta: Tensor, _: slice) -> Tensor:
            def twice(point: Tensor) -> tuple[Tensor, Tensor]:
                value = ratio(point)
                return value, value

            slope, value = torch.func.jacfwd(twice, has_aux=True)(theta)
            return torch.cat([value[:, None], slope], dim=1).double()

        with torch.no_grad():
            rows = self._batches(free, both)
        table = self._finite(np.concatenate([row.cpu().numpy() for row in rows]), free)
        return table[:, 0], table[:, 1:]

    def slope(self, free: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Return the derivatives, (F,), of the sum over events of the coefficients (N,) times log ratios.

        This takes a third of the time of ``slopes``, because it runs backwards and need not separate the events.
        """
        if self._linear:
            sums = [(coefficients @ one.coefficients) @ one.slopes(free) for one in self._linear]
            return self._finite(_mean(sums), free)

        def first(ratio: Callable[[Tensor], Tensor], theta: Tensor, rows: slice) -> Tensor:
            return _gradient(ratio, theta.requires_grad_(), scaled[rows])[0].double()

        scaled, scale = _of_order_one(coefficients)
        total = np.sum([part.cpu().numpy() for part in self._batches(free, first)], axis=0)
        return scale * self._finite(total, free)

    def curvature(self, free: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Return the second derivatives, (F, F), of the sum over events of the coefficients (N,) times log ratios."""
        if self._linear:
            bends = [np.tensordot(coefficients @ one.coefficients, one.bends(free), 1) for one in self._linear]
            return self._finite(_mean(bends), free)

        def second(ratio: Callable[[Tensor], Tensor], theta: Tensor, rows: slice) -> Tensor:
            point = theta.requires_grad_()
            slope = _gradient(ratio, point, scaled[rows], further=True)[0]
            if not slope.requires_grad:
                return torch.zeros(len(point), len(point), dtype=torch.float64, device=point.device)
            lines = [torch.autograd.grad(part, point, retain_graph=True, materialize_grads=True)[0] for part in slope]
            return torch.stack(lines).double()

        scaled, scale = _of_order_one(coefficients)
        total = np.sum([part.cpu().numpy() for part in self._batches(free, second)], axis=0)
        return scale * self._finite(total, free)

    def _batches(
        self, free: np.ndarray, evaluate: Callable[[Callable[[Tensor], Tensor], Tensor, slice], Tensor]
    ) -> list[Tensor]:
        """Return the results of ``evaluate`` for each batch of events, averaged over the members."""
        offset, selection = (torch.from_numpy(array) for array in self.space.embed())
        theta = torch.from_numpy(np.array(free, dtype=np.float64))
        averaged: list[Tensor] = []
        for number, member in enumerate(self.members):
            z = self.events.of_member(number)
            at, shift, spread = theta.clone().to(z.device), offset.to(z.device), selection.to(z.device)
            for position, begin in enumerate(range(0, len(z), BATCH)):
                rows = slice(begin, begin + BATCH)
                ratio = _of_free(member, z[rows], shift, spread)
                result = evaluate(ratio, at.detach(), rows) / len(self.members)
                if number == 0:
                    averaged.append(result)
                else:
                    averaged[position] = averaged[position] + result
        return averaged

    def _finite(self, numbers: np.ndarray, free: np.ndarray) -> np.ndarray:
        if np.isfinite(numbers).all():
            return numbers
        event = int(np.argwhere(~np.isfinite(numbers))[0, 0])
        where = ", ".join(f"{name} = {value:.6g}" for name, value in zip(self.space.free_names, free, strict=True))
        raise FitError(
            f"the log ratio of {self.events.label} event {event}, or its derivative, is NaN or infinite at {where}; "
            "look at this event, and at the network's training"
        )


@dataclass(frozen=True)
class _Linear:
    """A member whose log ratio is the product of an event's coefficients, (N, C), and terms in the parameters."""

    member: LinearRatio
    coefficients: np.ndarray
    space: ParameterSpace

    def terms(self, free: np.ndarray) -> np.ndarray:
        """Return the terms, (C,), at the free parameters (F,)."""
        with torch.no_grad():
            found: np.ndarray = self._of(torch.from_numpy(np.array(free, dtype=np.float64))).numpy()
        return found

    def slopes(self, free: np.ndarray) -> np.ndarray:
        """Return their derivatives, (C, F)."""
        return self._jacobian(torch.from_numpy(np.array(free, dtype=np.float64))).numpy()

    def bends(self, free: np.ndarray) -> np.ndarray:
        """Return their second derivatives, (C, F, F)."""
        point = torch.from_numpy(np.array(free, dtype=np.float64))

        def slopes(at: Tensor) -> Tensor:
            return self._jacobian(at, further=True)

        found: np.ndarray = torch.autograd.functional.jacobian(slopes, point, vectorize=True).numpy()
        return found

    def _jacobian(self, point: Tensor, *, further: bool = False) -> Tensor:
        found: Tensor = torch.autograd.functional.jacobian(self._of, point, create_graph=further, vectorize=True)
        return found

    def _of(self, point: Tensor) -> Tensor:
        offset, selection = (torch.from_numpy(array) for array in self.space.embed())
        return self.member.terms(offset + selection @ point)


def _mean(of_members: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(sum(of_members) / len(of_members))


def log_ratios(members: Sequence[LogRatio], events: EmbeddedEvents, space: ParameterSpace) -> LogRatios:
    """Return the mean log ratios of these events.

    Raises
    ------
    ValueError
        if the number of members that embedded the events differs.
    """
    if len(events.embeddings) not in (1, len(members)):
        raise ValueError(
            f"{events.label}: {len(events.embeddings)} embeddings for {len(members)} members; "
            "give one that all share, or one for each"
        )
    return LogRatios(tuple(members), events, space)


def _of_free(member: LogRatio, batch: Tensor, offset: Tensor, selection: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the member's log ratio of a batch as a function of the free parameters only."""

    def ratio(point: Tensor) -> Tensor:
        value = member(batch, (offset + selection @ point).to(batch.dtype))
        if value.shape != (len(batch),):
            raise ValueError(f"a log ratio returned the shape {tuple(value.shape)} for {len(batch)} events")
        return value

    return ratio


def _of_order_one(coefficients: np.ndarray) -> tuple[Tensor, float]:
    """Return coefficients divided by the largest, and the largest: in float32 small ones would lose digits in a sum."""
    scale = float(np.abs(coefficients).max()) or 1.0
    return torch.from_numpy(coefficients / scale), scale


def _gradient(
    ratio: Callable[[Tensor], Tensor], point: Tensor, coefficients: Tensor, *, further: bool = False
) -> tuple[Tensor, ...]:
    """Return the gradient of the weighted sum of a batch's log ratios, itself differentiable on request."""
    with torch.enable_grad():
        value = ratio(point)
        if not value.requires_grad:
            return (torch.zeros_like(point),)
        part = (coefficients.to(device=value.device, dtype=value.dtype) * value).sum()
        return torch.autograd.grad(part, point, create_graph=further, materialize_grads=True)
