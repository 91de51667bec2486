"""Write a page to its two files, each complete or not at all."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from simulacra.pages.page import Page, Picture
from simulacra.pages.plain import plain
from simulacra.pages.style import image_uri
from simulacra.pages.tables import class_of, columns_of_numbers
from simulacra.version import __version__
from simulacra.whole_files import write_whole

if TYPE_CHECKING:
    from jinja2 import Environment

OUTCOMES: Final = ("pass", "pass with weights", "undecided", "fail", "")


def write_page(folder: str | os.PathLike[str], page: Page) -> Path:
    """Write ``report.html`` and ``report.json`` into a folder and return the HTML file's path.

    Raises
    ------
    ValueError
        if a number of the record is NaN or infinite, an outcome is unknown, or two chapters have one anchor.
    OSError
        if the folder cannot be written to.
    """
    record = {
        "simulacra_version": __version__,
        "title": page.title,
        "headline": page.headline,
        "outcome": page.outcome,
        "summary": page.summary,
        "warnings": page.warnings,
        **page.record,
    }
    return write_files(Path(folder), html_of(page), plain(record, "record"))


def html_of(page: Page) -> str:
    """Return a page as HTML, with its styles and figures in it."""
    for outcome in (page.outcome, *(card.outcome for card in page.cards)):
        if outcome not in OUTCOMES:
            raise ValueError(f"the outcome {outcome!r} is not one of {', '.join(map(repr, OUTCOMES))}")
    anchors = [chapter.anchor for chapter in page.chapters]
    twice = sorted({anchor for anchor in anchors if anchors.count(anchor) > 1})
    if twice:
        raise ValueError(f"two chapters have the anchor {twice[0]!r}: give each its own")
    return (
        environment()
        .get_template("page.html")
        .render(
            version=__version__,
            page=page,
            outcome=page.outcome,
            chapters=page.chapters,
            provenance=page.provenance,
            provenance_columns=page.provenance_columns,
        )
    )


def write_files(folder: Path, html: str, record: Mapping[str, Any]) -> Path:
    """Write a finished page and its record of plain values, and return the page's path."""
    text = json.dumps(record, allow_nan=False, indent=1, ensure_ascii=False)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "report.json", text)
    write_whole(folder / "report.html", html)
    return folder / "report.html"


def environment(*packages: str) -> Environment:
    """Return the templates of a page, and those of the packages that extend them, which come first."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=ChoiceLoader([PackageLoader(name, "templates") for name in (*packages, "simulacra.pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )
    made.filters |= {"columns_of_numbers": columns_of_numbers, "class_of": class_of}
    return made


def picture(image: bytes, alt: str, caption: str = "", *, kind: str = "svg+xml") -> Picture:
    """Return an image file as a picture of a page.

    Parameters
    ----------
    image:
        the file's content, from the functions of ``pages.figures`` and ``pages.fit_figures``.
    alt, caption:
        description for those who cannot see it, and caption.
    kind:
        "svg+xml" or "png".
    """
    return Picture(image_uri(image, kind), alt, caption)


def _unbroken(value: Any) -> Any:
    """Return text in which no line breaks within a number and its uncertainty or unit."""
    if not isinstance(value, str) or hasattr(value, "__html__") or value.startswith("data:"):
        return value
    return re.sub(r"(?<=\d) (?=(±|%|mm\b|MeV\b|GeV\b))|(?<=±) ", "\u00a0", value)
