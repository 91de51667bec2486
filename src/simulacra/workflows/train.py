"""Train the model of an experiment into a run folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.training.loop import Outcome
    from simulacra.training.settings import Experiment


def train(
    experiment: str | os.PathLike[str] | Mapping[str, Any],
    output: str | os.PathLike[str] | None = None,
    *,
    overrides: Sequence[str] = (),
    hold_out: Sequence[str] = (),
    members: int | None = None,
    progress: bool = True,
) -> list[str]:
    """Train a generator, a reweighter or a score. If it was killed, the same call continues where it stopped.

    Parameters
    ----------
    experiment:
        a TOML file, such as ``experiments/calogan-eplus.toml``, or a mapping with its content.
    output:
        the run folder; ``runs/NAME`` if None.
    overrides:
        settings over those of the experiment, such as ``"training.steps=100"``.
    hold_out:
        bands of conditions left out of training and validation, such as ``"energy:30:50"``.
    members:
        train an ensemble of this many members with different seeds, in one folder.
    progress:
        whether to show a progress bar.

    Returns
    -------
    list of str
        a summary in one line per member. ``simulacra.load(output)`` reads the trained model.

    Raises
    ------
    SettingsError, CheckpointError, FloatingPointError
        as :func:`simulacra.training.loop.train`.

    Examples
    --------
    >>> import pathlib, tempfile, simulacra
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> experiment = simulacra.systems.system("calogan").example(folder)
    >>> lines = simulacra.train(experiment, folder / "run", progress=False)
    >>> simulacra.load(folder / "run")
    TrainedGenerator(example-calogan: incident_energy 1 to 100)
    """
    return list(trained(experiment, output, overrides, hold_out, members, progress=progress))


def trained(
    experiment: str | os.PathLike[str] | Mapping[str, Any],
    output: str | os.PathLike[str] | None,
    overrides: Sequence[str],
    hold_out: Sequence[str],
    members: int | None,
    *,
    progress: bool,
) -> Iterator[str]:
    """Train like :func:`train`, and yield a summary of each member when it is trained."""
    from simulacra.systems import makes
    from simulacra.training.settings import Experiment, check, override, read_experiment

    if isinstance(experiment, Mapping):
        data = json.loads(json.dumps(experiment))
        for text in overrides:
            override(data, text)
        settings, source = check(Experiment, data, "the experiment"), json.dumps(data, indent=2)
    else:
        settings = read_experiment(Path(experiment), overrides)
        source = Path(experiment).read_text(encoding="utf-8")
    settings = holding_out(settings, hold_out)
    run = Path("runs") / settings.name if output is None else Path(output)
    if makes(str(settings.system.get("kind"))) == "weights":
        refuse_for_reweighters(settings, members)
        yield from train_reweighter(settings, run, source, progress=progress)
        return
    refuse_other_run(run, members)
    for member in range(members or 1):
        folder = run / f"member-{member}" if members else run
        own = settings.model_copy(update={"seed": settings.seed + member})
        before = _states(folder)
        outcome = run_experiment(own, folder, source, progress=progress)
        if outcome.rank:
            continue
        which = f", member {member + 1} of {members}" if members else ""
        early = " (patience ran out)" if outcome.stopped_early else ""
        yield (
            f"{settings.name}{which}{_complete(before, folder)}: {outcome.steps} steps{early} in "
            f"{outcome.seconds / 60:.1f} min, best validation {outcome.best_score:.4f} at step "
            f"{outcome.best_step}; weights in {folder / 'model.safetensors'}"
        )


def holding_out(experiment: Experiment, bands: Sequence[str]) -> Experiment:
    """Return the experiment with further bands left out of its data."""
    data = experiment.data.model_copy(update={"hold_out": (*experiment.data.hold_out, *bands)})
    return experiment.model_copy(update={"data": data})


def refuse_for_reweighters(experiment: Experiment, members: int | None) -> None:
    """Refuse options that are only for generators."""
    if experiment.data.hold_out:
        raise ValueError("bands are held out only from generators; leave hold_out out for a reweighter")
    if members:
        raise ValueError(f"a reweighter's members are a setting of its system: --set system.members={members}")


def refuse_other_run(run: Path, members: int | None) -> None:
    """Refuse to put an ensemble into the folder of one model, or one model into that of an ensemble."""
    single = any((run / name).exists() for name in ("resume.pt", "model.safetensors"))
    if members and single:
        raise ValueError(f"{run} holds a single model: choose another folder for the ensemble (-o), or remove it")
    if not members and any(run.glob("member-*")):
        raise ValueError(f"{run} holds an ensemble: continue with --members, or choose another folder (-o)")


def train_reweighter(experiment: Experiment, run: Path, source: str, *, progress: bool = True) -> list[str]:
    """Train the experiment's reweighter into ``run`` and return a summary in lines."""
    from simulacra.systems import reweighting_system
    from simulacra.training.checkpoint import write_atomically
    from simulacra.training.settings import check

    module = reweighting_system(str(experiment.system.get("kind")))
    settings = check(module.Settings, experiment.system, "system")
    before = _states(run)
    reweighter = module.fit(experiment, settings, run, read_sample, progress=progress)
    # Afterwards, so that a folder of another run, which is refused, stays as it was.
    write_atomically(run / "experiment.toml", source.encode())
    minutes = sum(record["seconds"] for record in reweighter.training) / 60
    losses = ", ".join(f"{record['validation_score']:.5f}" for record in reweighter.training)
    told = (
        f"{experiment.name}{_complete(before, run)}: {reweighter.size} members in {minutes:.1f} min, validation "
        f"loss {losses} (ln 2 = 0.69315 if there is no difference); weights in {run / 'reweighter.safetensors'}"
    )
    return [*(f"Warning: {warning}" for warning in reweighter.description["warnings"]), told]


def _states(run: Path) -> dict[Path, int]:
    """Return when each state in a run folder was last saved."""
    return {path: path.stat().st_mtime_ns for path in run.rglob("resume.pt")}


def _complete(before: dict[Path, int], run: Path) -> str:
    return " (complete before this command)" if before and before == _states(run) else ""


def run_experiment(experiment: Experiment, run: Path, source: str, *, progress: bool = True) -> Outcome:
    """Train the experiment's system on its data into ``run``."""
    from simulacra.progress import quiet_parts
    from simulacra.systems import trained_system
    from simulacra.training.loop import train as train_loop
    from simulacra.training.run import prepare, read_parts
    from simulacra.training.settings import check

    module = trained_system(str(experiment.system.get("kind")))
    settings = check(module.Settings, experiment.system, "system")
    training, validation = read_parts(
        experiment.data.path,
        experiment.data.max_events,
        read_sample,
        further=experiment.data.further,
        hold_out=experiment.data.hold_out,
        in_memory=experiment.data.in_memory,
    )
    with quiet_parts(quiet=not progress):
        trainer = prepare(experiment, lambda: module.Trainer(settings, training))
    return train_loop(experiment, trainer, training, validation, run, source=source, progress=progress)


def read_sample(path: str) -> xr.Dataset:
    """Read a training sample: a file or store, or ``reference:NAME`` for a shipped sample."""
    from simulacra import reference
    from simulacra.formats import read

    prefix, _, name = path.partition(":")
    return reference.load(name) if prefix == "reference" else read(path)
