"""The page of a comparison: a table of all generators, quality against cost, and the same numbers as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from simulacra.judges.comparison import Comparison, Contender
from simulacra.judges.headlines import Headline, Number
from simulacra.pages import Chapter, Page, html_of, picture
from simulacra.pages.plain import plain
from simulacra.reports.comparison_figures import front_figure, headline_figure
from simulacra.version import __version__
from simulacra.whole_files import write_whole
from simulacra.wording import with_error

FORMAT: Final = "simulacra-comparison-1"
DASH: Final = "–"

TABLE_TEXT: Final = (
    "The first row is truth against truth: no generator can be better. A name links to the generator's own report; a "
    "dash means that there is no result."
)
BESIDE_TEXT: Final = (
    "Top: the observables in which one of the generators is furthest from the truth, with one standard deviation, "
    "and below each the ratio to the truth (arrows: outside the panel). Bottom: ROC curves of the better classifier "
    "on each kind of input; on the diagonal it only guesses."
)
FRONT_TEXT: Final = (
    "Lower and further left is better. Filled: on the front; all generators that cost no more have a higher AUC "
    "beyond errors. The dashed steps join these. Hollow: not on the front, or undecided with these events (see the "
    "table). Bars are one standard deviation; the grey band is truth against truth."
)
RANKS_TEXT: Final = (
    "Judges see different faults and may rank generators differently. Equal ranks do not mean that generators are "
    "equal: these events do not decide."
)
NUMBERS_TEXT: Final = "Points: the generators, with one standard deviation. Band: truth against truth."
FOOTNOTE: Final = (
    "± is one standard deviation. W₁ is that of the worst observable, in standard deviations of the truth. FPD and "
    "KPD are extrapolated to infinitely many events and may be negative by chance. A memorisation p near 0 means "
    "that training events were memorised. A rank is 1 plus the number of generators that are better beyond errors, "
    "at 5 % for all pairs together. Errors are added in quadrature although the generators share the truth events, "
    "which makes ranks conservative. The cost is seconds_per_event as stated with the events, each on its own "
    "machine."
)


def write_comparison(
    comparison: Comparison,
    folder: str | os.PathLike[str],
    *,
    reports: Mapping[str, str] | None = None,
    beside_truth: bytes | None = None,
) -> Path:
    """Write ``comparison.html`` and ``comparison.json``, each whole or not at all, and return the page's path.

    Parameters
    ----------
    reports:
        path of each generator's own report, relative to the folder, such as "mine/report.html".
    beside_truth:
        the picture from :func:`~simulacra.reports.beside_truth.beside_truth_figure`.

    Raises
    ------
    ValueError
        if a report does not belong to any generator, or a number is not finite.
    OSError
        if the folder is not writable.
    """
    folder, reports = Path(folder), dict(reports or {})
    strange = sorted(set(reports) - {generator.name for generator in comparison.generators})
    if strange:
        raise ValueError(f"reports on {strange} are given, but these were not compared")
    html = html_of(comparison_page(comparison, reports, beside_truth))
    text = json.dumps(comparison_record(comparison, reports), allow_nan=False, indent=1, ensure_ascii=False)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "comparison.json", text)
    write_whole(folder / "comparison.html", html)
    return folder / "comparison.html"


def comparison_record(comparison: Comparison, reports: Mapping[str, str]) -> dict[str, Any]:
    """Return all numbers of the page as JSON values."""
    record = {
        "format": FORMAT,
        "simulacra_version": __version__,
        "sentence": comparison.sentence,
        "sentences": comparison.sentences,
        "ranked_by": comparison.main.key,
        "reports": reports,
        **{name: getattr(comparison, name) for name in comparison.__dataclass_fields__},
    }
    values: dict[str, Any] = plain(record, "comparison")
    return values


def comparison_page(comparison: Comparison, reports: Mapping[str, str], beside_truth: bytes | None = None) -> Page:
    """Return the page, with links to the generators' own reports."""
    n = len(comparison.generators)
    main = comparison.main
    summary = (
        f"{n} generator{'s' if n > 1 else ''}, ranked by {main.title}. Each was judged against the same "
        f"{comparison.n_truth:,} events of {comparison.truth_label} with the seed {comparison.seed}; the verdict "
        f"is for {comparison.use}. A difference is significant beyond {comparison.sigmas:.2f} standard deviations."
    )
    return Page(
        title=f"Generators of {comparison.truth_label} compared",
        overline="comparison of generators",
        headline=comparison.sentence,
        summary=summary,
        warnings=comparison.warnings,
        chapters=tuple(
            chapter
            for chapter in (
                _table(comparison, reports),
                _beside(comparison, beside_truth),
                _fronts(comparison),
                _ranks(comparison),
                _numbers(comparison),
            )
            if chapter is not None
        ),
        footnote=FOOTNOTE,
    )


def _table(comparison: Comparison, reports: Mapping[str, str]) -> Chapter:
    truth = (
        f"{comparison.truth_label} against itself",
        DASH,
        _cost(comparison.truth_milliseconds),
        *(_cell(comparison.truth[h.key], h) for h in comparison.headlines),
    )
    rows = [
        (
            _linked(generator, reports),
            generator.outcome,
            _cost(generator.milliseconds),
            *(_cell(generator.numbers[h.key], h) for h in comparison.headlines),
        )
        for generator in comparison.generators
    ]
    columns = ("", "verdict", "ms per event", *(h.title for h in comparison.headlines))
    return Chapter("table", "All generators", (TABLE_TEXT,), rows=(truth, *rows), columns=columns)


def _beside(comparison: Comparison, figure: bytes | None) -> Chapter | None:
    if figure is None:
        return None
    alt = f"Observables and classifiers of all generators and {comparison.truth_label}"
    title = f"Compared with {comparison.truth_label}"
    return Chapter("beside", title, (BESIDE_TEXT,), large_pictures=(picture(figure, alt),))


def _fronts(comparison: Comparison) -> Chapter | None:
    drawn = [h for h in comparison.headlines if comparison.fronts.get(h.key)]
    if not drawn:
        return None
    text = [FRONT_TEXT]
    if comparison.published is not None:
        text.append(comparison.published.caveat)
    left_out = [g.name for g in comparison.generators if g.milliseconds is None]
    if left_out:
        text.append(f"Not drawn, because no cost is stated: {', '.join(left_out)}.")
    pictures = tuple(
        picture(front_figure(comparison, h), f"{h.title} against milliseconds per event, one point per generator")
        for h in drawn
    )
    truth = comparison.truth_milliseconds
    rows = [
        (
            generator.name,
            _cost(cost := generator.milliseconds),
            DASH if truth is None or cost is None else _three_digits(truth / cost),
            *(comparison.fronts[h.key].get(generator.name, DASH) for h in drawn),
        )
        for generator in comparison.generators
    ]
    columns = ("", "ms per event", "times faster than the truth", *(f"front by {h.title}" for h in drawn))
    return Chapter(
        "front", "Quality against cost", tuple(text), large_pictures=pictures, rows=tuple(rows), columns=columns
    )


def _ranks(comparison: Comparison) -> Chapter | None:
    ranked = [h for h in comparison.headlines if h.key in comparison.rankings]
    if len(comparison.generators) < 2:
        return None
    rows = tuple(
        (g.name, *(str(comparison.rankings[h.key].ranks.get(g.name, DASH)) for h in ranked), _worst(g))
        for g in comparison.generators
    )
    return Chapter(
        "ranks",
        "Ranks beyond errors",
        (RANKS_TEXT, *comparison.sentences),
        columns=("", *(h.title for h in ranked), "worst observable"),
        rows=rows,
    )


def _numbers(comparison: Comparison) -> Chapter:
    shown = [h for h in comparison.headlines if h.shows == "value"]
    pictures = tuple(
        picture(
            headline_figure(comparison, h), f"{h.title} of each generator with its error, and the truth's as a band"
        )
        for h in shown
    )
    return Chapter("numbers", "All numbers", (NUMBERS_TEXT,), pictures=pictures)


def _linked(generator: Contender, reports: Mapping[str, str]) -> str:
    from markupsafe import Markup

    if generator.name not in reports:
        return generator.name
    return Markup('<a href="{}">{}</a>').format(quote(reports[generator.name]), generator.name)


def _cell(number: Number | None, headline: Headline) -> str:
    if number is None:
        return DASH
    if headline.shows == "p_value":
        return f"{number.value:.2g}"
    return with_error(headline.scale * number.value, headline.scale * number.uncertainty)


def _cost(milliseconds: float | None) -> str:
    return DASH if milliseconds is None else _three_digits(milliseconds)


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _worst(generator: Contender) -> str:
    number = generator.numbers.get("wasserstein_distance")
    return DASH if number is None else number.observable.replace("_", " ")
