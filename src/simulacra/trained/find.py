"""Load a trained model by a shipped name, a run folder or a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from simulacra.settings import path_of
from simulacra.trained.generator import TrainedGenerator
from simulacra.trained.score import TrainedScore

if TYPE_CHECKING:
    from simulacra.reweighting.reweighter import Reweighter

    Trained: TypeAlias = TrainedGenerator | TrainedScore | Reweighter

WEIGHTS: Final = Path(__file__).parents[1] / "weights"


def shipped() -> list[str]:
    """Return the names of the shipped generators."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def load(name_or_path: str | os.PathLike[str]) -> Any:
    """Return a trained model: a generator of events, a reweighter, or a score of events.

    Parameters
    ----------
    name_or_path:
        the name of a shipped model ("calo-eplus", "dctr-z"), a run folder, or a model file.

    Returns
    -------
    TrainedGenerator, TrainedScore or simulacra.Reweighter

    Raises
    ------
    CheckpointError
        if the file is damaged or of another kind.
    ValueError
        if there is none, with the shipped names.

    Examples
    --------
    >>> import simulacra
    >>> simulacra.load("calo-eplus")
    TrainedGenerator(calo-eplus: incident_energy 1 to 100)
    """
    from simulacra.reweighting.reweighter import Reweighter, shipped_reweighters
    from simulacra.systems import makes
    from simulacra.training.checkpoint import read_metadata

    path = path_of(name_or_path, "the model")
    if (path / "reweighter.safetensors").is_file() or path.name == "reweighter.safetensors":
        return Reweighter.load(path)
    if not path.exists() and str(name_or_path) in shipped_reweighters():
        return Reweighter.load(name_or_path)
    path = file_of(name_or_path)
    kind = _kind_of(read_metadata(path))
    return TrainedScore(path) if kind is not None and makes(kind) == "scores" else TrainedGenerator(path)


def load_generator(name_or_path: str | os.PathLike[str]) -> TrainedGenerator:
    """Return a trained generator.

    Raises
    ------
    CheckpointError, ValueError
        as :func:`load`, or if it is not a generator.
    """
    from simulacra.reweighting.reweighter import shipped_reweighters

    if str(name_or_path) in shipped_reweighters() and not Path(name_or_path).exists():
        raise ValueError(f"'{name_or_path}' makes weights, not events: simulacra reweight --with {name_or_path}")
    return TrainedGenerator(file_of(name_or_path))


def load_members(name_or_path: str | os.PathLike[str]) -> tuple[TrainedGenerator, ...]:
    """Return the generators of an ensemble from ``simulacra train --members``; a single generator gives a list of one.

    Raises
    ------
    CheckpointError, ValueError
        as :func:`load`, or if a member lacks its model or is of another kind than the first.
    """
    folders = member_folders(path_of(name_or_path, "the generator"))
    if not folders:
        return (load_generator(name_or_path),)
    members = tuple(load_generator(folder) for folder in folders)
    for member, folder in zip(members, folders, strict=True):
        if (member.name, member.trained_range) != (members[0].name, members[0].trained_range):
            raise ValueError(f"{folder} holds {member!r}, {folders[0]} {members[0]!r}: they are not an ensemble")
    return members


def file_of(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of a generator or a score: of a shipped name, a run folder, or the file itself.

    Raises
    ------
    ValueError
        if there is none, or the folder is that of an ensemble.
    """
    path = path_of(name_or_path, "the model")
    if path.is_dir():
        if members := member_folders(path):
            raise ValueError(
                f"'{path}' is an ensemble of {len(members)}: load one, such as '{members[0]}', or all of "
                "them with simulacra.trained.load_members"
            )
        return path / "model.safetensors"
    if not path.is_file():
        if str(name_or_path) not in shipped():
            raise ValueError(f"'{name_or_path}' is neither a file, nor a run folder, nor one of {', '.join(shipped())}")
        return WEIGHTS / f"{name_or_path}.safetensors"
    return path


def _kind_of(metadata: Any) -> str | None:
    """Return the kind of system in a file's metadata; damage is reported when the file is read."""
    try:
        return str(metadata["experiment"]["system"]["kind"])
    except (KeyError, TypeError):
        return None


def member_folders(path: Path) -> list[Path]:
    """Return the run folders in the folder of an ensemble, in their order; none if it is no ensemble."""
    return sorted(path.glob("member-*"), key=lambda folder: (len(folder.name), folder.name))
