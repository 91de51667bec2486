"""Students of trained models of flow matching, for systems of any kind of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulacra.generators.distillation import Distillation


def student_of(
    settings: Any,
    description: dict[str, Any],
    build: Callable[[Any, Mapping[str, Any]], Any],
    alike: Sequence[str],
    taught_with: Mapping[str, Any] | None = None,
) -> Distillation:
    """Return the student of a trained model: its weights and representation, with other steps.

    Parameters
    ----------
    settings:
        of the student; ``teacher`` is a run folder or a model file, ``average_decay`` that of the student.
    description:
        of the student's training sample, which takes the teacher's trained ranges.
    build:
        returns the module of settings and a description.
    alike:
        names of the settings that both have in common.
    taught_with:
        settings of the teacher that are replaced while it teaches, such as fewer steps.

    Raises
    ------
    SettingsError
        if the teacher's settings are others.
    """
    from simulacra.generators.distillation import Distillation
    from simulacra.training.checkpoint import fill, read_model
    from simulacra.training.conditions import is_condition
    from simulacra.training.settings import SettingsError, check

    path = Path(settings.teacher or "")
    path = path / "model.safetensors" if path.is_dir() else path
    metadata, weights = read_model(path)
    taught = check(type(settings), metadata["experiment"]["system"], str(path))
    differ = [name for name in alike if getattr(taught, name) != getattr(settings, name)]
    if differ or getattr(settings, "family", "flow_matching") != "flow_matching":
        raise SettingsError(
            f"the teacher {path} has other {', '.join(differ) or 'networks than velocities'} than its student, "
            "which starts as a copy of a flow-matching teacher"
        )
    description["condition_ranges"] = metadata["description"]["condition_ranges"]
    taught = taught.model_copy(update=dict(taught_with or {}))
    teacher, student = build(taught, description), build(settings, description)
    weights = {name: tensor for name, tensor in weights.items() if not is_condition(name)}
    for module in (teacher, student):
        fill(module, weights, str(path))
    return Distillation(student, teacher, average_decay=settings.average_decay)
