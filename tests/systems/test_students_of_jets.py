"""Students of jets start as their teacher, also of a teacher whose file holds the conditions of its training."""

from pathlib import Path
from typing import Any

import torch

import simulacra
from simulacra.systems import system
from toy_jets import toy_jets

SMALL: dict[str, Any] = {"kind": "epic", "particles": 12, "width": 8, "blocks": 1, "pooled": 4, "jet_steps": 2}
TRAINING = {"steps": 2, "batch_size": 32, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"}


def test_a_student_starts_as_its_trained_teacher(tmp_path: Path) -> None:
    events = toy_jets(400)
    simulacra.write_events(events, tmp_path / "jets.zarr")
    experiment = {
        "name": "teacher",
        "data": {"path": str(tmp_path / "jets.zarr")},
        "system": SMALL | {"particle_steps": 2},
        "training": TRAINING,
    }
    simulacra.train(experiment, tmp_path / "teacher", progress=False)
    teacher = simulacra.load(tmp_path / "teacher")
    # Its transverse momenta are drawn from those of the training sample, which are in its file.
    assert "jet_pt" in teacher.conditions.empirical
    epic: Any = system("epic")
    settings = epic.Settings(**SMALL, particle_steps=2, teacher=str(tmp_path / "teacher"))
    student: Any = epic.Trainer(settings, events).family.average
    noise = torch.randn(20, student.latent, generator=torch.Generator().manual_seed(1))
    conditions = torch.tensor([[k % 5, 900.0 + 10 * k] for k in range(20)])
    with torch.inference_mode():
        torch.testing.assert_close(student(noise, conditions), teacher.module(noise, conditions))
    # Of the steps of its training it may take fewer while it teaches.
    settings = settings.model_copy(update={"teacher_steps": 1})
    (taught_by,) = epic.Trainer(settings, events).family._teacher
    assert taught_by.steps == {"jets": 1, "particles": 1}
