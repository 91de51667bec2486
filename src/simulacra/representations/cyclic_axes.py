"""Points on rings in axes with uncorrelated components: waves around the ring, and principal axes of each wave."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.representations.latent_scores import below

LEAST_VARIANCE: Final = 1e-3
#: part of a score's variance that is its own, when scores are drawn given the others; less of it takes more sweeps
NUGGET: Final = 0.2
SWEEPS: Final = 12
#: rows of which scores are drawn together
AT_ONCE: Final = 64
#: rounds of drawing empty cells and of fitting moments to them
ROUNDS: Final = 20
#: most components of a wave that are rotated together: 26 waves of 512 are 27 MB of a model's file
MOST_TOGETHER: Final = 512


class CyclicAxes(nn.Module):
    r"""An orthogonal map of points on rings, (N, A, K), to the principal axes of their second moments about 0.

    A detector of A equal bins around the beam has the same moments after a rotation by any number of bins, and after a
    reflection. Its K x A components are therefore uncorrelated between waves around the ring, cosines and sines of a
    wave have the same real moments, (K, K), and each point counts as 2 A of them. Of the 6480 cells of the
    CaloChallenge's set 2 these are 9 matrices of 405 x 405 in the place of one of 6480 x 6480.

    Parameters
    ----------
    bins:
        A, the number of bins of a ring.
    sizes:
        components at each angle that belong together, such as those of each section. Beyond ``MOST_TOGETHER``, only
        those of neighbouring sections are rotated together.
    """

    waves: Tensor
    wave: Tensor
    axes: Tensor
    variance: Tensor

    def __init__(self, bins: int, *sizes: int) -> None:
        super().__init__()
        self.bins, self.sizes, self.size = bins, sizes, sum(sizes)
        self.blocks = _blocks(sizes)
        waves, wave = _waves(bins)
        self.register_buffer("waves", waves, persistent=False)
        self.register_buffer("wave", wave, persistent=False)
        count = bins // 2 + 1
        self.register_buffer("axes", torch.cat([torch.eye(size).repeat(count, 1, 1).flatten() for size in self.blocks]))
        self.register_buffer("variance", torch.ones(count, self.size))

    def forward(self, points: Tensor) -> Tensor:
        """Return the components (N, A, K) of points (N, A, K); those of a wave stand in one row."""
        return self._rotated(self.waves @ points, transpose=False)

    def inverse(self, components: Tensor) -> Tensor:
        """Return the points (N, A, K) of components (N, A, K)."""
        return self.waves.t() @ self._rotated(components, transpose=True)

    def variances(self) -> Tensor:
        """Return the variance of each component, (A, K)."""
        return self.variance[self.wave]

    def fit(self, points: Tensor) -> None:
        """Fit to points (N, A, K)."""
        rotated = self.waves @ points
        axes, variances = [], []
        for piece in rotated.split(self.blocks, dim=2):
            moments = torch.zeros(len(self.variance), piece.shape[2], piece.shape[2], dtype=torch.double)
            # Row by row: the sines and cosines of a wave together.
            for row, wave in zip(piece.unbind(dim=1), self.wave.tolist(), strict=True):
                moments[wave] += (row.t() @ row).double() / (len(row) * float((self.wave == wave).sum()))
            found, vectors = torch.linalg.eigh(moments)
            axes.append(vectors.flatten())
            variances.append(found)
        self.axes.copy_(torch.cat(axes))
        self.variance.copy_(torch.cat(variances, dim=1).clamp(min=LEAST_VARIANCE))

    def fit_censored(self, scores: Tensor, most: Tensor, rng: torch.Generator) -> None:
        """Fit to scores (N, A, K), minus infinity where only the largest value ``most`` is known.

        Unknown scores are drawn given all others, and moments fitted to them, in turns.
        """
        current = _begun(scores, most, torch.rand(scores.shape, generator=rng))
        for _ in range(ROUNDS):
            self.fit(current)
            current = self.refreshed(current, scores, most, rng)
        self.fit(current)

    def imputed(self, scores: Tensor, most: Tensor, seeds: Tensor) -> Tensor:
        """Return scores (N, A, K) with those of minus infinity drawn below ``most`` given all others.

        The scores are a Gaussian copula of censored values (Hoff, Ann. Appl. Stat. 1 (2007) 265), sampled by Gibbs
        sampling in two blocks: x = s + e, where e is independent with the variance ``NUGGET``. Given x, s is normal and
        independent in the principal axes; given s, the unknown x are normal, independent and truncated. ``seeds`` (N,)
        decide the random numbers of each row, whatever the others are.
        """
        found = []
        for seen, largest, rows in zip(*(each.split(AT_ONCE) for each in (scores, most, seeds)), strict=True):
            rngs = [torch.Generator().manual_seed(seed) for seed in rows.tolist()]
            current = _begun(seen, largest, _stacked(torch.rand, rngs, seen))
            for _ in range(SWEEPS):
                noise, uniform = (_stacked(draw, rngs, seen) for draw in (torch.randn, torch.rand))
                current = self._swept(current, seen, largest, noise, uniform)
            found.append(current)
        return torch.cat(found)

    def refreshed(self, current: Tensor, scores: Tensor, most: Tensor, rng: torch.Generator) -> Tensor:
        """Return scores of :meth:`imputed` after a further sweep."""
        noise = torch.randn(current.shape, generator=rng).to(current)
        return self._swept(current, scores, most, noise, torch.rand(current.shape, generator=rng).to(current))

    def _swept(self, current: Tensor, scores: Tensor, most: Tensor, noise: Tensor, uniform: Tensor) -> Tensor:
        variance = self.variances().clamp(min=1.01 * NUGGET)
        smooth = (variance - NUGGET) / variance
        shared = self.inverse(self(current) * smooth + noise * (smooth * NUGGET).sqrt())
        return torch.where(torch.isinf(scores), below(most, shared, math.sqrt(NUGGET), uniform), scores)

    def turned(self) -> list[Tensor]:
        """Return the axes of each row's wave, (A, size, size), of each block."""
        parts = self.axes.split([len(self.variance) * size * size for size in self.blocks])
        return [part.reshape(-1, size, size)[self.wave] for part, size in zip(parts, self.blocks, strict=True)]

    def _rotated(self, components: Tensor, *, transpose: bool) -> Tensor:
        turned = [
            torch.bmm(piece.transpose(0, 1), axes.transpose(1, 2) if transpose else axes).transpose(0, 1)
            for piece, axes in zip(components.split(self.blocks, dim=2), self.turned(), strict=True)
        ]
        return turned[0] if len(turned) == 1 else torch.cat(turned, dim=2)


class FixedCyclicAxes(CyclicAxes):
    """Fitted :class:`CyclicAxes` for use: the axes and variances of each row's wave are computed once."""

    spread: Tensor

    def __init__(self, axes: CyclicAxes) -> None:
        super().__init__(axes.bins, *axes.sizes)
        self.load_state_dict(axes.state_dict())
        self.register_buffer("spread", axes.variances(), persistent=False)
        for i, turned in enumerate(axes.turned()):
            self.register_buffer(f"turned_{i}", turned, persistent=False)

    def variances(self) -> Tensor:
        """Return the variance of each component, (A, K)."""
        return self.spread

    def turned(self) -> list[Tensor]:
        """Return the axes of each row's wave, (A, size, size), of each block."""
        return [self.get_buffer(f"turned_{i}") for i in range(len(self.blocks))]


def _begun(scores: Tensor, most: Tensor, uniform: Tensor) -> Tensor:
    return torch.where(torch.isinf(scores), below(most, torch.zeros_like(most), 1.0, uniform), scores)


def _stacked(draw: Callable[..., Tensor], rngs: Sequence[torch.Generator], like: Tensor) -> Tensor:
    """Return random numbers like a tensor, each row by its own generator."""
    return torch.stack([draw(like.shape[1:], generator=rng) for rng in rngs]).to(like)


def _waves(bins: int) -> tuple[Tensor, Tensor]:
    """Return the orthogonal matrix of cosines and sines, (A, A), and the number of the wave of each row."""
    angle = 2 * math.pi * torch.arange(bins, dtype=torch.double) / bins
    rows, wave = [torch.full_like(angle, bins**-0.5)], [0]
    for m in range(1, bins // 2 + 1):
        if 2 * m == bins:
            rows.append(torch.cos(m * angle) * bins**-0.5)
            wave.append(m)
        else:
            rows += [torch.cos(m * angle) * (2 / bins) ** 0.5, torch.sin(m * angle) * (2 / bins) ** 0.5]
            wave += [m, m]
    return torch.stack(rows).float(), torch.tensor(wave)


def _blocks(sizes: tuple[int, ...]) -> list[int]:
    """Return the sizes of blocks of neighbouring sections, as equal as can be."""
    count = -(-sum(sizes) // MOST_TOGETHER)
    blocks, bound = [0], sum(sizes) / count
    done = 0
    for size in sizes:
        if done and done + size / 2 > len(blocks) * bound:
            blocks.append(0)
        blocks[-1] += size
        done += size
    return blocks
