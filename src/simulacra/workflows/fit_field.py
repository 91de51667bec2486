"""Parameters of fields from their learned likelihood, without a summary statistic."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from torch import Tensor

    from simulacra.progress import Progress
    from simulacra.trained import TrainedGenerator

#: conditions (C,) to a log-likelihood and its statistical error
LogLikelihood = Callable[[np.ndarray], tuple[float, float]]
#: with a larger statistical error of a log-likelihood, few samples carry all the weight
MOST_UNCERTAIN: Final = 0.5
#: samples of the hidden pixels of a field
SAMPLES: Final = 4
#: differences for a covariance matrix: standard deviations of a step, and how often the steps are adapted
REACH: Final = 1.0
ROUNDS: Final = 4


def fit_field(
    model: str | os.PathLike[str] | TrainedGenerator, fields: xr.Dataset, *, progress: Progress | bool = True
) -> xr.Dataset:
    """Fit the conditions of each field by the likelihood that a flow of fields has learned.

    Of masked fields it is the likelihood of the observed pixels (:mod:`simulacra.models.masked_fields`), which a model
    of ``trenf`` has, whether or not it was trained with masks.

    Parameters
    ----------
    model:
        a shipped name, a run folder or the generator.
    fields:
        events with the array that the model learned, of its shape, and its mask if it has one; their own conditions
        are not used.
    progress:
        whether to show a progress bar, or a function that is called with each step and the completed share.

    Returns
    -------
    xarray.Dataset
        for each condition its value at the largest likelihood and ``NAME_error``, one standard deviation from the
        curvature there; ``log_likelihood`` at the maximum; and ``valid``, whether the fit converged inside the trained
        range. Of masked fields also ``log_likelihood_error``, the statistical error of ``log_likelihood``; above 0.5
        the fit is not valid, for a few samples of the hidden pixels carry all the weight.

    Raises
    ------
    ValueError
        if the model has no likelihood, none of masked fields, or no conditions, the fields have another shape, or
        a lognormal field has a value of -1 or less.
    simulacra.events.EventsError
        if the fields break the conventions, or their mask is not one of pixels.

    Examples
    --------
    >>> import simulacra
    >>> from simulacra.simulators.random_fields import RandomFieldSettings, simulate_random_fields
    >>> settings = RandomFieldSettings(form="lognormal", amplitude="1", spectral_index="-1.5")
    >>> fields = simulate_random_fields(settings, seed=1, n_events=2)
    >>> found = simulacra.fit_field("lognormal-fields", fields, progress=False)
    >>> bool((abs(found["amplitude"] - 1) < 5 * found["amplitude_error"]).all())
    True
    """
    import contextlib
    import copy

    import torch
    import xarray as xr
    from iminuit import Minuit

    from simulacra.events import validate
    from simulacra.kinds.fields import observed_pixels
    from simulacra.models.equivariant_field_flow import EquivariantFieldFlow
    from simulacra.progress import step_progress
    from simulacra.simulators.random_fields import refuse_impossible
    from simulacra.trained import TrainedGenerator
    from simulacra.trained.find import load_generator

    generator = model if isinstance(model, TrainedGenerator) else load_generator(model)
    name = generator.description.get("field", {}).get("name")
    if name is None or not hasattr(generator.module, "log_prob"):
        raise ValueError(f"'{generator.name}' ({generator.kind}) has no likelihood of fields: a model of trenf has")
    if not generator.trained_range:
        raise ValueError(f"'{generator.name}' has no conditions that could be fitted")
    validate(fields, features=[name])
    shape = tuple(generator.description["field"]["shape"])
    if fields[name].shape[1:] != shape:
        raise ValueError(
            f"'{generator.name}' learned fields of {shape} pixels; '{name}' has {fields[name].shape[1:]}: cut them "
            "(simulacra.patches)"
        )
    observed = observed_pixels(fields, name)
    if observed is not None and not isinstance(generator.module, EquivariantFieldFlow):
        raise ValueError(
            f"'{generator.name}' ({generator.kind}) has no likelihood of masked fields: a model of trenf has"
        )
    if generator.description["simulator"] == "lognormal random fields":
        # the flow has a density there, by extrapolation
        refuse_impossible(fields[name].values, observed)
    # In double precision: differences of log-likelihoods of thousands of pixels are small beside these.
    flow: Any = copy.deepcopy(generator.module).double().requires_grad_(False)
    values = torch.as_tensor(fields[name].values.astype(np.float64))
    rng = torch.Generator().manual_seed(1)
    conditions, ranges = list(generator.trained_range), np.array(list(generator.trained_range.values()))
    columns: dict[str, list[float]] = {key: [] for one in conditions for key in (one, f"{one}_error")}
    likelihoods, statistical, valid = [], [], []
    with contextlib.ExitStack() as stack:
        shown = progress if callable(progress) else stack.enter_context(step_progress("fitting", show=progress))
        for row, field in enumerate(values):
            mask = None if observed is None else torch.as_tensor(observed[row])
            log_likelihood = _log_likelihood(flow, field, mask, rng)

            def twice(theta: np.ndarray, log_likelihood: LogLikelihood = log_likelihood) -> float:
                return -2 * log_likelihood(theta)[0]

            minuit = Minuit(twice, ranges.mean(axis=1), name=conditions)
            minuit.limits, minuit.errors = ranges.tolist(), np.ptp(ranges, axis=1) / 20
            if mask is not None:
                # The statistical noise of the likelihood would hide a nearer approach.
                minuit.tol = 5
            minuit.migrad()
            if mask is None:
                minuit.hesse()
                errors = np.asarray(minuit.errors)
            else:
                guess = np.asarray(minuit.errors)
                errors = np.sqrt(np.diag(_covariance(twice, np.asarray(minuit.values), guess, ranges)))
            for one, value, error in zip(conditions, minuit.values, errors, strict=True):
                columns[one].append(float(value))
                columns[f"{one}_error"].append(float(error))
            likelihoods.append(-float(minuit.fval) / 2)
            statistical.append(log_likelihood(np.asarray(minuit.values))[1])
            inside = bool(minuit.valid and not minuit.fmin.has_parameters_at_limit)
            valid.append(inside and statistical[-1] < MOST_UNCERTAIN)
            shown("fitting", (row + 1) / len(values))
    declared = generator.conditions.declared
    found = {
        key: ("event", column, {"units": declared[key.removesuffix("_error")].units}) for key, column in columns.items()
    }
    found["log_likelihood"] = ("event", likelihoods, {"units": "1"})
    if observed is not None:
        found["log_likelihood_error"] = ("event", statistical, {"units": "1"})
    return xr.Dataset(found | {"valid": ("event", valid)}, coords={"event": fields["event"].values})


def _covariance(
    twice: Callable[[np.ndarray], float], best: np.ndarray, errors: np.ndarray, ranges: np.ndarray
) -> np.ndarray:
    """Return the covariance matrix of estimates from differences over about one standard deviation.

    The likelihood of a masked field has a small statistical noise, which the differences over small steps of the usual
    matrix would turn into a wrong curvature.

    Parameters
    ----------
    twice:
        -2 times the log-likelihood.
    best, errors:
        where it is lowest, and a first guess of the errors, (C,) each.
    ranges:
        the trained range of each condition, (C, 2).
    """
    n = len(best)
    axes = np.eye(n)
    pairs = [axes[i] + sign * axes[j] for i in range(n) for j in range(i) for sign in (1, -1)]
    directions = np.array([*axes, *(pair / np.sqrt(2) for pair in pairs)])
    squares = np.einsum("ki,kj->kij", directions, directions).reshape(len(directions), -1)
    middle, root = twice(best), np.diag(np.minimum(errors, np.ptp(ranges, axis=1) / 4))
    for _ in range(ROUNDS):
        rises = np.empty(len(directions))
        for k, direction in enumerate(directions):
            step = REACH * root @ direction
            # Inside the trained range: a flow says nothing about what is beyond.
            room = np.minimum(ranges[:, 1] - best, best - ranges[:, 0])
            share = float(np.clip((room / np.maximum(np.abs(step), 1e-12)).min(), 0.1, 1.0))
            both = [twice(np.clip(best + sign * share * step, *ranges.T)) - middle for sign in (1, -1)]
            rises[k] = sum(both) / (share * REACH) ** 2
        # In units of the last errors; twice the log-likelihood rises by 1 at one standard deviation.
        curvature = np.linalg.lstsq(squares, rises / 2, rcond=None)[0].reshape(n, n)
        values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
        root = root @ vectors @ np.diag(np.clip(values, 0.04, 25.0) ** -0.5)
    return np.asarray(root @ root.T)


def _log_likelihood(flow: Any, field: Tensor, observed: Tensor | None, rng: torch.Generator) -> LogLikelihood:
    """Return the log-likelihood of one field's observed pixels, and its statistical error, given the conditions."""
    import torch

    from simulacra.models.masked_fields import MaskedFields

    if observed is None:

        def whole(theta: np.ndarray) -> tuple[float, float]:
            with torch.inference_mode():
                return float(flow.log_prob(field[None], torch.as_tensor(theta)[None])), 0.0

        return whole
    masked = MaskedFields(flow, field[None], observed[None])
    noise = torch.randn(SAMPLES, 1, *field.shape, generator=rng).double()

    def seen(theta: np.ndarray) -> tuple[float, float]:
        value, error = masked.log_prob(torch.as_tensor(theta)[None], noise)
        return float(value), float(error)

    return seen
