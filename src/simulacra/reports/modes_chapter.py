"""The chapter on modes: shares of the truth's modes and clusters in both samples."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulacra.judges.generalisation.mode_coverage import ModeEvidence
from simulacra.pages import Chapter, picture
from simulacra.pages.style import GENERATED, GRID, TRUTH, new_figure, points, svg_of, title
from simulacra.statistics.modes.mode_report import CellShares
from simulacra.wording import with_error

MOST_ROWS: Final = 24
TEXT: Final = (
    "One half of the truth is divided into the components of a Gaussian mixture (modes), into clusters and, for each "
    "observable, into slices of equal share; the other half measures the share of events in each cell. A cell is "
    "lost if the generated events have less than half of the truth's share beyond chance (p below 0.0033, corrected "
    "for the number of all cells). Errors are statistical."
)
DIVERSITY: Final = (
    "Diversity is the mean distance between two events with nearly equal conditions, divided by that of the truth: "
    "{value} for all observables together; the smallest is that of {least}, {least_value}."
)


def modes_chapter(evidence: ModeEvidence, truth_label: str, generated_label: str) -> Chapter:
    """Return the chapter: both charts, the lost cells in words, and the table of modes and of all lost cells."""
    report = evidence.report
    pictures = []
    for part, name in zip(report.partitions[:2], ("Modes", "Clusters"), strict=True):
        svg = shares_figure(part, f"{name} of the truth", truth_label, generated_label)
        lost = int(part.lost.sum())
        caption = f"{name} of the truth, the largest first; {lost} of {len(part.lost)} lost (marked by a cross)"
        pictures.append(picture(svg, f"Shares of the {name.lower()}", caption))
    rows = []
    for part in report.partitions:
        wanted = np.arange(len(part.truth)) if part.kind == "mode" else np.flatnonzero(part.lost)
        rows += [
            (
                f"{part.kind}: {part.names[cell]}",
                with_error(float(part.truth[cell]), float(part.truth_error[cell]), "%"),
                with_error(float(part.generated[cell]), float(part.generated_error[cell]), "%"),
                f"{part.p_values[cell]:.2g}",
                "lost" if part.lost[cell] else "",
            )
            for cell in wanted
        ]
    left_out = len(rows) - MOST_ROWS
    spread = report.diversity
    least = int(np.argmin(spread.features))
    texts = [
        report.sentence,
        DIVERSITY.format(
            value=with_error(spread.value, spread.uncertainty, "%"),
            least=evidence.long_names[least],
            least_value=with_error(float(spread.features[least]), float(spread.feature_errors[least]), "%"),
        ),
        TEXT,
    ]
    if left_out > 0:
        texts.append(f"{left_out} further lost cells are not in the table.")
    return Chapter(
        "modes",
        "Modes and diversity",
        tuple(texts),
        tuple(pictures),
        columns=("cell", truth_label, generated_label, "p", ""),
        rows=tuple(rows[:MOST_ROWS]),
    )


def shares_figure(part: CellShares, heading: str, truth_label: str, generated_label: str) -> bytes:
    """Draw the shares of both samples in the cells of one partition, the largest first."""
    order = np.argsort(-part.truth, kind="stable")
    place = np.arange(len(order), dtype=np.float64)
    with new_figure(4.6, 3.0) as figure:
        axes = figure.subplots()
        axes.bar(place, 100 * part.truth[order], width=0.8, color=TRUTH, alpha=0.3, label=truth_label)
        truth, generated = (
            (100 * share[order], 100 * error[order])
            for share, error in ((part.truth, part.truth_error), (part.generated, part.generated_error))
        )
        points(axes, place - 0.12, *truth, TRUTH, marker="none")
        points(axes, place + 0.12, *generated, GENERATED, size=2.8, label=generated_label)
        gone = part.lost[order]
        if gone.any():
            axes.plot(place[gone], 100 * part.truth[order][gone], "x", color=GENERATED, markersize=6, label="lost")
        axes.set_xlabel(f"{part.kind.capitalize()} of the truth")
        axes.set_ylabel("Share of events [%]")
        axes.set_xticks(place if len(place) <= MOST_ROWS else [])
        axes.set_xticklabels([f"{i + 1}" for i in range(len(place))] if len(place) <= MOST_ROWS else [])
        axes.set_ylim(0, 1.25 * 100 * max(float(part.truth.max()), float(part.generated.max())))
        axes.grid(color=GRID, linewidth=0.7, axis="y")
        axes.legend(ncols=3, loc="upper right")
        title(axes, heading)
        return svg_of(figure)
