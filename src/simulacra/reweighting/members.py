"""Train the classifiers of an ensemble on represented samples, each in a run folder of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
import xarray as xr

from simulacra.models.event_classifier import EventClassifier
from simulacra.reweighting.settings import ReweighterSettings
from simulacra.training import checkpoint
from simulacra.training.continuation import OtherRunError
from simulacra.training.loop import Trainee, train
from simulacra.training.settings import DataSettings, Experiment

#: distance of the members' seeds of two ensembles with neighbouring seeds
SEEDS_APART: Final = 1009


def train_members(
    build: Callable[[], EventClassifier],
    representation: EventClassifier,
    trainee: Callable[[EventClassifier], Trainee],
    settings: ReweighterSettings,
    run: Path,
    *,
    name: str,
    seed: int,
    data: str,
    progress: bool,
) -> tuple[list[EventClassifier], list[Mapping[str, Any]]]:
    """Train each member and return their best checkpoints with the records of their training.

    Parameters
    ----------
    build:
        returns an untrained classifier, from torch's generator.
    representation:
        a classifier whose representation is fitted; all members use it.
    trainee:
        combines a classifier with its samples.
    settings:
        of the ensemble.
    run:
        folder with a subfolder ``member-K`` for each; trainings found there are continued.
    name, seed, data:
        of the experiment, and the name of its data.
    """
    members, records = [], []
    for k in range(settings.members):
        member_seed = (seed * SEEDS_APART + k) % 2**31
        torch.manual_seed(member_seed)
        classifier = build()
        classifier.take_representation(representation)
        experiment = Experiment(
            name=f"{name}-{k}" if settings.members > 1 else name,
            seed=member_seed,
            data=DataSettings(path=data),
            system=settings.model_dump(mode="json", exclude={"training", "members"}),
            training=settings.training,
        )
        folder = run / f"member-{k}"
        # The trainee has its own samples.
        empty = xr.Dataset()
        own, source = trainee(classifier), "# see resolved.json\n"
        try:
            train(experiment, own, empty, empty, folder, source=source, progress=progress)
        except OtherRunError as error:
            raise OtherRunError(run, _of_the_ensemble(error.changed, k)) from error
        _, weights = checkpoint.read_model(folder / "model.safetensors")
        checkpoint.fill(classifier, weights, str(folder))
        members.append(classifier.eval())
        # The model's own record ends with its best step; that of the run has the whole time.
        records.append(json.loads((folder / "record.json").read_text(encoding="utf-8"))["training"])
    return members, records


def _of_the_ensemble(changed: Mapping[str, tuple[Any, Any]], k: int) -> dict[str, tuple[Any, Any]]:
    """Return settings of member ``k`` under the names and with the seed that the ensemble has."""
    told = {name.removeprefix("system."): values for name, values in changed.items()}
    if "seed" in told:
        then, now = ((value - k) * pow(SEEDS_APART, -1, 2**31) % 2**31 for value in told["seed"])
        told["seed"] = (then, now)
    return told
