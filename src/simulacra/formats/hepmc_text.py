"""HepMC's text checked line by line, for errors that its library would silently misread.

The library stops reading a weight where the text is not a number, gives an event without weights the weight 1, drops an
empty name, and refuses duplicate names. The weights and their names are therefore read here, and the library gets the
text without them.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np

from simulacra.compressed import CompressionError, opened_plain
from simulacra.formats.errors import FormatError

BEGINNING: Final = b"HepMC::"
_STARTS: Final = {b"HepMC::Asciiv3-START_EVENT_LISTING": 3, b"HepMC::IO_GenEvent-START_EVENT_LISTING": 2}
_END: Final = b"END_EVENT_LISTING"
#: fields of an event's line in HepMC2 before the number of its random seeds, which comes before that of its weights
_FIELDS: Final = 11


@dataclass
class Listing:
    """The contents of a file other than the particles.

    Attributes
    ----------
    version:
        of HepMC, 2 or 3.
    numbers:
        the number of each event in the file.
    weights:
        of each event, (N, W) float64; W is 1 and all are 1.0 if no event has weights.
    names:
        of the weights, (W,); their positions if the file gives no names.
    named:
        whether the file names its weights.
    units_stated:
        whether every event states its units.
    """

    version: Literal[2, 3]
    numbers: list[int] = field(default_factory=list)
    weights: np.ndarray = field(default_factory=lambda: np.ones((0, 1)))
    names: list[str] = field(default_factory=lambda: ["0"])
    named: bool = False
    units_stated: bool = True


def is_hepmc(path: str | os.PathLike[str]) -> bool:
    """Return whether a file, compressed or not, begins like a HepMC text file.

    Raises
    ------
    FormatError
        if it is compressed and its beginning cannot be unpacked.
    """
    try:
        with opened_plain(path) as file:
            return file.read(64).lstrip().startswith(BEGINNING)
    except CompressionError as error:
        raise FormatError(str(error)) from error


def look_through(path: str | os.PathLike[str]) -> Listing:
    """Read the numbers and weights of all events, and check that the file is complete.

    Raises
    ------
    FormatError
        if the file is truncated or of another version, a weight is not finite, or the number of weights changes; the
        message names the event.
    """
    path = Path(path)
    reading = _Reading(str(path))
    try:
        with opened_plain(path) as file:
            for line in file:
                reading.take(line)
    except CompressionError as error:
        raise FormatError(str(error)) from error
    return reading.finished()


class _Reading:
    """Reads the lines of a file one after the other."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._version: Literal[2, 3] | None = None
        self._numbers: list[int] = []
        self._weights: list[list[float]] = []
        self._names: list[str] | None = None
        self._names_line: bytes | None = None
        self._with_units = 0
        self._in_event = self._ended = False

    def take(self, line: bytes) -> None:
        kind = line[:2]
        if kind == b"E ":
            self._begin_event(line)
        elif kind == b"W " and self._version == 3:
            if self._in_event:
                self._take_weights(line[2:].split())
            else:
                self._take_names(line, _names_in_header(line))
        elif kind == b"N " and self._version == 2:
            self._take_names(line, _names_in_event(line))
        elif kind == b"U ":
            self._with_units += 1
        elif line.startswith(BEGINNING):
            self._take_mark(line.strip())

    def _take_mark(self, mark: bytes) -> None:
        if mark in _STARTS:
            version: Literal[2, 3] = 2 if _STARTS[mark] == 2 else 3
            if self._version not in (None, version):
                raise FormatError(f"'{self._path}' holds listings of HepMC2 and of HepMC3: split them")
            self._version, self._in_event, self._ended = version, False, False
        elif mark.endswith(_END):
            self._in_event, self._ended = False, True
        elif mark.endswith(b"START_EVENT_LISTING"):
            raise FormatError(
                f"'{self._path}' begins with '{mark.decode(errors='replace')}': only the text "
                "formats of HepMC3 (Asciiv3) and HepMC2 (IO_GenEvent) can be read"
            )

    def _begin_event(self, line: bytes) -> None:
        fields = line.split()
        try:
            self._numbers.append(int(np.int64(int(fields[1]))))
        except (IndexError, ValueError, OverflowError):
            raise FormatError(f"'{self._path}' is damaged: event {len(self._numbers)} has no number") from None
        self._weights.append([])
        self._in_event = True
        if self._version == 2:
            place = _place_of_weights(fields)
            if place is None:
                raise FormatError(f"'{self._path}' is damaged: the line of {self._event} is too short")
            self._take_weights(fields[place:])

    @property
    def _event(self) -> str:
        return f"event {self._numbers[-1]} (number {len(self._numbers)} in the file)"

    def _take_weights(self, words: list[bytes]) -> None:
        for word in words:
            try:
                value = math.nan if b"_" in word else float(word)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise FormatError(
                    f"'{self._path}': a weight of {self._event} is '{word.decode(errors='replace')}', not a finite "
                    "number: leave the event out"
                )
            self._weights[-1].append(value)

    def _take_names(self, line: bytes, names: list[str]) -> None:
        if self._names is None:
            self._names, self._names_line = names, line
        elif line != self._names_line and names != self._names:
            raise FormatError(
                f"'{self._path}': the names of the weights change after {len(self._numbers)} events: split the file"
            )

    def finished(self) -> Listing:
        """Return what was read."""
        if self._version is None or not self._ended:
            raise FormatError(f"'{self._path}' is truncated: it does not end with '{_END.decode()}'")
        n = len(self._numbers)
        numbers = {len(weights) for weights in self._weights}
        stated = self._with_units >= n
        if numbers <= {0}:
            return Listing(self._version, self._numbers, np.ones((n, 1)), units_stated=stated)
        width = len(self._names or self._weights[0])
        for number, weights in zip(self._numbers, self._weights, strict=True):
            if len(weights) != width:
                expected = f"{width} names of weights" if self._names else f"{width} weights in others"
                raise FormatError(
                    f"'{self._path}': event {number} has {len(weights)} weights, but there are {expected}: "
                    "its weights cannot be identified"
                )
        names = list(self._names or map(str, range(width)))
        return Listing(self._version, self._numbers, np.array(self._weights), names, bool(self._names), stated)


def _place_of_weights(fields: list[bytes]) -> int | None:
    """Return where the weights begin in an event's line of HepMC2; None if the line is too short."""
    try:
        place = _FIELDS + 1 + int(fields[_FIELDS])
        n_weights = int(fields[place])
    except (IndexError, ValueError):
        return None
    return place + 1 if place > _FIELDS and len(fields) == place + 1 + n_weights else None


def _names_in_header(line: bytes) -> list[str]:
    r"""Return the names in a line of HepMC3, which puts ``\|`` between them and doubles a backslash."""
    text = line[2:].decode(errors="replace").rstrip("\r\n")
    names, name, escaped = [], "", False
    for letter in text:
        if escaped and letter == "|":
            names.append(name)
            name = ""
        elif escaped or letter != "\\":
            name += letter
        escaped = letter == "\\" and not escaped
    return [*names, name]


def _names_in_event(line: bytes) -> list[str]:
    """Return the names in a line of HepMC2, each in quotes; a name may contain quotes."""
    text = line.decode(errors="replace").strip().partition('"')[2].removesuffix('"')
    return text.split('" "') if text else []


def without_weights(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a file's lines as one listing without weights, with one end line also for merged files.

    :func:`look_through` must have accepted the file.
    """
    version, in_event, n_listings, end = 3, False, 0, b""
    for line in lines:
        kind = line[:2]
        if line.startswith(BEGINNING):
            mark = line.strip()
            if mark.endswith(_END):
                in_event, end = False, line if line.endswith(b"\n") else line + b"\n"
                continue
            n_listings += mark in _STARTS
            version = _STARTS.get(mark, version)
            if n_listings <= 1:
                yield line
        elif kind == b"E ":
            in_event = True
            yield _without_weights(line) if version == 2 else line
        elif (kind == b"W " and version == 3) or (kind == b"N " and version == 2):
            continue
        elif in_event or n_listings <= 1:
            # between two listings stand only the attributes of a run that is not the first
            yield line
    yield end
    yield b"\n"


def _without_weights(line: bytes) -> bytes:
    fields = line.split()
    place = _place_of_weights(fields)
    return line if place is None else b" ".join([*fields[: place - 1], b"0"]) + b"\n"


class LineStream(io.RawIOBase):
    """Lines as a stream of bytes, from which HepMC's library reads."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        super().__init__()
        self._lines, self._held = lines, b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Fill a buffer with at most one line; return the number of bytes, 0 at the end."""
        parts, size = [self._held], len(self._held)
        while size < len(buffer):
            line = next(self._lines, b"")
            if not line:
                break
            parts.append(line)
            size += len(line)
        text = b"".join(parts)
        n = min(len(buffer), size)
        buffer[:n], self._held = text[:n], text[n:]
        return n
