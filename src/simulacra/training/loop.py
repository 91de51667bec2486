"""The only training loop: any family, any system, on one device or several."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
import xarray as xr
from torch import Tensor, nn

from simulacra.errors import printable
from simulacra.generators.last_layer import LastLayerPosterior
from simulacra.statistics.validation import Validation
from simulacra.training import checkpoint, tensors_on_disk
from simulacra.training.conditions import empirical_conditions
from simulacra.training.continuation import Progression, resume_run, save_run, truncate_metrics
from simulacra.training.devices import MicroBatches, RunningStatistics, any_of, fabric_of, mean_of, n_processes
from simulacra.training.interruption import Interruption
from simulacra.training.machine import check_batch, check_processors
from simulacra.training.progress import training_progress
from simulacra.training.schedule import batch_of, batch_size_of, optimizer_of, rows_of, schedule, snapshot_due
from simulacra.training.settings import Experiment, SettingsError, TrainingSettings
from simulacra.training.tensors_on_disk import stays_on_disk


class Family(Protocol):
    """A family of generators in training: a module whose forward pass is the loss of one player."""

    average: nn.Module

    def players(self) -> dict[str, nn.Module]:
        """Return the modules to optimise, in the order of their turns."""

    def after_step(self, step: int) -> None:
        """Finish a step."""


class Trainee(Protocol):
    """What a system gives to the loop.

    A system may also have ``last_layer()``, which returns the current weights of its last layer by their names in the
    model's file, for the snapshots of :mod:`~simulacra.generators.last_layer`; and ``typical(events)``, which returns
    events whose conditions the model file keeps in the place of the training events'.
    """

    family: Any
    description: dict[str, Any]

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return the tensors from which batches are taken, each (N, ...)."""

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Return the batch, transformed by random symmetries of the physics."""

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation | dict[str, float]:
        """Judge the generator; the best checkpoint has the lowest ``score``.

        With replicates of the score (:class:`~simulacra.statistics.validation.Validation`) patience counts changes that
        are larger than their error; for plain numbers, without replicates, any decrease counts.
        """


@dataclass(frozen=True)
class Outcome:
    """How a run ended; ``rank`` is the number of this process if there are several."""

    steps: int
    best_step: int
    best_score: float
    seconds: float
    stopped_early: bool
    rank: int = 0


def train(
    experiment: Experiment,
    trainee: Trainee,
    training: xr.Dataset,
    validation: xr.Dataset,
    run: Path,
    *,
    source: str = "",
    progress: bool = True,
) -> Outcome:
    """Train until the steps are done or patience runs out, from the start or from the state in the run folder.

    ``run`` receives ``experiment.toml`` (``source``), ``resolved.json``, ``metrics.jsonl``, ``model.safetensors`` (the
    best by validation), ``record.json`` and ``resume.pt``. A run that was killed or stopped continues bit for bit on a
    CPU, because all states of random generators are saved.

    Raises
    ------
    SettingsError
        if the machine lacks the threads, devices or memory in the settings.
    CheckpointError
        if the folder belongs to other settings or data, is in use, or cannot be written.
    FloatingPointError
        if a loss or a weight is not finite; the last checkpoint is kept.
    KeyboardInterrupt
        after Ctrl-C, when the current step is done and saved.

    Warns
    -----
    UserWarning
        if there are fewer training events than ``training.batch_size``: each step then uses all of them.
    """
    settings = experiment.training
    check_processors(settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    parts = MicroBatches.of(settings, n_processes(settings), 0)
    fabric = fabric_of(settings)
    rank, first, several = fabric.global_rank, fabric.global_rank == 0, fabric.world_size > 1
    parts = replace(parts, rank=rank)
    on_disk = stays_on_disk(training)
    tensors: Mapping[str, Any] = (
        _on_disk(experiment, trainee, training, run, fabric, progress) if on_disk else trainee.tensors(training)
    )
    n_events = len(next(iter(tensors.values())))
    check_batch(
        trainee.family,
        trainee.family.players(),
        lambda n: batch_of(tensors, torch.arange(n)),
        trainee.augment,
        settings.batch_size // parts.number,
        n_events=n_events,
    )
    with nullcontext() if first else warnings.catch_warnings(action="ignore"):
        batch_size = batch_size_of(settings, n_events, parts.number)
    digest = checkpoint.data_hash(tensors)
    typical = getattr(trainee, "typical", None)
    conditions = empirical_conditions(
        training if typical is None else typical(training), trainee.description.get("empirical_conditions", ())
    )
    if not on_disk:
        tensors = {name: fabric.to_device(tensor) for name, tensor in tensors.items()}
    family = fabric.setup_module(trainee.family)
    optimizers: dict[str, Any] = {
        name: optimizer_of(settings, name, module) for name, module in trainee.family.players().items()
    }
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in optimizers.items()}
    optimizers = {name: fabric.setup_optimizers(optimizer) for name, optimizer in optimizers.items()}
    rng = torch.Generator().manual_seed(experiment.seed * 1_000_003)
    progression, snapshots = Progression(), list[dict[str, Tensor]]()
    walk, statistics = _last_layer_of(trainee, settings), RunningStatistics(trainee.family, parts)
    identity = {"settings": json.loads(experiment.model_dump_json()), "data": digest}
    identity["settings"]["training"]["micro_batches"] = parts.number
    with checkpoint.locked(run) if first else nullcontext(), Interruption() as interruption:
        resume_run(run, identity, trainee.family, optimizers, rng, progression, snapshots)
        start = time.monotonic() - progression.seconds
        metrics = run / "metrics.jsonl"
        if first:
            checkpoint.write_atomically(run / "experiment.toml", source.encode())
            checkpoint.write_atomically(run / "resolved.json", experiment.model_dump_json(indent=2).encode())
            truncate_metrics(metrics, progression.step)
        with training_progress(experiment.name, settings.steps, progression.step, show=progress and first) as display:

            def save() -> None:
                _refuse_nan_weights(trainee.family, progression.step)
                if first:
                    progression.seconds = time.monotonic() - start
                    save_run(run, identity, trainee.family, optimizers, rng, progression, snapshots)

            while progression.step < settings.steps and not progression.exhausted(settings):
                step = progression.step
                factor = schedule(step, settings)
                rows = rows_of(step, batch_size, n_events, experiment.seed)
                batches = {part: fabric.to_device(batch_of(tensors, parts.of_batch(rows, part))) for part in parts.mine}
                logs: dict[str, Tensor] = {}
                for player, name in enumerate(optimizers):
                    for group in optimizers[name].param_groups:
                        group["lr"] = rates[name] * factor
                    optimizers[name].zero_grad(set_to_none=True)
                    statistics.begin()
                    for part, batch in batches.items():
                        parts.seed(rng, experiment.seed, step, player, part)
                        with fabric.no_backward_sync(family, enabled=part != parts.mine[-1]):
                            loss, extra = family(name, trainee.augment(batch, rng), step, rng)
                            fabric.backward(loss / len(batches))
                        statistics.after_part()
                        for key, value in ({f"loss/{name}": loss.detach()} | extra).items():
                            logs[key] = logs.get(key, 0.0) + value / len(batches)
                    statistics.end(fabric)
                    if settings.gradient_clipping is not None:
                        fabric.clip_gradients(
                            family, optimizers[name], max_norm=settings.gradient_clipping, error_if_nonfinite=False
                        )
                    optimizers[name].step()
                trainee.family.after_step(step)
                progression.step += 1
                if walk is not None and snapshot_due(progression.step, settings):
                    snapshots.append({name: w.detach().cpu().clone() for name, w in walk().items()})
                display.advance(progression.step)
                if progression.step % settings.validate_every == 0 or progression.step == settings.steps:
                    # of the whole batch, whoever worked on it
                    values = {name: mean_of(fabric, value) for name, value in logs.items()}
                    _refuse_nan(values, progression.step)
                    _refuse_nan_weights(trainee.family, progression.step)
                    # The same noise at each validation, so two of them differ only by the networks.
                    noise = torch.Generator().manual_seed(experiment.seed + 17)
                    given = trainee.validate(validation, noise) if first else None
                    if several:
                        # One result for all processes, or they would not stop at the same step.
                        given = fabric.broadcast(given)
                    validate = f"validate of the system '{experiment.system.get('kind')}'"
                    found = _as_validation(given, validate)
                    judged = dict(found.values)
                    if found.score_error is not None:
                        judged["score_error"] = found.score_error
                    _refuse_nan(judged, progression.step, f"{validate} must return finite numbers")
                    progression.seconds = time.monotonic() - start
                    progression.judge(judged["score"], found.replicates)
                    row: dict[str, Any] = {"step": progression.step, "seconds": progression.seconds, **values, **judged}
                    row["progress_step"] = progression.progress_step
                    if found.alarm and not progression.alarmed:
                        # Warn when the alarm begins, not at each validation while it lasts.
                        row["alarm"] = found.alarm
                        display.warn(progression.step, found.alarm)
                    progression.alarmed = bool(found.alarm)
                    if first:
                        with metrics.open("a", encoding="utf-8") as file:
                            file.write(json.dumps(row) + "\n")
                        if progression.best_step == progression.step:
                            record = _record(experiment, trainee, progression, n_events, batch_size, digest)
                            kept = trainee.family.average.state_dict() | conditions
                            checkpoint.save_tensors(run / "model.safetensors", kept, record)
                    display.judged(progression, judged["score"], found.score_error, settings.patience)
                    save()
                elif progression.step % settings.checkpoint_every == 0:
                    save()
                if any_of(fabric, interruption.asked):
                    save()
                    raise KeyboardInterrupt(
                        f"stopped at step {progression.step} of {settings.steps}, which is saved in {run}: the same "
                        "command continues from there"
                    )
        progression.seconds = time.monotonic() - start
        if first:
            if snapshots:
                _add_posterior(run / "model.safetensors", snapshots)
            record = _record(experiment, trainee, progression, n_events, batch_size, digest)
            checkpoint.write_atomically(run / "record.json", json.dumps(record, indent=2).encode())
            if on_disk:
                tensors_on_disk.remove(run)
    return Outcome(
        progression.step,
        progression.best_step,
        progression.best_score,
        progression.seconds,
        progression.step < settings.steps,
        rank,
    )


def _on_disk(
    experiment: Experiment, trainee: Trainee, training: xr.Dataset, run: Path, fabric: Any, progress: bool
) -> dict[str, tensors_on_disk.TensorOnDisk]:
    """Return tensors that stay on disk: the first process of a machine makes their file, the others wait for it."""
    made_of = {
        "system": experiment.system,
        "source": str(training.encoding.get("source", "")),
        "events": training["event"].values.tolist(),
        # the representations that were fitted to the events
        "networks": checkpoint.data_hash(trainee.family.state_dict()),
    }
    with fabric.rank_zero_first(local=True):
        return tensors_on_disk.tensors_on_disk(
            trainee.tensors, training, run, made_of, progress=progress and fabric.global_rank == 0
        )


def _last_layer_of(trainee: Trainee, settings: TrainingSettings) -> Callable[[], Mapping[str, Tensor]] | None:
    if not settings.last_layer_snapshots:
        return None
    last_layer: Callable[[], Mapping[str, Tensor]] | None = getattr(trainee, "last_layer", None)
    if last_layer is None:
        raise SettingsError("this system has no last_layer(): leave training.last_layer_snapshots at 0")
    return last_layer


def _add_posterior(path: Path, snapshots: list[dict[str, Tensor]]) -> None:
    """Write the last layer's posterior with the weights of the best checkpoint."""
    metadata, tensors = checkpoint.read_model(path)
    checkpoint.save_tensors(path, tensors | LastLayerPosterior.of_snapshots(snapshots).tensors(), metadata)


def _as_validation(given: Any, validate: str) -> Validation:
    """Return what a system's ``validate`` returned, checked (ValueError)."""
    found = given if isinstance(given, Validation) else Validation(given)
    try:
        values = {name: float(value) for name, value in found.values.items()}
    except (AttributeError, TypeError, ValueError, RuntimeError):
        values = {}
    if "score" not in values:
        raise ValueError(
            f"{validate} must return numbers by name, with one for 'score', not {printable(str(given), 80)}"
        )
    return replace(found, values=values)


def _refuse_nan(values: Mapping[str, float], step: int, cure: str = "lower training.learning_rate") -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"'{name}' is {value} at step {step}: {cure}; the last checkpoint is kept")


def _refuse_nan_weights(family: nn.Module, step: int) -> None:
    for name, tensor in family.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise FloatingPointError(
                f"the weights '{name}' are not finite at step {step}: lower training.learning_rate; "
                "the last checkpoint is kept"
            )


def _record(
    experiment: Experiment, trainee: Trainee, progression: Progression, n_events: int, batch_size: int, digest: str
) -> dict[str, Any]:
    return {
        "name": experiment.name,
        "experiment": json.loads(experiment.model_dump_json()),
        "description": trainee.description,
        "training": {
            "events": n_events,
            "steps": progression.step,
            "epochs": progression.step * batch_size / n_events,
            "seconds": progression.seconds,
            "best_step": progression.best_step,
            "validation_score": progression.best_score,
            "data_sha256": digest,
        },
        "versions": checkpoint.versions(),
    }
