"""The minimum of an objective inside the trained box, by Minuit with exact derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.fits.errors import FitError
from simulacra.fits.log_ratio import ParameterSpace
from simulacra.fits.objective import Objective

if TYPE_CHECKING:
    from iminuit import Minuit

FURTHER_STARTS: Final = (0.5, 0.2, 0.8, 0.35)
"""Further start values after a failed search, as shares of the width of the box."""
EDGE: Final = 1e-3
"""Distance from the edge of the box, as a share of its width, within which an estimate counts as at the edge."""


@dataclass(frozen=True)
class Minimum:
    """The minimum of an objective.

    Attributes
    ----------
    values:
        of the free parameters, (F,).
    objective:
        its value at the minimum.
    calls:
        evaluations of the objective.
    minuit:
        the minimiser, at the minimum; its function is the objective times the effective number of data events.
    """

    values: np.ndarray
    objective: float
    calls: int
    minuit: Minuit


def minimise(objective: Objective, *, start: np.ndarray | None = None) -> Minimum:
    """Return the minimum inside the trained box.

    Parameters
    ----------
    objective:
        the function to minimise.
    start:
        start values, (F,); by default those of the objective's parameter space.

    Raises
    ------
    FitError
        if Minuit finds no valid minimum from any start, or the objective is not a finite number.
    """
    space = objective.about.space
    first = space.start if start is None else np.asarray(start, dtype=np.float64)
    starts = [first, *(space.free_low + share * (space.free_high - space.free_low) for share in FURTHER_STARTS)]
    reasons = []
    for begin in starts:
        minuit = _search(objective, begin)
        if minuit.valid and np.isfinite(minuit.fval):
            values = _polished(objective, np.array(minuit.values, dtype=np.float64))
            return Minimum(values, objective.value(values), int(minuit.nfcn), minuit)
        reasons.append(_reason(minuit))
    names = ", ".join(space.free_names)
    raise FitError(
        f"no valid minimum of the {objective.about.method} in {names} from any of {len(starts)} starts "
        f"({'; '.join(dict.fromkeys(reasons))}); scan the objective, fix a parameter, or take more events"
    )


def _search(objective: Objective, begin: np.ndarray) -> Minuit:
    from iminuit import Minuit

    space, scale = objective.about.space, objective.about.data_effective
    width = space.free_high - space.free_low
    # A start on the edge has no slope in Minuit's internal, bounded coordinates.
    inside = np.clip(begin, space.free_low + 1e-3 * width, space.free_high - 1e-3 * width)
    first = objective.expected_hessian(inside)

    def hessian(values: np.ndarray) -> np.ndarray:
        at = objective.expected_hessian(np.asarray(values))
        return np.zeros((len(width), len(width))) if at is None else scale * at

    minuit = Minuit(
        lambda values: scale * objective.value(np.asarray(values)),
        inside,
        grad=lambda values: scale * objective.gradient(np.asarray(values)),
        hessian=hessian if first is not None and _positive(first) else None,
        name=space.free_names,
    )
    minuit.errordef = Minuit.LIKELIHOOD
    # The derivatives are exact, so Minuit need not improve its own second derivatives.
    minuit.strategy = 0
    minuit.limits = list(zip(space.free_low, space.free_high, strict=True))
    minuit.errors = 0.05 * width
    minuit.migrad()
    return minuit


def _polished(objective: Objective, values: np.ndarray) -> np.ndarray:
    """Return the point after one more scoring step, if the slope there is smaller.

    Minuit stops some hundredths of a standard deviation from the minimum. One step reduces this to well below a
    thousandth. The same events then give the same result for any start, which matters when fits are compared event by
    event.
    """
    space = objective.about.space
    expected = objective.expected_hessian(values)
    if expected is None or not _positive(expected) or at_edge(space, values):
        return values
    slope = objective.gradient(values)
    moved = values - np.linalg.solve(expected, slope)
    if np.any(moved <= space.free_low) or np.any(moved >= space.free_high):
        return values
    after = objective.gradient(moved)
    better = after @ np.linalg.solve(expected, after) < slope @ np.linalg.solve(expected, slope)
    return moved if better else values


def _positive(hessian: np.ndarray) -> bool:
    diagonal = np.diag(hessian)
    if not (np.isfinite(hessian).all() and np.all(diagonal > 0)):
        return False
    size = np.sqrt(diagonal)
    return bool(np.linalg.eigvalsh(hessian / np.outer(size, size))[0] > 1e-9)


def _reason(minuit: Minuit) -> str:
    minimum = minuit.fmin
    if not np.isfinite(minuit.fval):
        return "the objective is NaN or infinite"
    if minimum.has_reached_call_limit:
        return "the call limit was reached"
    if minimum.is_above_max_edm:
        return f"the estimated distance to the minimum, {minimum.edm:.2g}, stayed above {minimum.edm_goal:.2g}"
    return "Minuit calls the minimum invalid"


def at_edge(space: ParameterSpace, values: np.ndarray) -> list[tuple[str, str, float]]:
    """Return (name, "lower" or "upper", the edge) of each free parameter at an edge of the trained box."""
    width = EDGE * (space.free_high - space.free_low)
    found = []
    for p, name in enumerate(space.free_names):
        if values[p] - space.free_low[p] < width[p]:
            found.append((name, "lower", float(space.free_low[p])))
        if space.free_high[p] - values[p] < width[p]:
            found.append((name, "upper", float(space.free_high[p])))
    return found
