"""The velocity of fields from noise to data, by a U-Net that sees their waves all of one size, and as they are."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.field_codes import down, halved, up
from simulacra.networks.radial_filters import along_axes, wave_numbers, waves
from simulacra.networks.velocity import HARMONICS

#: filters of a group that is normalised together
GROUP: Final = 8
#: the smallest variance of a wave
LEAST: Final = 1e-6


class ModulatedBlock(nn.Module):
    """A residual block of two convolutions, scaled and shifted by numbers of the field: (N, width, n, m)."""

    def __init__(self, width: int, numbers: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(max(1, width // GROUP), width)
        self.modulation = nn.Linear(numbers, 2 * width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.normal_(self.second.weight, std=1e-3)

    def forward(self, hidden: Tensor, numbers: Tensor) -> Tensor:
        """Map (N, width, n, m) and numbers (N, numbers) to (N, width, n, m)."""
        scale, shift = self.modulation(numbers)[:, :, None, None].chunk(2, dim=1)
        inside = self.first(functional.silu(self.norm(hidden) * (1 + scale) + shift))
        found: Tensor = hidden + self.second(functional.silu(inside))
        return found


class FieldVelocity(nn.Module):
    """The velocity of x = cos(angle) noise + sin(angle) data, angle from 0 to pi/2, of the waves of fields (N, D).

    The waves are cosines, which do not join one edge to the opposite one, each in units of its standard deviation: of a
    Gaussian field with the power of the training fields the velocity is then 0, and training begins there. The U-Net
    sees the field with all waves of one size, where edges and filaments stand out, and as it is; it makes one image of
    either kind.

    Parameters
    ----------
    shape:
        of a field, (n1, n2).
    context:
        number of components of the context.
    width:
        filters at half of the resolution: a third of them at the full one, twice as many at a quarter.
    blocks:
        residual blocks at a quarter of the resolution; one before it, and one behind.
    embedding:
        number of units that embed the context and the angle.
    """

    deviation: Tensor
    weight: Tensor
    harmonics: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, shape: tuple[int, int], context: int, *, width: int, blocks: int, embedding: int = 96) -> None:
        super().__init__()
        self.shape, self.size = shape, math.prod(shape)
        self.latent = self.size
        self.at_half = (halved(shape[0]), halved(shape[1]))
        fine = max(4, width // 3)
        self.register_buffer("deviation", torch.ones(self.size))
        self.register_buffer("harmonics", 2.0 * torch.arange(1, HARMONICS + 1), persistent=False)
        for name, n in zip(("rows", "columns"), shape, strict=True):
            matrix = torch.as_tensor(waves(n, "open")[0], dtype=torch.float32)
            self.register_buffer(name, matrix, persistent=False)
        # Short waves are many, and say little of a field's structure.
        k = torch.as_tensor(wave_numbers(shape, "open").ravel(), dtype=torch.float32)
        weight = 1 / k.clamp(min=math.pi / max(shape))
        self.register_buffer("weight", weight / weight.mean(), persistent=False)
        self.embed = nn.Sequential(
            nn.Linear(context + 2 * HARMONICS, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.first = nn.Conv2d(2, fine, 3, padding=1)
        self.to_half = nn.Conv2d(fine, width, 4, 2, 1)
        self.before = ModulatedBlock(width, embedding)
        self.to_quarter = nn.Conv2d(width, 2 * width, 4, 2, 1)
        self.middle = nn.ModuleList(ModulatedBlock(2 * width, embedding) for _ in range(blocks))
        self.from_quarter = nn.ConvTranspose2d(2 * width, width, 4, 2, 1)
        self.behind = ModulatedBlock(width, embedding)
        self.from_half = nn.ConvTranspose2d(width, fine, 4, 2, 1)
        self.last = nn.Conv2d(2 * fine, 2, 3, padding=1)
        # Not 0, behind which no gradient would pass.
        nn.init.normal_(self.last.weight, std=1e-4)
        nn.init.constant_(self.last.bias, 0.0)  # type: ignore[arg-type]

    @torch.no_grad()
    def fit(self, points: Tensor) -> None:
        """Take the standard deviation of each wave from fields (N, D), the same along both axes of square ones."""
        power = self._to_waves(points).square().mean(dim=0).unflatten(0, self.shape)
        if self.shape[0] == self.shape[1]:
            power = (power + power.T) / 2
        self.deviation.copy_(power.flatten().clamp(min=LEAST).sqrt())

    def to_waves(self, points: Tensor) -> Tensor:
        """Return the amplitudes of the waves of fields, in standard deviations, (N, D) of (N, D)."""
        return self._to_waves(points) / self.deviation

    def from_waves(self, amplitudes: Tensor) -> Tensor:
        """Return the fields of amplitudes of waves, (N, D) of (N, D)."""
        return self._from_waves(amplitudes * self.deviation)

    def forward(self, x: Tensor, angle: Tensor, context: Tensor) -> Tensor:
        """Return the velocity (N, D) of waves (N, D) at angles (N, 1), given the context (N, context)."""
        phases = angle * self.harmonics
        told = self.embed(torch.cat([context, torch.sin(phases), torch.cos(phases)], dim=1))
        seen = torch.stack([self._from_waves(x), self.from_waves(x)], dim=1).unflatten(2, self.shape)
        fine = functional.silu(self.first(seen))
        half = self.before(down(fine, self.to_half), told)
        coarse = down(half, self.to_quarter)
        for block in self.middle:
            coarse = block(coarse, told)
        half = self.behind(half + up(coarse, self.from_quarter, self.at_half), told)
        fine = torch.cat([fine, functional.silu(up(half, self.from_half, self.shape))], dim=1)
        made = self.last(fine).flatten(2)
        # Long waves of the second image are divided by their standard deviation, short ones do not count.
        damped = self.deviation / (1 + self.deviation.square())
        velocity: Tensor = self._to_waves(made[:, 0]) + damped * self._to_waves(made[:, 1])
        return velocity

    def paired(self, noise: Tensor, context: Tensor) -> Tensor:  # noqa: ARG002
        """Return the noise (N, D) that is paired with data of this context: unchanged."""
        return noise

    def precision(self, angle: Tensor) -> Tensor:
        """Return weights of squared errors, (N, D): each wave's is 1 / k, whatever the angle."""
        return self.weight.expand(len(angle), -1)

    def _to_waves(self, points: Tensor) -> Tensor:
        return along_axes(points.unflatten(1, self.shape), (self.rows, self.columns)).flatten(1)

    def _from_waves(self, amplitudes: Tensor) -> Tensor:
        return along_axes(amplitudes.unflatten(1, self.shape), (self.rows.T, self.columns.T)).flatten(1)
