"""Options of several commands."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from simulacra.store import WriteSummary

Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="Dask cluster to use in the place of --workers: the address of its scheduler (tcp://HOST:PORT), local or "
        "local:N for N workers on this machine, or a settings file (.toml) for Slurm or HTCondor.",
    ),
]


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Return names and values from NAME=VALUE texts.

    Raises
    ------
    ValueError
        if a text has another form, or a name is given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        name, separator, value = (part.strip() for part in text.partition("="))
        if not (name and separator and value):
            raise ValueError(f"{option} takes NAME=VALUE, not '{text}'")
        if name in pairs:
            raise ValueError(f"{option}: '{name}' is given twice")
        pairs[name] = value
    return pairs


def names_in(text: str) -> list[str]:
    """Return the names of a text a,b,c."""
    return [name for part in text.split(",") if (name := part.strip())]


def parse_parameters(texts: list[str]) -> dict[str, float]:
    """Return parameters from NAME=VALUE texts.

    Raises
    ------
    ValueError
        naming the text that is not of this form.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            separator = ""
        if not separator or not name.strip() or not math.isfinite(number):
            raise ValueError(f"'{text}' is not NAME=VALUE, such as alphaS=0.16")
        if name.strip() in found:
            raise ValueError(f"'{name.strip()}' is given twice")
        found[name.strip()] = number
    return found


def pace(summary: WriteSummary) -> str:
    """Return how fast events were written, or that all of them were there already."""
    made = summary.n_events - summary.n_resumed_events
    return f"{made / max(summary.seconds, 1e-9):.0f} events/s" if made else "complete before this command"
