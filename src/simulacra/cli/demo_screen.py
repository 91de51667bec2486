"""What the demos print of verdicts: every classifier's AUC, the headline, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import Console

    from simulacra.judges.verdict import Verdict
    from simulacra.trained import TrainedGenerator

WIDTH: Final = 100
#: number of missed criteria that are printed of a verdict
MOST_REASONS: Final = 4


def new_console() -> Console:
    """Return a console that is as wide in a file as a terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)


def judged(truth: xr.Dataset, events: xr.Dataset, generator: TrainedGenerator, seed: int) -> Verdict:
    """Judge a generator's events beside the truth, with a progress bar."""
    from simulacra.judges import judge
    from simulacra.progress import step_progress

    with step_progress("judging", show=True) as tell:
        return judge(
            truth,
            events,
            generator=generator,
            n_train=int(generator.metadata["training"]["events"]),
            seed=seed,
            progress=tell,
        )


def tell_verdicts(console: Console, verdicts: Mapping[str, Verdict], truth: str) -> None:
    """Print every classifier's AUC, the verdicts, and why; ``truth`` is the simulator's name."""
    from rich.table import Table

    from simulacra.reports.report import criterion_rows
    from simulacra.wording import with_error

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(f"   AUC (0.5: never told from {truth}, 1: always)", header_style="dim", no_wrap=True)
    for head in (*verdicts, f"{truth} itself"):
        table.add_column(head, justify="right", header_style="dim", no_wrap=True)
    areas = {
        name: {f.observable: f for f in verdict.plain_findings if f.judge == "classifier_auc"}
        for name, verdict in verdicts.items()
    }
    first = next(iter(areas.values()))
    for observable, finding in first.items():
        what, _, kind = observable.rstrip(")").partition(" (")
        told_by = {"trees": "boosted trees", "deep_sets": "deep sets"}.get(kind, kind)
        table.add_row(
            f"   {told_by} on {what}",
            *(with_error(found[observable].value, found[observable].uncertainty) for found in areas.values()),
            with_error(finding.truth_value or math.nan, finding.truth_uncertainty or 0.0),
        )
    console.print(table)
    for name, verdict in verdicts.items():
        outcome = verdict.stated.outcome
        colour = {"pass": "green", "fail": "red"}.get(outcome, "yellow")
        console.print(f"   [bold]{name}: [{colour}]{verdict.headline}[/][/]")
        asked = {judgement.criterion.title for judgement in verdict.stated.judgements}
        rows = [row for row in criterion_rows(verdict) if row["title"] in asked and row["outcome"] != "pass"]
        for row in rows[:MOST_REASONS]:
            console.print(
                f"     {row['outcome']}: {row['title']} {row['value']} ({row['about']}); limit {row['limit']}, "
                f"{truth} itself {row['truth']}",
                soft_wrap=True,
            )
