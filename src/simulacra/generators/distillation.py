"""Distillation: a student learns to do in one or a few steps what its teacher does in many.

The teacher's map from noise to points is deterministic, so the student learns it by regression (Luhman and Luhman,
arXiv:2101.02388). Both are velocities (:mod:`simulacra.generators.flow_matching`), and the student starts with a copy
of the teacher's weights. It learns to reach in its few steps the end point of the teacher's many steps.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from simulacra.generators.flow_matching import QUARTER
from simulacra.generators.points import PointFamily, PointModel


class TransportModel(PointModel, Protocol):
    """A model with a fixed number of steps along its velocities."""

    def transport(self, stage: str, noise: Tensor, context: Tensor) -> Tensor:
        """Map noise (N, D) to the points of a stage, (N, D), given the context (N, C)."""


class Distillation(PointFamily):
    """Students in training.

    Parameters
    ----------
    model:
        the students' model, a :class:`TransportModel` of few steps.
    teacher:
        the same model with many steps; it is not changed.
    """

    def __init__(self, model: Any, teacher: Any, *, average_decay: float = 0.999) -> None:
        super().__init__(model, average_decay=average_decay)
        # In a tuple, so the teacher is neither trained nor saved with its student.
        self._teacher = (teacher.requires_grad_(False).eval(),)

    def loss(self, stage: str, network: Any, points: Tensor, context: Tensor, rng: torch.Generator) -> Tensor:
        """Return the squared distance between the student's and the teacher's points from the same noise.

        Only the shape of ``points`` is used; the target is the teacher.
        """
        noise = network.paired(torch.randn(points.shape, generator=rng).to(points), context)
        with torch.no_grad():
            target = self._teacher[0].transport(stage, noise, context)
        # What is validated is the averaged student.
        student = self.average if network is self.average.networks()[stage] else self.model
        found = student.transport(stage, noise, context)
        weight = network.precision(torch.full_like(noise[:, :1], QUARTER))
        loss: Tensor = ((found - target).square() * weight).mean()
        return loss
