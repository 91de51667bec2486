r"""An approximate posterior of a network's last layer, from snapshots of its weights along the end of training.

SWAG (Maddox et al., arXiv:1902.02476) takes the weights that an optimiser walks through once it has settled as draws of
a Gaussian: with K snapshots :math:`\theta_k`, their mean, variances :math:`\sigma^2` and deviations :math:`D` from the
mean, weights are drawn as

.. math:: \theta = \theta_0 + \frac{\sigma z_1}{\sqrt{2}} + \frac{D^T z_2}{\sqrt{2 (K - 1)}},

half of the covariance from the variances alone, half from the snapshots' own covariance, which has their correlations
but a rank of K - 1 at most. Here :math:`\theta_0` are the weights that the model ships (a moving average of the same
walk), so that the draws scatter about the generator that was validated.

This is an approximation, and for a generator without a likelihood a loose one: what spreads the snapshots is the noise
of batches at a finite learning rate, in a game rather than on a likelihood's slope, and neither the other layers nor
what the training sample lacks is in it. How wide the resulting band should have been is a question for
:mod:`simulacra.judges.generalisation.ensembles`. It costs no further training, which is its merit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

PREFIX: Final = "last_layer/"
MEAN, VARIANCE, DEVIATIONS = f"{PREFIX}mean/", f"{PREFIX}variance/", f"{PREFIX}deviations/"


def is_posterior(name: str) -> bool:
    """Return whether a tensor in a model's file belongs to the posterior, not to the network."""
    return name.startswith(PREFIX)


@dataclass(frozen=True)
class LastLayerPosterior:
    """A Gaussian of a layer's weights.

    Attributes
    ----------
    mean, variance:
        of each weight over the snapshots, by the weights' names.
    deviations:
        of each snapshot from the mean, (K, ...) by the weights' names.
    """

    mean: Mapping[str, Tensor]
    variance: Mapping[str, Tensor]
    deviations: Mapping[str, Tensor]

    @classmethod
    def of_snapshots(cls, snapshots: Sequence[Mapping[str, Tensor]]) -> LastLayerPosterior:
        """Return the Gaussian of K snapshots, each the weights by name.

        Raises
        ------
        ValueError
            if there are fewer than two, or they are of different weights.
        """
        if len(snapshots) < 2:
            raise ValueError(f"{len(snapshots)} snapshots of the last layer have no spread: at least 2 are needed")
        first = snapshots[0]
        if any(set(one) != set(first) for one in snapshots):
            raise ValueError("the snapshots of the last layer are of different weights")
        mean, variance, deviations = {}, {}, {}
        for name in first:
            walked = torch.stack([one[name] for one in snapshots]).double()
            mean[name] = walked.mean(dim=0).float()
            variance[name] = walked.var(dim=0).float()
            deviations[name] = (walked - walked.mean(dim=0)).float()
        return cls(mean, variance, deviations)

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], where: str) -> LastLayerPosterior:
        """Return the Gaussian that a model's file holds.

        Raises
        ------
        ValueError
            if it holds none, or only parts of one.
        """
        parts = [
            {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            for prefix in (MEAN, VARIANCE, DEVIATIONS)
        ]
        if not any(parts):
            raise ValueError(
                f"{where} holds no snapshots of its last layer: train with --set training.last_layer_snapshots=20"
            )
        mean, variance, deviations = parts
        shapes = {name: tensor.shape for name, tensor in mean.items()}
        if shapes != {name: t.shape for name, t in variance.items()} or shapes != {
            name: t.shape[1:] for name, t in deviations.items()
        }:
            raise ValueError(f"the snapshots of the last layer in {where} do not fit each other: train again")
        return cls(mean, variance, deviations)

    def tensors(self) -> dict[str, Tensor]:
        """Return what a model's file keeps beside the weights."""
        parts = ((MEAN, self.mean), (VARIANCE, self.variance), (DEVIATIONS, self.deviations))
        return {f"{prefix}{name}": tensor for prefix, part in parts for name, tensor in part.items()}

    @property
    def snapshots(self) -> int:
        """Number of snapshots."""
        return len(next(iter(self.deviations.values())))

    def draw(self, centre: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
        """Return weights drawn about ``centre``, by name; the seed alone decides how they deviate.

        Raises
        ------
        ValueError
            if the centre lacks a weight, or has it in another shape.
        """
        rng = torch.Generator().manual_seed(seed)
        # One vector of the snapshots' space for all weights: they are correlated across the layer.
        along = torch.randn(self.snapshots, generator=rng)
        drawn = {}
        for name in sorted(self.mean):
            if name not in centre or centre[name].shape != self.mean[name].shape:
                raise ValueError(f"the network has no weights '{name}' like those of the snapshots: train again")
            alone = torch.randn(self.mean[name].shape, generator=rng) * self.variance[name].sqrt() / 2**0.5
            together = torch.tensordot(along, self.deviations[name], 1) / (2 * (self.snapshots - 1)) ** 0.5
            drawn[name] = centre[name] + alone + together
        return drawn
