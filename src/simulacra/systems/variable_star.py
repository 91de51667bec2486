"""Light curves of periodic variable stars by a conditional variational autoencoder (PELS-VAE): arXiv:2005.07773.

Given period, mean magnitude, amplitude, and if wanted colour and class, the model makes a star's curve as a function of
the phase, and the scatter of its observations. From the paper: folded curves of uneven sampling with their errors, an
encoder and a decoder of temporal convolutions or recurrent ones, a code of 4 to 6 numbers. Different here: the decoder
makes a function of the phase and not a sequence of observations, so that a star is simulated at any survey's times and
errors (:func:`simulacra.observables.light_curves.measured`); the likelihood is weighted by the errors; phase 0 is the
maximum of the first harmonic, so that no code is spent on when a star was seen; convolutions are circular; and codes
are drawn from a flow that learned those of the training stars at given conditions, whatever ``code_weight``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from simulacra.events import EventsError, make_events, validate
from simulacra.kinds.description import columns_of, describe
from simulacra.observables.light_curves import CLASSES, CONDITIONS, is_light_curve, phases, star_variable
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
CARRIES: Final = ()
#: stars whose conditions are kept in the model file: drawn from a density, and none of them a star of the catalogue
KEPT: Final = 4096
#: components of that density, and stars that each needs at least
MOST_COMPONENTS: Final = 6
STARS_PER_COMPONENT: Final = 40
#: draws of a code for each validation star
VALIDATION_DRAWS: Final = 4
SEED: Final = 5


class Settings(CheckedSettings):
    """Settings of variable stars.

    ``colour`` and ``classes`` say whether these are conditions too. ``observations`` of each star are looked at in a
    step of training. ``code`` is the number of components of a code, ``points`` those of a curve (a power of 2).
    """

    kind: Literal["variable_star"] = "variable_star"
    colour: bool = True
    classes: bool = False
    architecture: Literal["convolutional", "recurrent"] = "convolutional"
    code: Annotated[int, Field(ge=2, le=64)] = 5
    points: Literal[32, 64, 128, 256, 512] = 64
    width: Annotated[int, Field(ge=1, le=1024)] = 16
    blocks: Annotated[int, Field(ge=1, le=10)] = 4
    observations: Annotated[int, Field(ge=18, le=100_000)] = 128
    code_weight: Annotated[float, Field(gt=0)] = 1.0
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999

    @property
    def conditions(self) -> tuple[str, ...]:
        """The names of the conditions, in the order of the model's columns."""
        optional = [name for name, wanted in (("colour", self.colour), ("stellar_class", self.classes)) if wanted]
        return ("period", "mean_magnitude", "amplitude", *optional)


class Trainer:
    """The autoencoder and the flow of its codes in training."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks, and fit the representation to ``events``, the training part."""
        from simulacra.generators.variational import Variational

        check(events, settings.conditions)
        self.settings = settings
        self.description = describe(events, CONDITIONS, settings.conditions, CARRIES)
        model: Any = build(settings, self.description)
        model.fit(**self.tensors(events))
        self.family = Variational(
            model, average_decay=settings.average_decay, code_weight=settings.code_weight, prior="prior"
        )

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``conditions`` (N, C), and ``observations`` (N, L, 4) as the networks are told them.

        These are the phase, the magnitude beyond the mean and its error in amplitudes, and whether there is one.
        """
        import torch

        check(events, self.settings.conditions)
        there = events["observed"].values.astype(bool)
        mean, amplitude = (events[name].values[:, None] for name in ("mean_magnitude", "amplitude"))
        columns = [
            phases(events),
            np.where(there, (events["magnitude"].values - mean) / amplitude, 0.0),
            np.where(there, events["magnitude_error"].values / amplitude, 1.0),
            there,
        ]
        observations = torch.as_tensor(np.stack([one.astype(np.float32) for one in columns], axis=2))
        return {"observations": observations, "conditions": columns_of(events, self.settings.conditions)}

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the batch: a folded curve has no symmetry."""
        return dict(batch)

    def typical(self, events: xr.Dataset) -> xr.Dataset:
        """Return stars whose conditions are drawn from a density of the training stars', for the model file."""
        return _drawn_conditions(events, self.settings.conditions)

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> dict[str, float]:
        """Return minus the bound on log p of a star [nat per observation], with the flow as density of the codes.

        ``divergence`` is how much a star's observations tell of its code [nat], and ``active`` the number of components
        whose mean differs from star to star by more than 0.1: fewer than there are where the posterior collapses.
        """
        import torch

        model: Any = self.family.average
        device = next(model.parameters()).device
        tensors = {name: tensor.to(device) for name, tensor in self.tensors(events).items()}
        observations, context = tensors["observations"], model.context(tensors["conditions"])
        number = observations[..., 3].sum()
        with torch.no_grad():
            mean, log_width = model.autoencoder.encode(observations, context)
            found, surprise = [], []
            for _ in range(VALIDATION_DRAWS):
                noise = torch.randn(mean.shape, generator=rng).to(mean)
                code = mean + log_width.exp() * noise
                found.append(model.autoencoder.log_likelihood(observations, code, context).sum() / number)
                own = (-0.5 * noise.square() - log_width - 0.5 * np.log(2 * np.pi)).sum(dim=1)
                surprise.append((own - model.prior.log_prob(code, context)).mean())
        reconstruction, divergence = (float(torch.stack(one).mean()) for one in (found, surprise))
        per_star = float(number) / len(mean)
        return {
            "score": divergence / per_star - reconstruction,
            "reconstruction": reconstruction,
            "divergence": divergence,
            "active": float((mean.std(dim=0) > 0.1).sum()),
        }


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:  # noqa: ARG001
    """Return the untrained module that a checkpoint fills: (noise, conditions in physical units) -> cycles."""
    from simulacra.models.star_curves import StarCurves

    return StarCurves(
        settings.conditions,
        observations=settings.observations,
        code=settings.code,
        points=settings.points,
        width=settings.width,
        blocks=settings.blocks,
        architecture=settings.architecture,
    )


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use."""
    return module.eval()


def to_variables(output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:  # noqa: ARG001
    """Return the event variables of a module's output, cycles (N, 3, points) of magnitude, scatter and time."""
    columns = {name: output[:, i].copy() for i, name in enumerate(("magnitude", "magnitude_error", "time"))}
    columns["observed"] = np.ones(columns["time"].shape, bool)
    return {name: star_variable(values, name) for name, values in columns.items()}


def check(events: xr.Dataset, conditions: tuple[str, ...]) -> None:
    """Refuse events that are no light curves with these conditions (:class:`~simulacra.events.EventsError`)."""
    if not is_light_curve(events):
        raise EventsError(
            "light curves need 'time', 'magnitude', 'magnitude_error' and the mask 'observed', (event, observation), "
            f"and 'period'; the events hold {', '.join(sorted(map(str, events.data_vars)))}"
        )
    if "colour" in conditions and "colour" not in events:
        raise EventsError("the light curves have no 'colour': give it, or set system.colour=false")
    validate(events, conditions=conditions, features=("magnitude",))
    for name in ("period", "amplitude"):
        if (wrong := ~(events[name].values > 0)).any():
            event = int(events["event"].values[np.argmax(wrong)])
            raise EventsError(f"'{name}' is {events[name].values[wrong][0]} in event {event}: it must be above 0")


def _drawn_conditions(events: xr.Dataset, names: tuple[str, ...]) -> xr.Dataset:
    """Return conditions drawn from mixtures of Gaussians, one mixture for each class, within the training ranges."""
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(SEED)
    numbers = [name for name in names if CONDITIONS[name].kind != "choice"]
    logarithmic = np.array([CONDITIONS[name].positive for name in numbers])
    table = np.stack([events[name].values.astype(np.float64) for name in numbers], axis=1)
    table[:, logarithmic] = np.log(table[:, logarithmic])
    of = events["stellar_class"].values if "stellar_class" in names else np.zeros(len(table), np.int32)
    drawn, classes = [], []
    for one in np.unique(of):
        stars = table[of == one]
        components = max(1, min(MOST_COMPONENTS, len(stars) // STARS_PER_COMPONENT))
        # The ridge keeps a class of one star or two from being a point.
        mixture = GaussianMixture(components, reg_covar=1e-4, random_state=SEED).fit(np.repeat(stars, 2, axis=0))
        wanted = max(1, round(KEPT * len(stars) / len(table)))
        rows = mixture.sample(20 * wanted)[0]
        rows = rng.permutation(rows[((rows >= table.min(axis=0)) & (rows <= table.max(axis=0))).all(axis=1)])[:wanted]
        drawn.append(rows)
        classes.append(np.full(len(rows), one))
    found = np.concatenate(drawn)
    found[:, logarithmic] = np.exp(found[:, logarithmic])
    columns = {name: found[:, i].astype(np.float32) for i, name in enumerate(numbers)}
    # Rounding must not lead out of the ranges.
    for name in numbers:
        columns[name] = columns[name].clip(events[name].values.min(), events[name].values.max()).astype(np.float32)
    if "stellar_class" in names:
        columns["stellar_class"] = np.concatenate(classes).astype(np.int32)
    return xr.Dataset({name: ("event", values) for name, values in columns.items()})


def toy_stars(n: int, seed: int, *, observations: int = 128) -> xr.Dataset:
    """Return sawtooth-like and sinusoidal stars, whose bump moves with the period, at random times with gaps.

    Their conditions are some values each, so that no part of the sample reaches farther than another.
    """
    rng = np.random.default_rng(seed)
    period = np.exp(rng.choice(np.linspace(0.5, 2.5, 12), n)).astype("f4")
    amplitude = rng.choice(np.linspace(0.2, 0.8, 7), n)
    sine = rng.integers(2, size=n).astype(bool)
    time = np.sort(rng.uniform(0, 400, (n, observations)), axis=1)
    there = np.arange(observations) < rng.integers(max(18, observations // 2), observations + 1, n)[:, None]
    angle = 2 * np.pi * (time / period[:, None] + rng.uniform(0, 1, (n, 1)))
    second = np.where(sine, 0.0, 0.4)[:, None] * np.cos(2 * angle + 4.0 + 0.5 * np.log(period)[:, None])
    error = rng.uniform(0.005, 0.02, (n, observations))
    mean = 16.5 - 1.2 * np.log(period) + rng.choice([-0.1, 0.0, 0.1], n)
    values = mean[:, None] + 0.5 * amplitude[:, None] * (np.cos(angle) + second) + error * rng.normal(size=angle.shape)
    columns = {"time": time, "magnitude": values.astype("f4"), "magnitude_error": error.astype("f4")}
    columns = {name: np.where(there, one, 0) for name, one in columns.items()} | {"observed": there}
    columns |= {
        "period": period,
        "mean_magnitude": mean.astype("f4"),
        "amplitude": amplitude.astype("f4"),
        "colour": (0.5 + 0.1 * np.log(period) + rng.choice([-0.05, 0.0, 0.05], n)).astype("f4"),
        "stellar_class": np.where(sine, CLASSES.index("RR_Lyrae_FO"), CLASSES.index("Classical_Cepheid")).astype("i4"),
    }
    return make_events(
        {name: star_variable(values, name) for name, values in columns.items()},
        simulator="toy stars",
        simulator_version="1",
        seed=seed,
        settings={},
        seconds_per_event=0.0,
    )


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on toy stars that are written into the folder."""
    from simulacra.store import write_events

    path = folder / "stars.zarr"
    write_events(toy_stars(600, seed=1, observations=64), path)
    return {
        "name": "example-variable_star",
        "data": {"path": str(path)},
        "system": {"kind": "variable_star", "classes": True, "code": 2, "width": 8, "blocks": 2, "observations": 32},
        "training": {"steps": 4, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"},
    }
