"""A generator of showers and its critic, from a layered-image network and a shower representation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from simulacra.geometry import CalorimeterGeometry
from simulacra.networks.layered_images import LayeredImageCritic, LayeredImageGenerator, soft_hits
from simulacra.networks.shower_observables import ShowerObservables
from simulacra.representations.conditions import ParticleConditions
from simulacra.representations.shower_images import ShowerImages


def carry_matrix(geometry: CalorimeterGeometry, section: int) -> Tensor:
    """Return the matrix that maps the image of section ``section`` to the cells of the next, (next cells, cells).

    Each cell of the next section gets the mean of the cells in front of it, weighted by the overlapping area.
    """
    overlap = torch.ones(1)
    for axis in (0, 1):
        before, after = geometry.section_shape(section)[axis], geometry.section_shape(section + 1)[axis]
        low = torch.maximum(torch.arange(after)[:, None] / after, torch.arange(before)[None] / before)
        high = torch.minimum((torch.arange(after)[:, None] + 1) / after, (torch.arange(before)[None] + 1) / before)
        overlap = torch.kron(overlap.reshape(1, -1) if axis == 0 else overlap, (high - low).clamp(min=0) * after)
    return overlap


class ShowerGenerator(nn.Module):
    """Map noise and physical conditions to the cells of a shower: the module of a checkpoint and of an ONNX file.

    Parameters
    ----------
    geometry:
        the detector, with cartesian sections.
    condition_ranges:
        trained range of each condition, in its unit, in the order of the columns; ``incident_energy`` [GeV] first.
    latent, channels:
        see :class:`~simulacra.networks.layered_images.LayeredImageGenerator`.
    power:
        see :class:`~simulacra.representations.shower_images.ShowerImages`.
    """

    def __init__(
        self,
        geometry: CalorimeterGeometry,
        condition_ranges: Mapping[str, tuple[float, float]],
        latent: int,
        channels: tuple[int, int, int],
        power: int,
    ) -> None:
        super().__init__()
        if next(iter(condition_ranges)) != "incident_energy":
            raise ValueError(f"the first condition must be 'incident_energy'; they are {list(condition_ranges)}")
        self.conditions = ParticleConditions(condition_ranges)
        self.images = ShowerImages(geometry.n_cells, power)
        sections = range(len(geometry.sections))
        self.network = LayeredImageGenerator(
            [geometry.section_shape(i) for i in sections],
            [carry_matrix(geometry, i) for i in sections[:-1]],
            len(condition_ranges),
            latent,
            channels,
        )
        self.latent = self.network.latent

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map standard normal noise (N, latent) and conditions (N, C) to energies in the cells, (N, cells), [MeV]."""
        _, image, score = self.network(noise, self.conditions(conditions))
        cells: Tensor = self.images.inverse(image, score, conditions[:, 0])
        return cells


class ShowerOpponent(nn.Module):
    """The critic and its inputs."""

    def __init__(self, geometry: CalorimeterGeometry, n_conditions: int, channels: tuple[int, int, int]) -> None:
        super().__init__()
        self.observables = ShowerObservables(geometry)
        self.critic = LayeredImageCritic(
            [geometry.section_shape(i) for i in range(len(geometry.sections))],
            self.observables.size,
            n_conditions,
            channels,
        )

    def forward(self, images: ShowerImages, seen: Mapping[str, Tensor], conditions: Tensor) -> Tensor:
        """Return the logit of "real", (N,)."""
        logit: Tensor = self.critic(seen["image"], self.observe(images, seen).clamp(-10.0, 10.0), conditions)
        return logit

    def observe(self, images: ShowerImages, seen: Mapping[str, Tensor]) -> Tensor:
        """Return the standardised observables, (N, observables)."""
        observables: Tensor = self.observables(seen["hits"], images.shares(seen["image"]), seen["score"])
        return observables


class ShowerGame:
    """The networks of the adversarial family for showers.

    See :class:`~simulacra.generators.adversarial.AdversarialNetworks`. Batches hold ``shower`` (N, cells) [MeV] and
    ``conditions`` (N, C) in physical units.
    """

    def __init__(self, observable_matching: float) -> None:
        self.observable_matching = observable_matching

    def generate(self, generator: nn.Module, noise: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return generated images and response scores at the conditions of the batch."""
        scaled = generator.conditions(batch["conditions"])  # type: ignore[operator]
        before, image, score = generator.network(noise, scaled)  # type: ignore[operator]
        image = generator.images.normalise(image)  # type: ignore[union-attr, operator]
        return {"image": image, "hits": soft_hits(before), "score": score}

    def real(self, generator: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return real images and response scores."""
        image, score = generator.images(batch["shower"], batch["conditions"][:, 0])  # type: ignore[operator]
        return {"image": image, "hits": (image > 0).to(image.dtype), "score": score}

    def criticise(
        self, generator: nn.Module, critic: nn.Module, seen: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Return the logit of "real", (N,)."""
        scaled = generator.conditions(batch["conditions"])  # type: ignore[operator]
        logit: Tensor = critic(generator.images, seen, scaled)
        return logit

    def auxiliary(
        self, generator: nn.Module, critic: nn.Module, seen: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Hold generated observables to the real ones at the same conditions: mean and width over the batch.

        The papers hold the reconstructed energy to the requested one; here the response is one of the observables.
        """
        if self.observable_matching == 0:
            return torch.zeros(())
        images = generator.images
        with torch.no_grad():
            real = critic.observe(images, self.real(generator, batch))  # type: ignore[operator]
        fake = critic.observe(images, seen)  # type: ignore[operator]
        # Clamped, for one shower in a thousand in a far tail must not decide the width of a batch.
        real, fake = real.clamp(-5.0, 5.0), fake.clamp(-5.0, 5.0)
        distance = (fake.mean(dim=0) - real.mean(dim=0)).abs() + (fake.std(dim=0) - real.std(dim=0)).abs()
        loss: Tensor = self.observable_matching * distance.mean()
        return loss


def reflect(shower: Tensor, geometry: CalorimeterGeometry, rows: Tensor, columns: Tensor) -> Tensor:
    """Return showers (N, cells) mirrored along phi where ``rows`` and along eta where ``columns``, (N,) bool.

    For cylindrical cells, with alpha from the x axis, these are y to -y and x to -x: alpha to -alpha, and to pi -
    alpha.
    """
    shapes = [geometry.section_shape(i) for i in range(len(geometry.sections))]
    return flipped(shower, shapes, rows, columns, cylindrical=geometry.kind == "cylindrical")


def flipped(
    values: Tensor, shapes: Sequence[tuple[int, int]], rows: Tensor, columns: Tensor, *, cylindrical: bool = False
) -> Tensor:
    """Return values (N, places) in rows and columns of these shapes mirrored like the cells of :func:`reflect`."""
    pieces = []
    for piece, shape in zip(values.split([a * b for a, b in shapes], dim=1), shapes, strict=True):
        image = piece.reshape(-1, *shape)
        image = torch.where(rows[:, None, None], image.flip(1), image)
        mirrored = image.flip(1).roll(shape[0] // 2, dims=1) if cylindrical else image.flip(2)
        pieces.append(torch.where(columns[:, None, None], mirrored, image).flatten(1))
    return torch.cat(pieces, dim=1)


def reflect_conditions(conditions: Tensor, names: Sequence[str], rows: Tensor, columns: Tensor) -> Tensor:
    """Return the conditions (N, C), called ``names``, of showers mirrored by :func:`reflect`: position and azimuth."""
    conditions = conditions.clone()
    for i, name in enumerate(names):
        x = conditions[:, i]
        if name == "impact_x":
            conditions[:, i] = torch.where(columns, -x, x)
        elif name == "impact_y":
            conditions[:, i] = torch.where(rows, -x, x)
        elif name == "azimuthal_angle":
            x = torch.where(columns, math.pi - x, x)
            conditions[:, i] = torch.where(rows, -x, x)
    return conditions
