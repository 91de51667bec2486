"""Distillation: a student that does in one step, or a few, what its teacher does in many.

The teacher's map from noise to points is deterministic, so the student learns it by regression (Luhman and Luhman,
arXiv:2101.02388). Both are velocities (:mod:`simulacra.generators.flow_matching`), and the student begins as a copy of
the teacher's weights, whose straight step it then bends to the place where the teacher's many steps end.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from simulacra.generators.flow_matching import QUARTER, Solver, transport
from simulacra.generators.points import PointFamily


class Distillation(PointFamily):
    """Students in training: velocity networks that are followed in fewer steps than the teacher's.

    Parameters
    ----------
    model:
        the students' model.
    teacher:
        a model of the same stages, whose networks stay as they are.
    steps, solver:
        how the students will be followed.
    teacher_steps, teacher_solver:
        how the teacher is followed.
    """

    def __init__(
        self,
        model: Any,
        teacher: Any,
        *,
        steps: int = 1,
        solver: Solver = "euler",
        teacher_steps: int = 8,
        teacher_solver: Solver = "midpoint",
        average_decay: float = 0.999,
    ) -> None:
        super().__init__(model, average_decay=average_decay)
        # In a tuple, so that the teacher is neither trained nor saved beside its student.
        self._teacher = (teacher.requires_grad_(False).eval(),)
        self.steps, self.solver = steps, solver
        self.teacher_steps, self.teacher_solver = teacher_steps, teacher_solver

    def loss(self, network: Any, points: Tensor, context: Tensor, rng: torch.Generator) -> Tensor:
        """Return the squared distance between the student's and the teacher's points from the same noise.

        Of ``points`` the shape alone is used: what is learned is the teacher.
        """
        stage = next(name for name, player in self.players().items() if player is network)
        noise = torch.randn(points.shape, generator=rng).to(points)
        teacher = self._teacher[0].networks()[stage]
        with torch.no_grad():
            target = transport(teacher, noise, context, self.teacher_steps, self.teacher_solver)
        found = transport(network, noise, context, self.steps, self.solver)
        weight = network.precision(torch.full_like(noise[:, :1], QUARTER))
        loss: Tensor = ((found - target).square() * weight).mean()
        return loss
