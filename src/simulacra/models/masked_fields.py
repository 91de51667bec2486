r"""The likelihood of the observed pixels of masked fields, by a flow of whole fields.

The likelihood of the observed pixels o is an integral over the hidden ones h. In the scores by the flow's first spline
a field is nearly Gaussian, and the integral is done there by importance sampling:

.. math:: p(o) = \int p(o, h) \, dh \approx \frac{1}{S} \sum_{s=1}^{S} \frac{p(o, h_s)}{q(h_s)}, \quad h_s \sim q

The proposal q is a normal distribution near the hidden scores of the largest density, with the precision matrix of
the flow's linear part: of a Gaussian field it is the exact distribution of the hidden pixels given the observed ones,
and one sample is enough. It needs no training, and takes any mask. Of other fields the estimate tends to the flow's
exact likelihood as S grows; the spread of the weights says how near it is. If one sample carries all the weight, the
estimate is too low. Annealing then helps: samples move from q to p(h | o) in many small steps.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from simulacra.models.equivariant_field_flow import EquivariantFieldFlow
from simulacra.networks.radial_filters import Boundary, waves

#: the matrix of more pixels than this takes too long
MOST_HIDDEN: Final = 6_000
#: steps towards the scores of the largest density, and halvings of one
STEPS: Final = 60
HALVINGS: Final = 5
#: a step that promises less than this in the log-density is not taken
ENOUGH: Final = 1e-2
#: samples of which one completes a field
TRIES: Final = 4
#: first length of a Langevin move, and the share of moves that are taken, to which it is adapted
LENGTH: Final = 0.3
ACCEPTED: Final = 0.6


class HiddenPixels:
    """The hidden pixels of one mask, and their part of any translation-invariant precision matrix.

    Parameters
    ----------
    observed:
        the mask, true where a pixel is observed, (n1, ...).
    boundary:
        of the flow.

    Raises
    ------
    ValueError
        if no pixel is observed, or too many are hidden.
    """

    def __init__(self, observed: np.ndarray, boundary: Boundary) -> None:
        if not observed.any():
            raise ValueError("no pixel of a field is observed: leave it out")
        places = np.argwhere(~observed)
        if len(places) > MOST_HIDDEN:
            raise ValueError(f"a mask hides {len(places):,} pixels, more than {MOST_HIDDEN:,}: cut the fields")
        self.places = torch.as_tensor(np.flatnonzero(~observed))
        self.shape, self.boundary = observed.shape, boundary
        self._cosines, self._pairs = [], [torch.zeros((len(places),) * 2, dtype=torch.int64)]
        for n, place in zip(self.shape, places.T, strict=True):
            k = waves(n, boundary)[1]
            apart = np.abs(place[:, None] - place)
            # Of a field with edges, the cosines' product is a sum over a pixel and its mirror image.
            of_axis = [apart] if boundary == "periodic" else [apart, place[:, None] + place + 1]
            reach = n if boundary == "periodic" else 2 * n
            weights = np.ones(n)
            if boundary == "open":
                weights[0] = 0.5
            self._cosines.append(torch.as_tensor(weights * np.cos(np.outer(np.arange(reach), k)) / n))
            self._pairs = [pair * reach + torch.as_tensor(one) for pair, one in itertools.product(self._pairs, of_axis)]

    def precision(self, log_kernel: Tensor) -> Tensor:
        """Return the hidden pixels' part of the precision matrix of fields that a kernel (n1, ...) whitens, (H, H)."""
        table = (2 * log_kernel).exp()
        for axis, cosines in enumerate(self._cosines):
            table = (table.movedim(axis, -1) @ cosines.to(table).T).movedim(-1, axis)
        flat = table.flatten()
        return torch.stack([flat[pair] for pair in self._pairs]).sum(dim=0)


class MaskedFields:
    """Masked fields and the flow by which their hidden pixels are filled.

    Parameters
    ----------
    flow:
        of whole fields. In double precision, differences of log-likelihoods are exact to rounding.
    field:
        (N, n1, ...); what it holds in hidden pixels has no meaning.
    observed:
        the masks, true where a pixel is observed, (N, n1, ...).

    Raises
    ------
    ValueError
        if no pixel of a field is observed, or too many are hidden.

    Examples
    --------
    >>> flow = EquivariantFieldFlow((8, 8), 0)
    >>> observed = torch.ones(2, 8, 8, dtype=torch.bool)
    >>> observed[:, 2:4, 2:4] = False
    >>> masked = MaskedFields(flow, torch.randn(2, 8, 8), observed)
    >>> log_likelihood, error = masked.log_prob(torch.zeros(2, 0), torch.randn(4, 2, 8, 8))
    >>> log_likelihood.shape
    torch.Size([2])
    """

    def __init__(self, flow: EquivariantFieldFlow, field: Tensor, observed: Tensor) -> None:
        self.flow, self.observed = flow, observed
        masks = observed.cpu().numpy()
        self.hidden = [_hidden_pixels(mask.tobytes(), mask.shape, flow.boundary) for mask in masks]
        # The middle of the first spline: any value inside its range.
        self.field = torch.where(observed, field, ((flow.low[0] + flow.high[0]) / 2).to(field))

    @torch.no_grad()
    def log_prob(self, conditions: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-likelihoods of the observed pixels, (N,), and their statistical errors, (N,).

        Parameters
        ----------
        conditions:
            of the fields, (N, C).
        noise:
            standard normal numbers of the samples, (S, N, n1, ...). The same numbers make the estimate a smooth
            function of the conditions. With one sample there is no error: it is 0.
        """
        score, slope = self.flow.scores(self.field, conditions)
        best, roots = self._proposal(score, conditions)
        # A sample and its mirror image are one.
        pairs = torch.stack([noise, -noise])
        log_weights = self._log_weights(best, roots, conditions, pairs.flatten(0, 1)).unflatten(0, pairs.shape[:2])
        top = log_weights.amax(dim=(0, 1))
        weights = (log_weights - top).exp().mean(dim=0)
        mean = weights.mean(dim=0)
        spread = weights.std(dim=0, correction=0) / math.sqrt(max(1, len(noise) - 1))
        observed = (slope * self.observed).flatten(1).sum(dim=1)
        return observed + mean.log() + top, spread / mean

    @torch.no_grad()
    def annealed_log_prob(
        self, conditions: Tensor, rng: torch.Generator, *, steps: int = 200, chains: int = 4
    ) -> tuple[Tensor, Tensor]:
        """Return the log-likelihoods of the observed pixels by annealing, (N,), and their statistical errors, (N,).

        For flows that are far from Gaussian. Each of ``chains`` samples goes from the proposal to the flow's hidden
        pixels given the observed ones in ``steps`` steps, with a Langevin move after each (annealed importance
        sampling, Neal, Statistics and Computing 11 (2001) 125). The error is from the spread of the chains; the
        estimate is too low by about half the square of their spread, and less so with more steps.
        """
        score, slope = self.flow.scores(self.field, conditions)
        best, roots = self._proposal(score, conditions)
        hidden = ~self.observed

        def normal() -> Tensor:
            return torch.randn(chains, *score.shape, generator=rng).to(score) * hidden

        place = normal()
        weight, force = self._log_weights_and_slopes(best, roots, conditions, place)
        found, length = torch.zeros_like(weight), torch.full_like(weight, LENGTH)
        # Small steps first: the weights differ most among samples of the proposal.
        powers = torch.linspace(0, 1, steps + 1, dtype=torch.float64) ** 2
        for before, power in itertools.pairwise(powers.tolist()):
            found = found + (power - before) * weight
            each, random = _of_pixels(length, place), normal()
            drift = power * force - place
            moved = place + each**2 / 2 * drift + each * random
            there, slope_there = self._log_weights_and_slopes(best, roots, conditions, moved)
            back = (place - moved - each**2 / 2 * (power * slope_there - moved)) / each
            ratio = power * (there - weight) + 0.5 * (
                place.square() - moved.square() + random.square() - back.square()
            ).flatten(2).sum(dim=2)
            taken = torch.rand(ratio.shape, generator=rng).to(ratio).log() < ratio.nan_to_num(-math.inf)
            place = torch.where(_of_pixels(taken, place), moved, place)
            force = torch.where(_of_pixels(taken, place), slope_there, force)
            weight = torch.where(taken, there, weight)
            length = length * torch.exp(0.1 * (taken.to(length) - ACCEPTED))
        observed = (slope * self.observed).flatten(1).sum(dim=1)
        error = found.std(dim=0, correction=0) / math.sqrt(max(1, chains - 1))
        return observed + found.logsumexp(dim=0) - math.log(chains), error

    def _log_weights_and_slopes(
        self, best: Tensor, roots: list[Tensor], conditions: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the weights of samples as :meth:`_log_weights`, and their slopes by the noise, (S, N, n1, ...)."""
        with torch.enable_grad():
            given = noise.detach().requires_grad_()
            found = self._log_weights(best, roots, conditions, given)
            (slope,) = torch.autograd.grad(found.sum(), given)
        return found.detach(), slope * ~self.observed

    @torch.no_grad()
    def completed(self, conditions: Tensor, rng: torch.Generator, *, tries: int = TRIES) -> Tensor:
        """Return the fields with their hidden pixels drawn given the observed ones, (N, n1, ...).

        One of ``tries`` samples of the proposal is drawn with their weights (sampling-importance resampling).
        """
        score, _ = self.flow.scores(self.field, conditions)
        best, roots = self._proposal(score, conditions)
        noise = torch.randn(tries, *score.shape, generator=rng).to(score)
        weights = self._log_weights(best, roots, conditions, noise).T.softmax(dim=1)
        chosen = torch.multinomial(weights.cpu(), 1, generator=rng)[:, 0].to(score.device)
        drawn = best + self._drawn(roots, noise)[chosen, torch.arange(len(score), device=score.device)]
        found: Tensor = torch.where(self.observed, self.field, self.flow.of_scores(drawn, conditions))
        return found

    def _log_density(self, score: Tensor, conditions: Tensor) -> Tensor:
        """Return the log-density of scores (N, n1, ...), (N,)."""
        noise, volume, _ = self.flow.whitened_scores(score, conditions)
        found: Tensor = volume - 0.5 * (noise.square() + math.log(2 * math.pi)).flatten(1).sum(dim=1)
        return found

    def _log_weights(self, best: Tensor, roots: list[Tensor], conditions: Tensor, noise: Tensor) -> Tensor:
        """Return the log-density of samples over the proposal's, for noise (S, N, n1, ...), (S, N)."""
        given = conditions.repeat(len(noise), 1)
        tried = (best + self._drawn(roots, noise)).flatten(0, 1)
        found = self._log_density(tried, given).unflatten(0, noise.shape[:2])
        volume = torch.stack([root.diagonal().log().sum() for root in roots])
        normal = 0.5 * (noise.square() + math.log(2 * math.pi)) * ~self.observed
        weights: Tensor = found - volume + normal.flatten(2).sum(dim=2)
        return weights

    def _drawn(self, roots: list[Tensor], noise: Tensor) -> Tensor:
        """Return normal numbers in the hidden pixels, whose precision the roots give, and 0 elsewhere, like noise."""
        drawn = torch.zeros_like(noise).flatten(2)
        for row, (root, pixels) in enumerate(zip(roots, self.hidden, strict=True)):
            numbers = noise[:, row].flatten(1)[:, pixels.places]
            drawn[:, row, pixels.places] = torch.linalg.solve_triangular(root.T, numbers.T, upper=True).T
        return drawn.reshape(noise.shape)

    def _proposal(self, score: Tensor, conditions: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return scores near those of the largest density given the observed ones, and roots of the precisions.

        The scores are (N, n1, ...). The roots are Cholesky factors, (H, H) for each field, with which Newton's steps
        are taken.
        """
        best = torch.where(self.observed, score, 0.0)
        _, _, kernels = self.flow.whitened_scores(best, conditions)
        roots = [
            torch.linalg.cholesky(pixels.precision(kernel)) for pixels, kernel in zip(self.hidden, kernels, strict=True)
        ]
        value, slope = self._slope(best, conditions)
        moving = torch.ones_like(value, dtype=torch.bool)
        for _ in range(STEPS):
            step = self._newton(roots, slope)
            moving = moving & ((slope * step).flatten(1).sum(dim=1) > ENOUGH)
            if not moving.any():
                break
            length = moving.to(value)
            for _ in range(HALVINGS):
                tried = best + _of_each(length, step) * step
                found = self._slope(tried, conditions)
                better = found[0] > value
                if (better | ~moving).all():
                    break
                length = torch.where(better, length, length / 2)
            moving = moving & better
            best = torch.where(_of_each(moving, step), tried, best)
            value = torch.where(moving, found[0], value)
            slope = torch.where(_of_each(moving, step), found[1], slope)
        return best, roots

    def _newton(self, roots: list[Tensor], slope: Tensor) -> Tensor:
        step = torch.zeros_like(slope).flatten(1)
        for row, (root, pixels) in enumerate(zip(roots, self.hidden, strict=True)):
            of_hidden = slope[row].flatten()[pixels.places, None]
            step[row, pixels.places] = torch.cholesky_solve(of_hidden, root)[:, 0]
        return step.reshape(slope.shape)

    def _slope(self, score: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-densities of scores, (N,), and their gradients by the hidden ones, (N, n1, ...)."""
        with torch.enable_grad():
            given = score.detach().requires_grad_()
            found = self._log_density(given, conditions)
            (slope,) = torch.autograd.grad(found.sum(), given)
        return found.detach(), slope * ~self.observed


def _of_pixels(values: Tensor, like: Tensor) -> Tensor:
    """Return one value for each sample of each field, (S, N), with the axes of pixels."""
    return values.reshape(*values.shape, *(1 for _ in like.shape[2:]))


def _of_each(values: Tensor, like: Tensor) -> Tensor:
    """Return one value for each field, (N,), with the axes of fields."""
    return values.reshape(-1, *(1 for _ in like.shape[1:]))


@lru_cache(maxsize=16)
def _hidden_pixels(mask: bytes, shape: tuple[int, ...], boundary: Boundary) -> HiddenPixels:
    return HiddenPixels(np.frombuffer(mask, dtype=bool).reshape(shape), boundary)
