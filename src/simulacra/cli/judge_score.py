"""``simulacra judge-score``: judge a trained score by background and signal events, and write a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def judge_score(
    *,
    model: Annotated[
        list[str] | None,
        typer.Argument(
            help="Run folder or model file of a trained score; leave it out if the samples hold their 'score'."
        ),
    ] = None,
    background: Annotated[
        Path,
        typer.Argument(help="Store or file of background events not used in its training, or of their scores."),
    ],
    signal: Annotated[Path, typer.Argument(help="Store or file of signal events, or of their scores.")],
    null: Annotated[
        Path | None,
        typer.Option(
            "--null", help="Store or file of a second background, whose scores should have the same distribution."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for report.html and report.json; created if needed.")
    ] = Path("report"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed: the same seed gives the same numbers.")] = 0,
    max_events: Annotated[
        int, typer.Option("--max-events", min=200, help="Largest number of events of each sample to use.")
    ] = 200_000,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Judge a score: how much cuts on it improve a signal's significance, and how they change the background.

    Writes the verdict, ROC and significance improvement curves with those of background against background, and the
    background's efficiency in bins of the conditions, as a page and as JSON.
    """
    from simulacra.progress import step_progress
    from simulacra.reports.score_page import write_score
    from simulacra.workflows.score import judge_score as judge
    from simulacra.workflows.score import load_score

    if output.exists() and not output.is_dir():
        raise ValueError(f"'{output}' is a file; -o names a folder for the report")
    if model and len(model) > 1:
        raise ValueError(f"give one model, then the background and the signal, not {len(model) + 2} arguments")
    trained = load_score(model[0]) if model else None
    with step_progress("judging", show=not quiet) as tell:
        verdict = judge(background, signal, null, model=trained, seed=seed, max_events=max_events, progress=tell)
        tell("drawing the report", 0.99)
        paths = [background, signal, *([] if null is None else [null])]
        names = ("background", "signal", "second background")
        rows = [] if trained is None else [("score", trained.name), ("weights", trained.weights_sha256)]
        rows += [(name, str(path)) for name, path in zip(names, paths, strict=False)]
        page = write_score(verdict, output, title=trained.name if trained else "score", provenance=rows)
    for line in (verdict.headline, verdict.summary, *(f"Warning: {warning}" for warning in verdict.warnings)):
        typer.echo(line)
    for finding in verdict.findings:
        typer.echo(f"  {finding.sentence}")
    for note in verdict.notes:
        typer.echo(f"  {note}")
    if trained is not None:
        import shlex

        from simulacra.workflows.judged_model import keep_judged_score

        null_given = [] if null is None else ["--null", str(null)]
        given = [*(model or []), str(background), str(signal), *null_given, "--seed", str(seed)]
        kept = keep_judged_score(verdict, trained, shlex.join(["simulacra", "judge-score", *given]))
        if kept is not None:
            typer.echo(f"Numbers kept in {kept}: simulacra info {(model or [''])[0]} shows them")
    typer.echo(f"Report: {page}")
