"""Parameters of fields from their learned likelihood, without a summary statistic."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.progress import Progress
    from simulacra.trained import TrainedGenerator


def fit_field(
    model: str | os.PathLike[str] | TrainedGenerator, fields: xr.Dataset, *, progress: Progress | bool = True
) -> xr.Dataset:
    """Fit the conditions of each field by the likelihood that a flow of fields (``trenf``) has learned.

    Parameters
    ----------
    model:
        a shipped name, a run folder or the generator.
    fields:
        events with the array that the model learned, of its shape; their own conditions are not used.
    progress:
        whether to show a progress bar, or a function that is called with each step and the completed share.

    Returns
    -------
    xarray.Dataset
        for each condition its value at the largest likelihood and ``NAME_error``, one standard deviation from the
        curvature there; ``log_likelihood`` at the maximum; and ``valid``, whether the fit converged inside the trained
        range.

    Raises
    ------
    ValueError
        if the model has no likelihood or no conditions, or the fields have another shape.
    simulacra.events.EventsError
        if the fields break the conventions.

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
    from simulacra.progress import step_progress
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
    # In double precision: differences of log-likelihoods of thousands of pixels are small beside these.
    flow: Any = copy.deepcopy(generator.module).double()
    values = torch.as_tensor(fields[name].values.astype(np.float64))
    conditions, ranges = list(generator.trained_range), np.array(list(generator.trained_range.values()))
    columns: dict[str, list[float]] = {key: [] for one in conditions for key in (one, f"{one}_error")}
    likelihoods, valid = [], []
    with contextlib.ExitStack() as stack:
        shown = progress if callable(progress) else stack.enter_context(step_progress("fitting", show=progress))
        for row, field in enumerate(values):

            def twice(theta: np.ndarray, field: Any = field) -> float:
                given = torch.as_tensor(np.asarray(theta, dtype=np.float64))[None]
                with torch.inference_mode():
                    return -2 * float(flow.log_prob(field[None], given))

            minuit = Minuit(twice, ranges.mean(axis=1), name=conditions)
            minuit.limits, minuit.errors = ranges.tolist(), np.ptp(ranges, axis=1) / 20
            minuit.migrad()
            minuit.hesse()
            for one, value, error in zip(conditions, minuit.values, minuit.errors, strict=True):
                columns[one].append(float(value))
                columns[f"{one}_error"].append(float(error))
            likelihoods.append(-float(minuit.fval) / 2)
            valid.append(bool(minuit.valid and not minuit.fmin.has_parameters_at_limit))
            shown("fitting", (row + 1) / len(values))
    declared = generator.conditions.declared
    found = {
        key: ("event", column, {"units": declared[key.removesuffix("_error")].units}) for key, column in columns.items()
    }
    return xr.Dataset(
        {**found, "log_likelihood": ("event", likelihoods), "valid": ("event", valid)},
        coords={"event": fields["event"].values},
    )
