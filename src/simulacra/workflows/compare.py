"""Judge each generator, then compare them: ``simulacra judge TRUTH GENERATED ... --compare``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.judges.comparison import Comparison
    from simulacra.progress import Progress


def compare_command(
    truth: xr.Dataset,
    generated: Mapping[str, xr.Dataset],
    output: Path,
    *,
    published: Path | None = None,
    published_dataset: str | None = None,
    own: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> tuple[Comparison, Path]:
    """Judge several generators against the same truth, write a report on each and the comparison of all.

    Parameters
    ----------
    truth, generated:
        events of the truth, and of each generator by its name. The time per event is in their attribute
        ``seconds_per_event`` [s].
    output:
        the folder for ``comparison.html``, ``comparison.json`` and one folder per generator with its report.
    published, published_dataset:
        a file of published results to draw in the same figure, and the data set in it.
    progress:
        called with the name of each step and the completed share of the work.
    own:
        further options of each generator by its name, such as its members.
    options:
        of ``judges.judging.judge``, the same for all: use, seed, max_events and so on.

    Returns
    -------
    the comparison and the path of its page.

    Raises
    ------
    ValueError
        if there is no generator, two names give one folder, the published results cannot be read, or a sample cannot be
        judged (the message names the generator).
    """
    from simulacra.judges.comparison import compare
    from simulacra.judges.judging import judge
    from simulacra.judges.published_results import read_published
    from simulacra.progress import silent
    from simulacra.reports import write
    from simulacra.reports.comparison_page import write_comparison

    tell = progress or silent
    folders = folders_of(list(generated))
    beside = None if published is None else read_published(published, published_dataset)
    verdicts, reports = {}, {}
    for number, (name, events) in enumerate(generated.items()):

        def step(what: str, share: float, name: str = name, number: int = number) -> None:
            tell(f"{name}: {what}", 0.98 * (number + share) / len(generated))

        try:
            verdicts[name] = judge(truth, events, progress=step, **options, **(own or {}).get(name, {}))
        except ValueError as error:
            raise type(error)(f"{name}: {error}") from error
        write(verdicts[name], output / folders[name])
        reports[name] = f"{folders[name]}/report.html"
    tell("drawing the comparison", 0.99)
    costs = {name: stated_cost(events) for name, events in generated.items()}
    comparison = compare(verdicts, costs, truth_cost=stated_cost(truth), published=beside)
    page = write_comparison(comparison, output, reports=reports)
    tell("done", 1.0)
    return comparison, page


def stated_cost(events: xr.Dataset) -> float | None:
    """Return the seconds per event from events' attributes [s]; None if missing or invalid."""
    seconds = float(events.attrs.get("seconds_per_event", math.nan))
    return seconds if 0 < seconds < math.inf else None


def folders_of(names: list[str]) -> dict[str, str]:
    """Return a folder's name for each generator.

    Raises
    ------
    ValueError
        if there is none, or two have the same folder.
    """
    if not names:
        raise ValueError("there is nothing to compare: give at least one sample of generated events")
    found: dict[str, str] = {}
    for name in names:
        folder = re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "generator"
        for other, taken in found.items():
            if taken.lower() == folder.lower():
                raise ValueError(f"the generators '{other}' and '{name}' would be written to one folder: rename one")
        found[name] = folder
    return found
