"""Events of one number x, Gaussian about a mean, for reweighters whose log ratio is known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simulacra.events import make_events, variable
from simulacra.reweighting.settings import FeaturesSettings, ReweighterSettings
from simulacra.training.settings import TrainingSettings

TRAINING = TrainingSettings(
    steps=400,
    batch_size=512,
    learning_rate=5e-3,
    betas=(0.9, 0.999),
    final_learning_rate=0.01,
    validate_every=100,
    checkpoint_every=100,
    threads=1,
    accelerator="cpu",
)


def small_settings(
    variables: tuple[str, ...] = ("x",), *, steps: int = 400, batch_size: int = 512, **fields: Any
) -> ReweighterSettings:
    """Return settings of a small network on ``variables``."""
    network = FeaturesSettings(variables=variables, widths=(32,), summary=8, head_widths=(16,))
    defaults: dict[str, Any] = {"network": network, "average_decay": 0.99, "calibration": "none"}
    training = TRAINING.model_copy(update={"steps": steps, "batch_size": batch_size})
    return ReweighterSettings(**(defaults | {"training": training} | fields))


def continuous_settings(**fields: Any) -> ReweighterSettings:
    """Return settings continuous in the mean, ``mu``, from 0."""
    defaults: dict[str, Any] = {"parameters": ("mu",), "reference": {"mu": 0.0}, "calibration": "temperature"}
    return small_settings(**(defaults | fields))


def gaussian_events(
    x: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    mu: np.ndarray | None = None,
    settings: dict[str, Any] | None = None,
    seed: int = 1,
    name: str = "x",
    **more: xr.Variable,
) -> xr.Dataset:
    """Return events that hold x, (N,), and, if given, their weights and the means that they were drawn with."""
    variables = {name: variable(x.astype("f4"), units="1", long_name="a number", role="feature"), **more}
    if weight is not None:
        variables["weight"] = variable(weight.astype("f8"), units="1", long_name="weight", role="weight")
    if mu is not None:
        variables["mu"] = variable(mu.astype("f4"), units="1", long_name="mean", role="condition")
    return make_events(
        variables,
        simulator="toy",
        simulator_version="1",
        seed=seed,
        settings=settings or {},
        seconds_per_event=0.0,
    )


def drawn_in_mu(n: int, seed: int, bound: float = 1.0, settings: dict[str, Any] | None = None) -> xr.Dataset:
    """Return events whose mean was drawn uniformly from -bound to bound."""
    rng = np.random.default_rng(seed)
    mu = rng.uniform(-bound, bound, n).astype("f4")
    said = {"vary": {"mu": f"uniform:{-bound}:{bound}"}} if settings is None else settings
    return gaussian_events(rng.normal(mu, 1.0), mu=mu, settings=said, seed=seed)
