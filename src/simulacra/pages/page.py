"""What a page consists of, without how it looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["pass", "pass with weights", "undecided", "fail", ""]


@dataclass(frozen=True)
class Picture:
    """A figure: its data URI, what it shows in words, and its caption."""

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
        figures in a grid of narrow columns, and below it in one of wide columns.
    rows, columns:
        a table: column heads, and cells; the first cell of a row is its head.
    mark:
        a label beside the heading, such as "extrapolation".
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
        what it is and how large, such as "second classifier" and "AUC 0.503 ± 0.004".
    beside:
        lines of small text below; a line may itself consist of lines.
    outcome:
        "pass", "undecided", "fail", or nothing where the number decides nothing.
    """

    name: str
    value: str
    beside: tuple[str, ...] = ()
    outcome: Outcome = ""


@dataclass(frozen=True)
class Page:
    """A page: what was found in one line, why in one paragraph, then the evidence.

    Attributes
    ----------
    title:
        what the page is about, such as "default Pythia → Vincia".
    overline:
        what kind of page it is, in small letters above the title.
    headline:
        the result, in words.
    outcome:
        "pass", "undecided" or "fail" as the headline says; nothing if there is none to be had.
    summary:
        one paragraph on how the result came about.
    warnings:
        what makes the result doubtful.
    cards:
        the numbers that decide.
    chapters:
        the evidence.
    provenance, provenance_columns:
        rows of (name, value, ...), and what the values' columns are called.
    record:
        all numbers of the page; ``report.json`` holds them. Arrays, dataclasses and settings may stand in it.
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
