"""The judged numbers of a model, in a file beside it: who judged it, against what, and which weights these were.

``NAME.judged.json`` is beside ``NAME.safetensors``; that of an ensemble is ``ensemble.judged.json`` in its folder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from simulacra.errors import printable
from simulacra.version import is_later, written_later
from simulacra.whole_files import write_whole

FORMAT: Final = "simulacra-judged-1"


class JudgedFileError(ValueError):
    """A file of judged numbers that cannot be used; the message says why and what to do."""


class _Held(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class JudgedNumber(_Held):
    """A number of a model with its error, beside that of truth against truth.

    Attributes
    ----------
    name:
        what was judged, with its unit.
    value, error, truth, truth_error:
        None if it was not measured.
    limit, outcome:
        the largest value that passes, and whether it does, if there is a limit.
    """

    name: str
    value: FiniteFloat
    error: FiniteFloat | None = None
    truth: FiniteFloat | None = None
    truth_error: FiniteFloat | None = None
    limit: FiniteFloat | None = None
    outcome: str | None = None


class JudgedRecord(_Held):
    """The numbers of one judgement.

    Attributes
    ----------
    command:
        the command that made them.
    weights:
        the SHA-256 of the weights that were judged, one for each member of an ensemble; empty if not recorded.
    truth:
        the true events, in words.
    events:
        the number of events of each sample (the smaller one), if known.
    headline:
        the verdict in one sentence; "" if there is none.
    version:
        of Simulacra.
    """

    command: str
    weights: tuple[str, ...] = ()
    truth: str = ""
    events: int | None = None
    headline: str = ""
    version: str = ""
    numbers: tuple[JudgedNumber, ...]


class _File(_Held):
    format: Literal["simulacra-judged-1"] = FORMAT
    records: tuple[JudgedRecord, ...]


def judged_file(model: Path) -> Path:
    """Return the file of judged numbers of a model file, or of the folder of an ensemble."""
    return model / "ensemble.judged.json" if model.is_dir() else model.with_suffix(".judged.json")


def text_of(records: Sequence[JudgedRecord]) -> str:
    """Return the text of a file of judged numbers."""
    return _File(records=tuple(records)).model_dump_json(indent=1, exclude_none=True) + "\n"


def read_judged(path: Path) -> tuple[JudgedRecord, ...]:
    """Return the judgements in a file; none if there is no file.

    Raises
    ------
    JudgedFileError
        if it is damaged, of another kind or of a later version.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise JudgedFileError(f"the judged numbers '{path}' cannot be read: {error.strerror}") from error
    try:
        return _File.model_validate_json(content).records
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        said = fault["input"] if fault["loc"] == ("format",) else None
        if is_later(said, FORMAT):
            raise JudgedFileError(written_later(f"'{path}'", said, FORMAT)) from None
        place = printable(".".join(map(str, fault["loc"])), 80)
        raise JudgedFileError(
            f"the judged numbers '{path}' are damaged ({place + ': ' if place else ''}{printable(fault['msg'], 200)}): "
            "remove the file and judge again"
        ) from None


def add_judged(path: Path, record: JudgedRecord) -> None:
    """Add a judgement to a file; earlier ones of other weights, or by the same command, are dropped.

    Raises
    ------
    JudgedFileError
        if the file that is there is damaged, or the new one cannot be written.
    """
    kept = [one for one in read_judged(path) if one.weights == record.weights and one.command != record.command]
    try:
        write_whole(path, text_of([*kept, record]))
    except OSError as error:
        raise JudgedFileError(
            f"the judged numbers cannot be written to '{os.fspath(path)}': {error.strerror}"
        ) from error
