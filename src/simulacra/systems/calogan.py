"""CaloGAN: showers in a calorimeter of a few longitudinal sections, given the incident particle.

Paganini, de Oliveira and Nachman, arXiv:1705.02355 (energy) and arXiv:1712.10321 (energy, impact position and angle).
It stands for the shower-shape figures and the table of computing times of arXiv:1712.10321.

What is the papers': a stream of locally connected layers a section, attention that paints each section in from the
one before, sparsity by ReLU, conditions that multiply the noise, a critic with a stream a section, minibatch
discrimination, sparsities and layer energies. What differs, each for a reason given in ``docs/calogan.md``: the images
are roots of cell shares and the total response is a number of its own
(:class:`~simulacra.representations.shower_images.ShowerImages`), so the energy is held by construction; the gradient
penalty and the moving average (:mod:`simulacra.generators.adversarial`) make the game converge; shower centres and
widths stand among the critic's observables; channels are few.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol

import numpy as np
import xarray as xr
from pydantic import Field

from simulacra.conditions import Distribution
from simulacra.events import validate, variable
from simulacra.geometry import CalorimeterGeometry
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.generators.adversarial import Adversarial
    from simulacra.statistics.validation import Validation

Channels = tuple[
    Annotated[int, Field(ge=1, le=256)], Annotated[int, Field(ge=1, le=256)], Annotated[int, Field(ge=1, le=256)]
]
Condition = Literal["incident_energy", "impact_x", "impact_y", "polar_angle", "azimuthal_angle"]

CONDITIONS: Final = {
    "incident_energy": ("GeV", "energy of the incident particle"),
    "impact_x": ("mm", "impact point along x (eta) on the front face"),
    "impact_y": ("mm", "impact point along y (phi) on the front face"),
    "polar_angle": ("rad", "angle between the incident particle and the calorimeter's axis"),
    "azimuthal_angle": ("rad", "azimuth of the incident particle"),
}


class Conditioned(Protocol):
    """Settings of a system of showers."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Names of the conditions, ``incident_energy`` first."""


class Settings(CheckedSettings):
    """Settings of a CaloGAN."""

    kind: Literal["calogan"] = "calogan"
    conditions: tuple[Condition, ...] = ("incident_energy",)
    latent: Annotated[int, Field(ge=1, le=4096)] = 64
    channels: Channels = (8, 8, 4)
    critic_channels: Channels = (16, 8, 8)
    power: Annotated[int, Field(ge=1, le=8)] = 2
    gradient_penalty: Annotated[float, Field(ge=0)] = 1.0
    penalty_interval: Annotated[int, Field(ge=1)] = 8
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    observable_matching: Annotated[float, Field(ge=0)] = 0.1
    reflections: bool = True


class Trainer:
    """A CaloGAN in training: the family, its tensors, augmentation and validation."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks and fit the representation to ``events``, the training part."""
        import torch

        from simulacra.generators.adversarial import Adversarial
        from simulacra.kinds.showers import ShowerValidation
        from simulacra.models.shower_gan import ShowerGame, ShowerOpponent

        validate(events, conditions=settings.conditions, features=("shower",))
        self.settings = settings
        self.geometry = CalorimeterGeometry.from_events(events)
        self.description = describe(settings, events)
        tensors = self.tensors(events)
        generator = build(settings, self.description)
        critic = ShowerOpponent(self.geometry, len(settings.conditions), settings.critic_channels)
        with torch.no_grad():
            # The representation learns from showers and their mirror images, as the networks do.
            shower, conditions = tensors["shower"], tensors["conditions"]
            images: Any = generator.images
            images.fit(shower, conditions[:, 0])
            if settings.reflections and len(settings.conditions) == 1:
                images.scale.copy_(self._symmetric(images.scale))
            image, score = images(shower, conditions[:, 0])
            critic.observables.fit((image > 0).float(), images.shares(image), score)
        self.family: Adversarial = Adversarial(
            generator,
            critic,
            ShowerGame(settings.observable_matching),
            latent=generator.latent,  # type: ignore[arg-type]
            gradient_penalty=settings.gradient_penalty,
            penalty_interval=settings.penalty_interval,
            average_decay=settings.average_decay,
        )
        self._validation = ShowerValidation(self.geometry, settings.conditions)

    def _symmetric(self, per_cell: Tensor) -> Tensor:
        import torch

        from simulacra.models.shower_gan import reflect

        mirrored = [
            reflect(per_cell[None], self.geometry, torch.tensor([rows]), torch.tensor([columns]))
            for rows in (False, True)
            for columns in (False, True)
        ]
        return torch.cat(mirrored).mean(dim=0)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``shower`` (N, cells) [MeV] and ``conditions`` (N, C) in physical units."""
        import torch

        conditions = np.stack([events[name].values for name in self.settings.conditions], axis=1)
        return {
            "shower": torch.as_tensor(events["shower"].values.astype(np.float32)),
            "conditions": torch.as_tensor(conditions.astype(np.float32)),
        }

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Mirror each shower along phi and eta with probability 1/2: the detector cannot tell the difference."""
        import torch

        from simulacra.models.shower_gan import reflect, reflect_conditions

        if not self.settings.reflections:
            return dict(batch)
        n = batch["shower"].shape[0]
        rows, columns = (torch.rand(2, n, generator=rng) < 0.5).to(batch["shower"].device)
        conditions = reflect_conditions(batch["conditions"], self.settings.conditions, rows, columns)
        return {"shower": reflect(batch["shower"], self.geometry, rows, columns), "conditions": conditions}

    def sample(self, conditions: Tensor, rng: torch.Generator) -> np.ndarray:
        """Return showers (N, cells) [MeV] of the averaged generator."""
        import torch

        noise = torch.randn(conditions.shape[0], self.family.latent, generator=rng)
        device = next(self.family.average.parameters()).device
        pieces = []
        with torch.inference_mode():
            for z, c in zip(noise.split(512), conditions.split(512), strict=True):
                pieces.append(self.family.average(z.to(device), c.to(device)).cpu())
        return torch.cat(pieces).numpy()

    def last_layer(self) -> dict[str, Tensor]:
        """Return the weights in training of the layers that make the images and the response, by the model's names."""
        network: Any = self.family.generator.network
        modules = {f"network.streams.{i}.image": stream.image for i, stream in enumerate(network.streams)}
        modules[f"network.response.{len(network.response) - 1}"] = network.response[-1]
        return {f"{place}.{name}": w for place, module in modules.items() for name, w in module.named_parameters()}

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged generator by its shower shapes."""
        return self._validation.check(events, self.sample(self.tensors(events)["conditions"], rng))


def describe(settings: Conditioned, events: xr.Dataset) -> dict[str, Any]:
    """Return what the training sample fixed and a checkpoint must know: geometry, particle, trained ranges."""
    ranges = {name: trained_range(name, events) for name in settings.conditions}
    held_out = json.loads(events.attrs.get("hold_out", "[]"))
    return {
        "geometry": events.attrs["geometry"],
        "particle": events.attrs.get("particle", ""),
        "condition_ranges": ranges,
        "simulator": events.attrs["simulator"],
        "simulator_version": events.attrs["simulator_version"],
        "seconds_per_event": float(events.attrs["seconds_per_event"]),
        **({"hold_out": held_out} if held_out else {}),
    }


def trained_range(name: str, events: xr.Dataset) -> tuple[float, float]:
    """Return the range of a condition that the sample was drawn from, or what it spans if its settings do not tell.

    A band at the range's end that was held out is not of it; one in its middle is.
    """
    lowest, highest = float(events[name].min()), float(events[name].max())
    asked = json.loads(events.attrs["settings"]).get("energy" if name == "incident_energy" else name)
    try:
        drawn = Distribution.parse(str(asked))
    except ValueError:
        # A foreign file: its extremes fall a little short of what was asked of the simulator.
        if name != "incident_energy":
            return lowest, highest
        # Rounded outwards at most: an energy that was trained on is not out of the trained range.
        return min(lowest, float(f"{lowest:.2g}")), max(highest, float(f"{highest:.2g}"))
    if not drawn.low < drawn.high:
        return lowest, highest
    low, high = drawn.low, drawn.high
    for condition, start, stop in json.loads(events.attrs.get("hold_out", "[]")):
        if condition == name and start <= low < stop:
            low = stop
        if condition == name and start < high <= stop:
            high = start
    return low, high


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, conditions in physical units) -> cells [MeV]."""
    from simulacra.models.shower_gan import ShowerGenerator

    geometry = CalorimeterGeometry.from_json(description["geometry"])
    ranges = {name: tuple(bounds) for name, bounds in description["condition_ranges"].items()}
    return ShowerGenerator(geometry, ranges, settings.latent, settings.channels, settings.power)


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use, its linear layers folded into one another."""
    from simulacra.models.folded_shower_generator import FoldedShowerGenerator

    return FoldedShowerGenerator(module).eval()  # type: ignore[arg-type]


def to_variables(output: np.ndarray) -> dict[str, xr.Variable]:
    """Return the event variables of what the module makes, (N, cells) [MeV]."""
    return {
        "shower": variable(
            output,
            "cell",
            units="MeV",
            long_name="energy deposited in the cell, absorber and active medium",
            role="feature",
        )
    }
