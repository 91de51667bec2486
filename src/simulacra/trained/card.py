"""The card of a model: what it learned from, how, where it may be used, and how good it was found to be."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from simulacra.errors import printable
from simulacra.settings import path_of
from simulacra.trained.find import WEIGHTS, file_of, member_folders
from simulacra.trained.judged_file import JudgedRecord, judged_file, read_judged

if TYPE_CHECKING:
    from torch import Tensor

#: how papers are named in the systems' docstrings
PAPER: Final = re.compile(r"arXiv:(?:\d{4}\.\d{4,5}|[a-z-]+/\d{7})")
SPLIT: Final = "the training part (70 %) of a split by the hash of the event's index, or of its group"
#: keys of a description that name the origin of events
_ORIGIN: Final = ("process", "shower", "particle", "image_of", "field", "seed", "events", "settings")


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class TrainedRange(_Told):
    """The values of a condition or parameter that a model learned; a choice has its names in ``choices``."""

    name: str
    units: str
    low: float
    high: float
    choices: tuple[str, ...] = ()


class Origin(_Told):
    """Where events come from: their file as the experiment named it, their number, and the simulator's provenance."""

    reference: str = ""
    events: int | None = None
    simulator: str = ""
    simulator_version: str = ""
    seconds_per_event: float | None = None
    settings: str = ""
    told: dict[str, str] = {}


class Training(_Told):
    """The training of a model; of several members, the sum of their times and the largest of the rest."""

    events: int
    steps: int
    epochs: float
    best_step: int
    seconds: float
    validation_score: float
    data_sha256: str


class ModelCard(_Told):
    """What a model file says of itself, and how it was judged; made by :func:`simulacra.info`.

    Attributes
    ----------
    name, path:
        of the model and its file, or of the folder of an ensemble.
    makes:
        "events", "weights" or "scores".
    system, description, papers:
        its system, one line about it, and the papers that it follows.
    data:
        the origin of the training events; for weights also of the target's events in ``target``.
    split, hold_out:
        which events were used, and the bands of conditions that were not.
    training, versions:
        its training, and the programs and the machine that did it.
    valid:
        the range of validity: conditions or parameters with their units.
    weights:
        the SHA-256 of its weights, of each member of an ensemble.
    checked:
        what the checksums in the file cover.
    licence, citation:
        of the model, and of the papers to cite.
    judged:
        the judgements of these very weights, or of weights that were not recorded.
    notes:
        what else to know, such as that judged numbers of other weights are not shown.
    """

    name: str
    path: str
    makes: str
    system: str
    description: str
    papers: tuple[str, ...]
    data: Origin
    target: Origin | None = None
    split: str = SPLIT
    hold_out: tuple[str, ...] = ()
    training: Training
    versions: dict[str, str]
    valid: tuple[TrainedRange, ...]
    weights: tuple[str, ...]
    checked: str
    licence: str
    judged: tuple[JudgedRecord, ...] = ()
    notes: tuple[str, ...] = ()


def info(name_or_path: str | os.PathLike[str]) -> ModelCard:
    """Return the card of a model: a shipped name, a run folder, the folder of an ensemble, or a model file.

    Raises
    ------
    CheckpointError
        if the file is damaged, altered, of another kind or of a later version.
    JudgedFileError
        if the file of its judged numbers is.
    ValueError
        if there is no such model, with the shipped names.

    Examples
    --------
    >>> import simulacra
    >>> card = simulacra.info("calogan-eplus")
    >>> card.papers, card.valid[0].units
    (('arXiv:1705.02355', 'arXiv:1712.10321'), 'GeV')
    """
    path = path_of(name_or_path, "the model")
    members = [] if (path / "reweighter.safetensors").is_file() else member_folders(path)
    if not members:
        file = _file_of(path)
        return _with_judged(_card(file), file)
    cards = [_card(_file_of(folder)) for folder in members]
    together = cards[0].model_copy(
        update={
            "path": str(path),
            "weights": tuple(sha for card in cards for sha in card.weights),
            "training": _together([card.training for card in cards]),
            "notes": (f"an ensemble of {len(cards)}",),
        }
    )
    return _with_judged(together, path)


def _file_of(path: Path) -> Path:
    from simulacra.reweighting.reweighter import WEIGHTS as REWEIGHTERS
    from simulacra.reweighting.reweighter import shipped_reweighters

    if (path / "reweighter.safetensors").is_file():
        return path / "reweighter.safetensors"
    if not path.exists() and str(path) in shipped_reweighters():
        return REWEIGHTERS / f"{path}.safetensors"
    return file_of(path)


def _card(path: Path) -> ModelCard:
    from simulacra.reweighting.reweighter import KIND
    from simulacra.training.checkpoint import CheckpointError, checked_by, read_model

    metadata, tensors = read_model(path)
    try:
        read = _of_reweighter if metadata.get("kind") == KIND else _of_network
        told = read(metadata, tensors)
        return ModelCard(
            name=metadata["name"],
            path=str(path),
            versions=metadata["versions"],
            checked=checked_by(path),
            licence=_licence_of(path),
            **told,
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = _first_fault(error) if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
        raise CheckpointError(
            f"{path} does not say all that a model says of itself ({printable(what, 200)}): it is damaged, or was not "
            "written by simulacra train"
        ) from error


def _of_network(metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    from simulacra.generators.last_layer import is_posterior
    from simulacra.training.checkpoint import data_hash
    from simulacra.training.conditions import is_condition

    description, experiment = metadata["description"], metadata["experiment"]
    kind, data = str(experiment["system"]["kind"]), experiment["data"]
    system = _system_of(kind)
    further = [str(path) for path in data.get("further") or []]
    valid = []
    for name, (low, high) in description["condition_ranges"].items():
        declared = system["conditions"].get(name)
        choices = () if declared is None else tuple(declared.choices)
        units = "unknown" if declared is None else declared.units
        valid.append(TrainedRange(name=name, units=units, low=float(low), high=float(high), choices=choices))
    weights = {name: tensor for name, tensor in tensors.items() if not (is_posterior(name) or is_condition(name))}
    return {
        "makes": system["makes"],
        "system": kind,
        "description": experiment.get("description") or system["about"],
        "papers": system["papers"],
        "data": _origin(description, " and ".join([str(data["path"]), *further]), metadata["training"]["events"]),
        "hold_out": tuple(f"{name}:{low:g}:{high:g}" for name, low, high in description.get("hold_out", ())),
        "training": metadata["training"],
        "valid": tuple(valid),
        "weights": (data_hash(weights),),
        "notes": system["notes"],
    }


def _of_reweighter(metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    from simulacra.training.checkpoint import data_hash

    description, records = metadata["description"], [Training(**record) for record in metadata["training"]]
    # The system of one level is SRGN's first; both methods write the same files, and name their papers in their files.
    papers = tuple(dict.fromkeys(paper for kind in ("dctr", "srgn") for paper in _system_of(kind)["papers"]))
    box = description["bounds"].items()
    return {
        "makes": "weights",
        "system": "reweighter",
        "description": f"the ratio of the target's to the source's density, by {len(records)} classifiers",
        "papers": papers,
        "data": _origin(description["source"], "", description["source"]["events"]),
        "target": _origin(description["target"], "", description["target"]["events"]),
        "training": _together(records),
        "valid": tuple(
            TrainedRange(name=name, units="the simulator's", low=low, high=high) for name, (low, high) in box
        ),
        "weights": (data_hash(tensors),),
        "notes": tuple(f"warning of the fit: {warning}" for warning in description.get("warnings", ())),
    }


def _origin(description: Mapping[str, Any], reference: str, events: int) -> Origin:
    told = {key: str(description[key]) for key in _ORIGIN[:-2] if description.get(key) not in (None, "")}
    seconds = description.get("seconds_per_event")
    return Origin(
        reference=reference,
        events=events,
        simulator=description["simulator"],
        simulator_version=str(description["simulator_version"]),
        seconds_per_event=None if seconds is None or math.isnan(seconds) else seconds,
        settings=str(description.get("settings", "")),
        told=told,
    )


def _together(records: list[Training]) -> Training:
    last = max(records, key=lambda record: record.steps)
    return last.model_copy(update={"seconds": sum(record.seconds for record in records)})


def _system_of(kind: str) -> dict[str, Any]:
    """Return what a system's file says of it; a model can be described without its system."""
    from simulacra.systems import any_system

    try:
        found = any_system(kind)
    except ValueError as error:
        return {
            "makes": "unknown",
            "about": "",
            "papers": (),
            "conditions": {},
            "notes": (f"its system cannot be used here: {printable(str(error), 300)}",),
        }
    about = (found.__doc__ or "").strip()
    return {
        "makes": found.MAKES,
        "about": about.partition("\n")[0],
        "papers": tuple(dict.fromkeys(PAPER.findall(about))),
        "conditions": found.CONDITIONS,
        "notes": (),
    }


def _licence_of(path: Path) -> str:
    """Return the licence: that of the package for shipped models; files of users do not state one."""
    shipped = path.resolve().is_relative_to(WEIGHTS.resolve())
    return "BSD-3-Clause, as the package that ships it" if shipped else "not stated in the file"


def _with_judged(card: ModelCard, path: Path) -> ModelCard:
    """Return the card with the judgements of its weights; those of other weights are left out with a note."""
    found = read_judged(judged_file(path))
    of_these = tuple(record for record in found if record.weights in ((), card.weights))
    notes = list(card.notes)
    if len(of_these) < len(found):
        notes.append("its weights have changed since they were judged: those numbers are not shown, judge it again")
    return card.model_copy(update={"judged": of_these, "notes": tuple(notes)})


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
