"""Students of trained models of flow matching, for systems of any kind of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from simulacra.generators.distillation import Distillation


def student_of(
    settings: Any,
    description: dict[str, Any],
    build: Callable[[Any, Mapping[str, Any]], Any],
    alike: Sequence[str],
    taught_with: Mapping[str, Any] | None = None,
    representation: Sequence[str] = (),
) -> Distillation:
    """Return the student of a trained model: its weights and representation, with other steps.

    A student whose networks have another size than its teacher's has its representation, and begins untrained.

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
    representation:
        names in the description that say how events are represented, which are the teacher's too.

    Raises
    ------
    SettingsError
        if the teacher's settings are others.
    """
    from simulacra.generators.distillation import Distillation
    from simulacra.training.checkpoint import fill, read_model
    from simulacra.training.conditions import is_condition
    from simulacra.training.settings import SettingsError, check

    path = _model_file(settings.teacher or "")
    metadata, weights = read_model(path)
    taught = check(type(settings), metadata["experiment"]["system"], str(path))
    differ = [name for name in alike if getattr(taught, name) != getattr(settings, name)]
    if differ or getattr(settings, "family", "flow_matching") != "flow_matching":
        raise SettingsError(
            f"the teacher {path} has other {', '.join(differ) or 'networks than velocities'} than its student, "
            "which starts as a copy of a flow-matching teacher"
        )
    description["condition_ranges"] = metadata["description"]["condition_ranges"]
    description.update({name: metadata["description"].get(name) for name in representation})
    taught = taught.model_copy(update=dict(taught_with or {}))
    teacher, student = build(taught, description), build(settings, description)
    weights = {name: tensor for name, tensor in weights.items() if not is_condition(name)}
    fill(teacher, weights, str(path))
    fill(student, _begun(student, weights), str(path))
    return Distillation(student, teacher, average_decay=settings.average_decay)


def begun_as(model: Any, source: str, learned: Sequence[str]) -> dict[str, Tensor]:
    """Let a model begin with the weights of a trained one, and return them, by name.

    Parameters
    ----------
    model:
        any module.
    source:
        a run folder or a model file.
    learned:
        beginnings of the names of the weights to take; those that the model lacks, or has in another shape, are not
        taken.
    """
    from simulacra.training.checkpoint import read_model

    _, weights = read_model(_model_file(source))
    own = model.state_dict()
    taken = {
        name: tensor
        for name, tensor in weights.items()
        if name.startswith(tuple(learned)) and name in own and own[name].shape == tensor.shape
    }
    model.load_state_dict(taken, strict=False)
    return taken


def _model_file(source: str) -> Path:
    """Return the file of a run folder or a model file."""
    path = Path(source)
    return path / "model.safetensors" if path.is_dir() else path


def _begun(student: Any, taught: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights with which a student begins: its teacher's, but for networks of another size."""
    own = student.state_dict()
    parameters = dict(student.named_parameters())
    begun = dict(taught)
    for network in student.networks():
        names = {name for name in (*own, *taught) if name.startswith(f"{network}.")}
        if all(name in own and name in taught and own[name].shape == taught[name].shape for name in names):
            continue
        for name in names:
            begun.pop(name, None)
            if name in own:
                # What is no parameter belongs to the representation.
                begun[name] = own[name] if name in parameters else taught[name]
    return begun
