r"""Networks of folded light curves: circular temporal convolutions, or recurrent ones, from curves to codes and back.

A curve is a function of the phase, from 0 to 1, where it begins again. Temporal convolutions (Bai, Kolter and Koltun,
arXiv:1803.01271) are dilated, so that a few layers see the whole cycle; here they are circular instead of causal. A
recurrent network (GRU, arXiv:1406.1078) goes round the cycle twice, and the first round only fills its memory. Beside
either, the first harmonics of a curve go straight to its code and come straight from it, for they are learned at once.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.deep_sets import perceptron

Architecture = Literal["convolutional", "recurrent"]

#: waves per cycle that tell a network where in the cycle it is
WAVES = 4
#: hidden width of what turns codes into what a decoder is told, and the reverse
TOLD = 64
#: harmonics that go past the convolutions
HARMONICS = 8
#: places into which an encoder's output is averaged before the last layers
COARSE = 16


def waves_of(number: int, points: int) -> Tensor:
    """Return cosine and sine of the first harmonics on a cycle, (2 number, points)."""
    phase = 2 * torch.pi * torch.arange(points) / points
    return torch.stack([wave(k * phase) for k in range(1, number + 1) for wave in (torch.cos, torch.sin)])


class CircularBlock(nn.Module):
    """A residual dilated convolution round the cycle, scaled and shifted by numbers of the star: (N, width, G)."""

    def __init__(self, width: int, numbers: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.modulation = nn.Linear(numbers, 2 * width)
        self.convolution = nn.Conv1d(width, width, 3, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, hidden: Tensor, numbers: Tensor) -> Tensor:
        """Map (N, width, G) and numbers (N, numbers) to (N, width, G)."""
        scale, shift = self.modulation(numbers)[:, :, None].chunk(2, dim=1)
        inside = functional.silu(hidden * (1 + scale) + shift)
        inside = torch.cat([inside[..., -self.dilation :], inside, inside[..., : self.dilation]], dim=2)
        found: Tensor = hidden + self.mix(functional.silu(self.convolution(inside)))
        return found


class CycleNetwork(nn.Module):
    """Map channels on a cycle and numbers of the star to features on the cycle.

    Parameters
    ----------
    channels, numbers:
        of the input; there may be no channels.
    points:
        of the cycle.
    width, blocks:
        features at each point, and residual convolutions, whose dilations are 1, 2, 4, ...; a recurrent network has one
        layer.
    """

    waves: Tensor

    def __init__(
        self, channels: int, numbers: int, *, points: int, width: int, blocks: int, architecture: Architecture
    ) -> None:
        super().__init__()
        self.register_buffer("waves", waves_of(WAVES, points)[None], persistent=False)
        inputs = channels + 2 * WAVES
        self.architecture = architecture
        if architecture == "recurrent":
            self.start = nn.Linear(numbers, width)
            self.recurrent = nn.GRU(inputs + numbers, width, batch_first=True)
        else:
            self.first = nn.Conv1d(inputs, width, 1)
            dilations = [2**k for k in range(blocks)]
            self.blocks = nn.ModuleList(CircularBlock(width, numbers, min(d, points // 2)) for d in dilations)

    def forward(self, channels: Tensor | None, numbers: Tensor) -> Tensor:
        """Map channels (N, channels, points) and numbers (N, numbers) to features (N, width, points)."""
        waves = self.waves.to(numbers.dtype).expand(numbers.shape[0], -1, -1)
        inputs = waves if channels is None else torch.cat([channels, waves], dim=1)
        if self.architecture == "recurrent":
            points = inputs.shape[2]
            told = numbers[:, :, None].expand(-1, -1, points)
            once = torch.cat([inputs, told], dim=1).transpose(1, 2)
            found, _ = self.recurrent(torch.cat([once, once], dim=1), self.start(numbers)[None])
            second: Tensor = found[:, points:].transpose(1, 2)
            return second
        hidden: Tensor = self.first(inputs)
        for block in self.blocks:
            hidden = block(hidden, numbers)
        return functional.silu(hidden)


class CurveAutoencoder(nn.Module):
    """A variational autoencoder of folded light curves, given a context (N, C).

    Observations are (N, L, 4): phase, magnitude and its error in units of the star's amplitude, and 1 where there is an
    observation. Their likelihood is that of Gaussian errors about the curve, whose variance is that of the observation
    and that of the star's own scatter, which the decoder tells with the curve.

    Parameters
    ----------
    context:
        numbers of a star's context.
    code:
        of its code.
    points:
        of a cycle, a power of 2, at least 32. A curve is linear between them; the encoder sees means about them.
    width, blocks, architecture:
        of :class:`CycleNetwork`.
    """

    harmonics: Tensor

    def __init__(
        self, context: int, *, code: int, points: int, width: int, blocks: int, architecture: Architecture
    ) -> None:
        super().__init__()
        self.code, self.points = code, points
        self.register_buffer("harmonics", waves_of(HARMONICS, points), persistent=False)
        self.encoder = CycleNetwork(2, context, points=points, width=width, blocks=blocks, architecture=architecture)
        self.to_code = perceptron((COARSE * width + 2 * HARMONICS + context, TOLD, 2 * code))
        self.told = perceptron((code + context, TOLD, TOLD), last_activation=True)
        self.decoder = CycleNetwork(0, TOLD, points=points, width=width, blocks=blocks, architecture=architecture)
        self.curve = nn.Conv1d(width, 1, 1)
        self.to_harmonics = nn.Linear(TOLD, 2 * HARMONICS)
        self.log_scatter = nn.Linear(TOLD, 1)
        nn.init.constant_(self.log_scatter.bias, -4.0)

    def encode(self, points: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log width of each component of the code, (N, code) each, of observations (N, L, 4)."""
        binned = self._binned(points)
        coarse = self.encoder(binned, context).unflatten(2, (COARSE, -1)).mean(dim=3).flatten(1)
        harmonics = 4 * binned[:, 0] @ self.harmonics.T / self.points
        mean, log_width = self.to_code(torch.cat([coarse, harmonics, context], dim=1)).chunk(2, dim=1)
        return mean, log_width.clamp(-8.0, 2.0) - 1.0

    def decode(self, code: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return curves (N, points) and the scatter about them (N,), both in units of the amplitude, of codes."""
        told = self.told(torch.cat([code, context], dim=1))
        curve = self.curve(self.decoder(None, told))[:, 0] + self.to_harmonics(told) @ self.harmonics
        return curve, self.log_scatter(told)[:, 0].clamp(-9.0, 1.0).exp()

    def log_likelihood(self, points: Tensor, code: Tensor, context: Tensor) -> Tensor:
        """Return log p(observations | code), (N,), of observations (N, L, 4), in units of the amplitude."""
        phase, magnitude, error, there = points.unbind(dim=2)
        curve, scatter = self.decode(code, context)
        place = phase * self.points
        low = place.floor()
        share, left = place - low, low.long() % self.points
        found = torch.lerp(curve.gather(1, left), curve.gather(1, (left + 1) % self.points), share)
        variance = error.square() + scatter.square()[:, None]
        log_p = -0.5 * ((magnitude - found).square() / variance + (2 * torch.pi * variance).log())
        return (log_p * there).sum(dim=1)

    def _binned(self, points: Tensor) -> Tensor:
        """Return the weighted mean in each bin of the phase, and how well it is known, (N, 2, bins)."""
        phase, magnitude, error, there = points.unbind(dim=2)
        weight = there / (error.square() + 0.01**2)
        place = (phase * self.points).long() % self.points
        empty = magnitude.new_zeros(len(magnitude), self.points)
        weights = empty.scatter_add(1, place, weight)
        sums = empty.scatter_add(1, place, weight * magnitude)
        return torch.stack([sums / weights.clamp(min=1e-6), torch.log1p(weights) / 10], dim=1)
