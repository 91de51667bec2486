"""``simulacra judge``: compare generated events with truth and write a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.judges.verdict import Verdict


def judge(
    truth: Annotated[Path, typer.Argument(help="Store or file of true events.")],
    generated: Annotated[
        list[str],
        typer.Argument(
            help="Store or file of generated events, or a generator (shipped name, run folder, model file), which then "
            "draws events at the truth's conditions. Several with --compare or --ensemble."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for report.html and report.json; created if needed.")
    ] = Path("report"),
    compare: Annotated[
        bool, typer.Option("--compare", help="Judge several generators and compare them in one table.")
    ] = False,
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="The samples are members of an ensemble: judge its uncertainty too."),
    ] = False,
    use: Annotated[
        Literal["energy", "shapes", "cells"],
        typer.Option(
            "--use",
            help="Use for which to give the verdict: energy measurement, selections on single observables, "
            "or a full stand-in cell by cell (particle by particle, value by value).",
        ),
    ] = "cells",
    hold_out: Annotated[
        str | None,
        typer.Option(
            "--hold-out",
            metavar="CONDITION:LOW:HIGH",
            help="Test whether the generator is worse in a band left out of its training, such as energy:30:50.",
        ),
    ] = None,
    part: Annotated[
        Literal["all", "test"],
        typer.Option(
            "--part",
            help="Part of the truth to compare with. With 'test', its training part is used as --train sample.",
        ),
    ] = "all",
    train: Annotated[
        Path | None,
        typer.Option(
            "--train", help="Store or file of the events that the generator was trained on, to look for copies of them."
        ),
    ] = None,
    n_train: Annotated[
        int | None,
        typer.Option("--train-events", min=1, help="Number of events that the generator was trained on, if known."),
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            "--generator",
            help="Shipped generator, run folder or model file of the events: adds scans at fixed noise, extrapolation, "
            "and a run's learning curves. Not needed if GENERATED is a generator.",
        ),
    ] = None,
    protocol: Annotated[
        Literal["cross-validation", "calochallenge"],
        typer.Option(
            "--protocol",
            help="How perceptrons are trained: small ones in five folds, or as in the CaloChallenge (slow), which also "
            "sets voxels of its sets below their thresholds to 0 in all samples.",
        ),
    ] = "cross-validation",
    published: Annotated[
        Path | None,
        typer.Option("--published", help="With --compare: JSON file of published results to draw in the same figure."),
    ] = None,
    published_dataset: Annotated[
        str | None, typer.Option("--published-dataset", help="Data set of the published results.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed: the same seed gives the same numbers.")] = 0,
    max_events: Annotated[
        int, typer.Option("--max-events", min=200, help="Largest number of events of each sample to use.")
    ] = 50_000,
    cell_threshold: Annotated[
        float,
        typer.Option(
            "--cell-threshold", min=0, help="Energy up to which a cell counts as empty for classifiers [MeV]."
        ),
    ] = 0.01,
    particle: Annotated[
        str | None,
        typer.Option(
            "--particle", help="Incident particle, or origin of jets (g, q, t, w, z), if a file does not name it."
        ),
    ] = None,
    binning: Annotated[Path | None, typer.Option("--binning", help="Binning XML of CaloChallenge files.")] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            help="Dask cluster that draws the events of a generator: the address of its scheduler (tcp://HOST:PORT), "
            "local, local:N, or a settings file (.toml). The judges run here.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Compare generated events with truth. Writes a verdict and its reasons as a page and as JSON."""
    from simulacra.events import take_part
    from simulacra.formats import calochallenge, read
    from simulacra.judges.judging import judge as judge_events
    from simulacra.progress import step_progress
    from simulacra.reports import write
    from simulacra.workflows.judged_events import judged_of, named

    if output.exists() and not output.is_dir():
        raise ValueError(f"'{output}' is a file; -o names a folder for the report")
    if train is not None and part == "test":
        raise ValueError("--part test uses the truth's own training part; leave --train out, or judge --part all")
    if compare and ensemble:
        raise ValueError("--compare compares generators, --ensemble treats them as one: choose one")
    if len(generated) > 1 and not (compare or ensemble):
        raise ValueError(f"{len(generated)} generated samples: add --compare or --ensemble, or give one")
    if len(generated) > 1 and generator is not None:
        raise ValueError("--generator is for one sample: give the generators themselves instead of their events")
    if (published is not None or published_dataset is not None) and not compare:
        raise ValueError("published results are only drawn with --compare")

    def events_of(path: str | Path) -> xr.Dataset:
        return read(path, particle=particle, binning=binning)

    true_events = events_of(truth)
    training = None if train is None else events_of(train)
    if part == "test":
        true_events, training = take_part(true_events, "test"), take_part(true_events, "train")
    options: dict[str, Any] = {
        "train": training,
        "n_train": n_train,
        "use": use,
        "hold_out": hold_out,
        "protocol": protocol,
        "seed": seed,
        "max_events": max_events,
        "cell_threshold": cell_threshold,
    }
    with step_progress("judging", show=not quiet) as tell:
        samples = {
            name: judged_of(
                true_events,
                one,
                events_of,
                generator=generator,
                hold_out=hold_out,
                most=max_events,
                seed=seed,
                scheduler=scheduler,
            )
            for name, one in named(generated)
        }
        if protocol == "calochallenge":
            true_events = calochallenge.as_evaluated(true_events)
            samples = {name: one.changed(calochallenge.as_evaluated) for name, one in samples.items()}
            options["train"] = None if training is None else calochallenge.as_evaluated(training)
        if not quiet:
            made, true = (
                [f"{min(one.sizes['event'], max_events):,}" for one in group]
                for group in ([one.events for one in samples.values()], [true_events])
            )
            typer.echo(
                f"Judging {', '.join(made)} generated events against {true[0]} true ones: distances, "
                "classifiers, regions where they fail, weights, modes, statistical power; then the report",
                err=True,
            )
        if compare:
            from simulacra.workflows.compare import compare_command

            comparison, page = compare_command(
                true_events,
                {name: one.events for name, one in samples.items()},
                output,
                published=published,
                published_dataset=published_dataset,
                own={name: one.options() for name, one in samples.items()},
                progress=tell,
                **options,
            )
            lines = [comparison.sentence, *comparison.sentences]
        else:
            first, *others = samples.values()
            own = first.options()
            own["members"] = (*own["members"], *(events for one in others for events in (one.events, *one.members)))
            verdict = judge_events(true_events, first.events, progress=tell, **options, **own)
            tell("drawing the report", 0.99)
            page = write(verdict, output)
            lines = _lines(verdict)
            told = {"--hold-out": hold_out, "--max-events": max_events, "--protocol": protocol, "--binning": binning}
            lines += _kept(verdict, generated, truth, {"--part": part, **told})
    for line in (*lines, f"Report: {page}"):
        typer.echo(line)


def _lines(verdict: Verdict) -> list[str]:
    from simulacra.reports.report import criterion_rows

    lines = [verdict.headline, verdict.summary, *(f"Warning: {warning}" for warning in verdict.warnings)]
    rows = criterion_rows(verdict)
    width = max(len(row["title"]) for row in rows)
    for row in rows:
        beside = f"truth against truth {row['truth']}, limit {row['limit']}"
        lines.append(f"  {row['outcome']:<9} {row['title']:<{width}}  {row['value']}  ({beside})")
    return lines


def _kept(verdict: Verdict, generated: list[str], truth: Path, options: dict[str, Any]) -> list[str]:
    """Keep the verdict's numbers beside the judged model and return the line that says so; none for other samples."""
    import shlex

    from simulacra.workflows.judged_model import keep_judged

    told = {"--use": verdict.use, "--seed": verdict.seed, **options}
    given = [str(word) for name, value in told.items() if value is not None for word in (name, value)]
    command = shlex.join(["simulacra", "judge", str(truth), *generated, *given])
    part = " (its test part)" if options["--part"] == "test" else ""
    kept = keep_judged(verdict, generated, command=command, truth=f"{truth}{part}")
    return [] if kept is None else [f"Numbers kept in {kept}: simulacra info {generated[0]} shows them"]
