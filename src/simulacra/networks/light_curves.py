r"""Networks of folded light curves: circular temporal convolutions, or recurrent ones, from curves to codes and back.

A curve is a function of the phase, from 0 to 1, where it begins again. Temporal convolutions (Bai, Kolter and Koltun,
arXiv:1803.01271) are dilated, so that a few layers see the whole cycle; here they are circular instead of causal. A
recurrent network (GRU, arXiv:1406.1078) goes round the cycle twice, and the first round only fills its memory.

Beside either, the first harmonics of a curve go straight to its code and come straight from it. They are relative to a
regression on the star's context, in units of what it leaves over: what stars of a period have in common is known before
a network learns anything, and what tells them apart is small beside it.
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
#: of the regression of harmonics: places and width of bumps in the first number of the context, and its ridge
BUMPS = (-3.0, 4.0, 0.4)
RIDGE = 0.1
#: what is left over is looked at up to this many standard deviations
FARTHEST = 6.0
#: places into which an encoder's output is averaged before the last layers
COARSE = 16


def waves_of(number: int, points: int) -> Tensor:
    """Return cosine and sine of the first harmonics on a cycle, (points, 2 number)."""
    phase = 2 * torch.pi * torch.arange(points) / points
    return torch.stack([wave(k * phase) for k in range(1, number + 1) for wave in (torch.cos, torch.sin)], dim=1)


class CircularBlock(nn.Module):
    """A residual dilated convolution round the cycle, scaled and shifted by numbers of the star: (N, G, width).

    It is a linear layer of a point and its two neighbours at the distance ``dilation``, which is faster than torch's
    convolution.
    """

    def __init__(self, width: int, numbers: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.modulation = nn.Linear(numbers, 2 * width)
        self.convolution = nn.Linear(3 * width, width)
        self.mix = nn.Linear(width, width)

    def forward(self, hidden: Tensor, numbers: Tensor) -> Tensor:
        """Map (N, G, width) and numbers (N, numbers) to (N, G, width)."""
        scale, shift = self.modulation(numbers)[:, None].chunk(2, dim=2)
        inside = functional.silu(hidden * (1 + scale) + shift)
        d = self.dilation
        before = torch.cat([inside[:, -d:], inside[:, :-d]], dim=1)
        after = torch.cat([inside[:, d:], inside[:, :d]], dim=1)
        filtered = self.convolution(torch.cat([before, inside, after], dim=2))
        found: Tensor = hidden + self.mix(functional.silu(filtered))
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
            self.first = nn.Linear(inputs, width)
            dilations = [min(2**k, points // 2) for k in range(blocks)]
            self.blocks = nn.ModuleList(CircularBlock(width, numbers, d) for d in dilations)

    def forward(self, channels: Tensor | None, numbers: Tensor) -> Tensor:
        """Map channels (N, points, channels) and numbers (N, numbers) to features (N, points, width)."""
        waves = self.waves.to(numbers.dtype).expand(numbers.shape[0], -1, -1)
        inputs = waves if channels is None else torch.cat([channels, waves], dim=2)
        if self.architecture == "recurrent":
            points = inputs.shape[1]
            once = torch.cat([inputs, numbers[:, None].expand(-1, points, -1)], dim=2)
            found, _ = self.recurrent(torch.cat([once, once], dim=1), self.start(numbers)[None])
            second: Tensor = found[:, points:]
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

    waves: Tensor
    places: Tensor
    regression: Tensor
    left_over: Tensor

    def __init__(
        self, context: int, *, code: int, points: int, width: int, blocks: int, architecture: Architecture
    ) -> None:
        super().__init__()
        self.code, self.points = code, points
        # The mean over the cycle is the first of the harmonics.
        self.register_buffer(
            "waves", torch.cat([torch.ones(points, 1), waves_of(HARMONICS, points)], dim=1), persistent=False
        )
        number = self.waves.shape[1]
        self.register_buffer("places", torch.arange(*BUMPS), persistent=False)
        self.register_buffer("regression", torch.zeros(1 + context + len(self.places), number))
        self.register_buffer("left_over", torch.ones(number))
        self.encoder = CycleNetwork(2, context, points=points, width=width, blocks=blocks, architecture=architecture)
        self.to_code = perceptron((COARSE * width + number + context, TOLD, 2 * code))
        self.told = perceptron((code + context, TOLD, TOLD), last_activation=True)
        self.decoder = CycleNetwork(0, TOLD, points=points, width=width, blocks=blocks, architecture=architecture)
        self.curve = nn.Linear(width, 1)
        self.to_harmonics = nn.Linear(TOLD, number)
        self.log_scatter = nn.Linear(TOLD, 1)
        nn.init.constant_(self.log_scatter.bias, -3.5)

    @torch.no_grad()
    def fit(self, points: Tensor, context: Tensor) -> None:
        """Fit the regression of harmonics to observations (N, L, 4) of stars and their context (N, C).

        Stars without observations about a point are left out, unless too few would remain.
        """
        binned = self._binned(points)
        whole = (binned[..., 1] > 0).all(dim=1)
        if int(whole.sum()) >= self.regression.shape[0]:
            binned, context = binned[whole], context[whole]
        known, wanted = self._known(context).double(), self._harmonics(binned[..., 0]).double()
        square = known.T @ known + RIDGE * torch.eye(known.shape[1], dtype=torch.float64, device=known.device)
        solution = torch.linalg.solve(square, known.T @ wanted)
        self.regression.copy_(solution)
        self.left_over.copy_((wanted - known @ solution).std(dim=0).clamp(min=1e-4))

    def encode(self, points: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log width of each component of the code, (N, code) each, of observations (N, L, 4)."""
        binned, usual = self._binned(points), self._known(context) @ self.regression
        there = (binned[..., 1] > 0).to(binned)
        away = (binned[..., 0] - usual @ self.waves.T) * there
        harmonics = self._harmonics(away) / self.left_over
        scaled = (away / self.left_over.square().sum().sqrt()).clamp(-FARTHEST, FARTHEST)
        coarse = self.encoder(torch.stack([scaled, binned[..., 1]], dim=2), context)
        coarse = coarse.unflatten(1, (COARSE, -1)).mean(dim=2).flatten(1)
        seen = torch.cat([coarse, harmonics.clamp(-FARTHEST, FARTHEST), context], dim=1)
        mean, log_width = self.to_code(seen).chunk(2, dim=1)
        return mean, log_width.clamp(-7.0, 3.0) - 2.0

    def decode(self, code: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return curves (N, points) and the scatter about them (N,), both in units of the amplitude, of codes."""
        told = self.told(torch.cat([code, context], dim=1))
        harmonics = self._known(context) @ self.regression + self.to_harmonics(told) * self.left_over
        further = self.curve(self.decoder(None, told))[..., 0] * self.left_over.mean()
        return harmonics @ self.waves.T + further, self.log_scatter(told)[:, 0].clamp(-9.0, 1.0).exp()

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

    def _known(self, context: Tensor) -> Tensor:
        """Return what the regression is linear in, (N, 1 + C + bumps)."""
        bumps = (-0.5 * ((context[:, :1] - self.places) / BUMPS[2]).square()).exp()
        return torch.cat([torch.ones_like(context[:, :1]), context, bumps], dim=1)

    def _harmonics(self, curves: Tensor) -> Tensor:
        """Return mean, cosines and sines of curves (N, points), (N, harmonics)."""
        found = 2 * curves @ self.waves / self.points
        return torch.cat([found[:, :1] / 2, found[:, 1:]], dim=1)

    def _binned(self, points: Tensor) -> Tensor:
        """Return the weighted mean about each point of the cycle, and how well it is known, (N, points, 2)."""
        phase, magnitude, error, there = points.unbind(dim=2)
        weight = there / (error.square() + 0.01**2)
        place = (phase * self.points).round().long() % self.points
        empty = magnitude.new_zeros(len(magnitude), self.points)
        weights = empty.scatter_add(1, place, weight)
        sums = empty.scatter_add(1, place, weight * magnitude)
        return torch.stack([sums / weights.clamp(min=1e-6), torch.log1p(weights) / 10], dim=2)
