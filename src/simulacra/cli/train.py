"""``simulacra train``: train what an experiment file describes into a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.training.loop import Outcome
    from simulacra.training.settings import Experiment


def train(
    experiment: Annotated[
        Path, typer.Argument(help="TOML file that describes the model, such as experiments/calogan-eplus.toml.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Run folder; runs/NAME if not given. An unfinished run in it continues."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a setting, such as training.steps=100. Repeatable.", metavar="KEY=VALUE"),
    ] = None,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(
            "--hold-out",
            help="Leave events in this band, such as energy:30:50, out of training and validation. Repeatable.",
            metavar="CONDITION:LOW:HIGH",
        ),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(
            "--members", min=2, help="Train an ensemble of this many members with different seeds, in one folder."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train a generator or a reweighter.

    If it was killed, run the same command again to continue where it stopped, bit for bit on a CPU.
    """
    from simulacra.training.settings import read_experiment

    settings = read_experiment(experiment, overrides or [])
    settings = holding_out(settings, hold_out or [])
    run = output or Path("runs") / settings.name
    from simulacra.systems import reweights

    source = experiment.read_text(encoding="utf-8")
    if reweights(str(settings.system.get("kind"))):
        refuse_for_reweighters(settings, members)
        typer.echo(train_reweighter(settings, run, source, progress=not quiet))
        return
    refuse_other_run(run, members)
    for member in range(members or 1):
        folder = run / f"member-{member}" if members else run
        own = settings.model_copy(update={"seed": settings.seed + member})
        outcome = run_experiment(own, folder, source, progress=not quiet)
        if outcome.rank:
            continue
        which = f", member {member + 1} of {members}" if members else ""
        early = " (patience ran out)" if outcome.stopped_early else ""
        typer.echo(
            f"{settings.name}{which}: {outcome.steps} steps{early} in {outcome.seconds / 60:.1f} min, best validation "
            f"{outcome.best_score:.4f} at step {outcome.best_step}; weights in {folder / 'model.safetensors'}"
        )


def holding_out(experiment: Experiment, bands: list[str]) -> Experiment:
    """Return the experiment with further bands left out of its data."""
    data = experiment.data.model_copy(update={"hold_out": (*experiment.data.hold_out, *bands)})
    return experiment.model_copy(update={"data": data})


def refuse_for_reweighters(experiment: Experiment, members: int | None) -> None:
    """Refuse options that are only for generators."""
    if experiment.data.hold_out:
        raise ValueError("a band is held out of a generator's training; a reweighter has none, leave hold_out away")
    if members:
        raise ValueError(f"a reweighter's members are a setting of its system: --set system.members={members}")


def refuse_other_run(run: Path, members: int | None) -> None:
    """Refuse to put an ensemble into the folder of one model, or one model into that of an ensemble."""
    single = any((run / name).exists() for name in ("resume.pt", "model.safetensors"))
    if members and single:
        raise ValueError(f"{run} holds a single model: choose another folder for the ensemble (-o), or remove it")
    if not members and any(run.glob("member-*")):
        raise ValueError(f"{run} holds an ensemble: go on with --members, or choose another folder (-o)")


def train_reweighter(experiment: Experiment, run: Path, source: str, *, progress: bool = True) -> str:
    """Train the experiment's reweighter into ``run`` and return a summary in words."""
    from simulacra.systems import reweighting_system
    from simulacra.training.checkpoint import write_atomically
    from simulacra.training.settings import check

    module = reweighting_system(str(experiment.system.get("kind")))
    settings = check(module.Settings, experiment.system, "system")
    reweighter = module.fit(experiment, settings, run, read_sample, progress=progress)
    # Afterwards, so that a folder of another run, which is refused, stays as it was.
    write_atomically(run / "experiment.toml", source.encode())
    for warning in reweighter.description["warnings"]:
        typer.echo(f"Warning: {warning}")
    minutes = sum(record["seconds"] for record in reweighter.training) / 60
    losses = ", ".join(f"{record['validation_score']:.5f}" for record in reweighter.training)
    return (
        f"{experiment.name}: {reweighter.size} members in {minutes:.1f} min, validation loss {losses} (ln 2 = 0.69315 "
        f"is that of no difference); weights in {run / 'reweighter.safetensors'}"
    )


def run_experiment(experiment: Experiment, run: Path, source: str, *, progress: bool = True) -> Outcome:
    """Train the experiment's system on its data into ``run``."""
    from simulacra.systems import system
    from simulacra.training.loop import train as train_loop
    from simulacra.training.run import prepare, read_parts
    from simulacra.training.settings import check

    module = system(str(experiment.system.get("kind")))
    settings = check(module.Settings, experiment.system, "system")
    training, validation = read_parts(
        experiment.data.path,
        experiment.data.max_events,
        read_sample,
        further=experiment.data.further,
        hold_out=experiment.data.hold_out,
    )
    trainer = prepare(experiment, lambda: module.Trainer(settings, training))
    return train_loop(experiment, trainer, training, validation, run, source=source, progress=progress)


def read_sample(path: str) -> xr.Dataset:
    """Read a training sample: a file or store, or ``reference:NAME`` for a shipped sample."""
    from simulacra import reference
    from simulacra.formats import read

    prefix, _, name = path.partition(":")
    return reference.load(name) if prefix == "reference" else read(path)
