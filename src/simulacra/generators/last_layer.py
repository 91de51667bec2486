r"""An approximate posterior of a network's last layer, from snapshots of its weights at the end of training.

SWAG (Maddox et al., arXiv:1902.02476) treats the weights along the optimiser's path, after convergence, as draws from a
Gaussian: with K snapshots :math:`\theta_k`, their mean, variances :math:`\sigma^2` and deviations :math:`D` from the
mean, weights are drawn as

.. math:: \theta = \theta_0 + \frac{\sigma z_1}{\sqrt{2}} + \frac{D^T z_2}{\sqrt{2 (K - 1)}},

with half of the covariance from the variances, and half from the snapshots' covariance, which has their correlations
but at most the rank K - 1. Here :math:`\theta_0` are the model's weights (a moving average along the same path), so the
draws scatter around the validated generator.

This is an approximation, and a rough one for a generator without a likelihood. The spread of the snapshots comes from
the noise of batches at a finite learning rate, in adversarial training and not in a likelihood fit. It does not include
the other layers and the finite training sample. :mod:`simulacra.judges.generalisation.ensembles` tests whether the band
is wide enough. The advantage is that no further training is needed.
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
    """Return whether a tensor in a model's file belongs to the posterior and not to the network."""
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
        """Return the Gaussian of K snapshots, each a set of weights by name.

        Raises
        ------
        ValueError
            if there are fewer than two, or their weights differ in name or shape.
        """
        if len(snapshots) < 2:
            raise ValueError(f"{len(snapshots)} snapshots of the last layer have no spread: at least 2 are needed")
        first = snapshots[0]
        if any(set(one) != set(first) for one in snapshots):
            raise ValueError("the snapshots of the last layer have different weights")
        mean, variance, deviations = {}, {}, {}
        for name in first:
            walked = torch.stack([one[name] for one in snapshots]).double()
            mean[name] = walked.mean(dim=0).float()
            variance[name] = walked.var(dim=0).float()
            deviations[name] = (walked - walked.mean(dim=0)).float()
        return cls(mean, variance, deviations)

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], where: str) -> LastLayerPosterior:
        """Return the Gaussian in a model's file.

        Raises
        ------
        ValueError
            if there is none, or it is incomplete.
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
        """Return the tensors for the model's file, in addition to the weights."""
        parts = ((MEAN, self.mean), (VARIANCE, self.variance), (DEVIATIONS, self.deviations))
        return {f"{prefix}{name}": tensor for prefix, part in parts for name, tensor in part.items()}

    @property
    def snapshots(self) -> int:
        """Number of snapshots."""
        return len(next(iter(self.deviations.values())))

    def draw(self, centre: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
        """Return weights drawn around ``centre``, by name; the deviations depend only on the seed.

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
