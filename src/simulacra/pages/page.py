"""The content of a page, without its style."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["pass", "pass with weights", "undecided", "fail", ""]


@dataclass(frozen=True)
class Picture:
    """A figure: its data URI, a description in words, and its caption."""

    source: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Chapter:
    """A part of the page.

    Attributes
    ----------
    anchor, title, text:
        its name in links, its heading, and paragraphs of plain text.
    pictures, large_pictures:
        figures in narrow columns, and below them figures in wide columns.
    rows, columns:
        a table: column heads and cells; the first cell of a row is its head.
    mark:
        a label next to the heading, such as "extrapolation".
    """

    anchor: str
    title: str
    text: tuple[str, ...]
    pictures: tuple[Picture, ...] = ()
    large_pictures: tuple[Picture, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    mark: str = ""


@dataclass(frozen=True)
class Card:
    """One number in the header of a page.

    Attributes
    ----------
    name, value:
        name and value, such as "second classifier" and "AUC 0.503 ± 0.004".
    beside:
        lines of small text below; a line may itself consist of lines.
    outcome:
        "pass", "undecided", "fail", or empty if the number has no outcome.
    """

    name: str
    value: str
    beside: tuple[str, ...] = ()
    outcome: Outcome = ""


@dataclass(frozen=True)
class Page:
    """A page: the result in one line, the reason in one paragraph, then the evidence.

    Attributes
    ----------
    title:
        the subject, such as "default Pythia → Vincia".
    overline:
        the kind of page, in small letters above the title.
    headline:
        the result, in words.
    outcome:
        "pass", "undecided" or "fail" as in the headline; empty if there is none.
    summary:
        one paragraph on the reason for the result.
    warnings:
        reasons to doubt the result.
    cards:
        the numbers that decide.
    chapters:
        the evidence.
    provenance, provenance_columns:
        rows of (name, value, ...), and the names of the values' columns.
    record:
        all numbers of the page, for ``report.json``; may contain arrays, dataclasses and settings.
    advice:
        what to do, point by point.
    footnote:
        how to read the page.
    """

    title: str
    overline: str
    headline: str
    outcome: Outcome = ""
    summary: str = ""
    warnings: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    provenance: tuple[tuple[str, ...], ...] = ()
    provenance_columns: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    footnote: str = ""
