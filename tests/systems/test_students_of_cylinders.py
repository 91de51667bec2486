"""Students of showers in a cylindrical mesh: as their teacher, or smaller, with its representation."""

from pathlib import Path

import torch

import simulacra
from simulacra.systems import cylinderflow


def test_students_have_their_teachers_representation(tmp_path: Path) -> None:
    experiment = cylinderflow.example(tmp_path)
    simulacra.train(experiment, tmp_path / "teacher", progress=False)
    teacher = simulacra.load(tmp_path / "teacher").module
    events = cylinderflow.toy_showers(300)

    def student(**changes: int) -> torch.nn.Module:
        settings = experiment["system"] | {"teacher": str(tmp_path / "teacher")} | changes
        trainer = cylinderflow.Trainer(cylinderflow.Settings(**settings), events)
        found: torch.nn.Module = trainer.family.average
        return found

    noise = torch.randn(5, int(teacher.latent), generator=torch.Generator().manual_seed(1))  # type: ignore[arg-type]
    conditions = torch.full((5, 1), 3.0)
    with torch.no_grad():
        torch.testing.assert_close(student()(noise, conditions), teacher(noise, conditions), rtol=1e-4, atol=1e-2)
        smaller = student(width=4)
        assert bool(torch.isfinite(smaller(noise, conditions)).all())
    torch.testing.assert_close(smaller.cells.axes.axes, teacher.cells.axes.axes)  # type: ignore[union-attr]
    torch.testing.assert_close(smaller.cells.axes.variance, teacher.cells.axes.variance)  # type: ignore[union-attr]
