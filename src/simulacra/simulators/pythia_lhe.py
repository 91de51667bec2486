"""Les Houches event files (hep-ph/0609017, arXiv:1405.1067): completeness, number of events, and weights.

The weights of an event are in its ``<rwgt>``, one ``<wgt id="...">`` each; the header's ``<initrwgt>`` describes them.
Pythia gives them other names, which need not be unique, and does not warn if an event has none. They are therefore read
here, by the position of an event in the file.
"""

from __future__ import annotations

import fnmatch
import hashlib
import html
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import IO, Final, Self

import numpy as np
import xarray as xr

from simulacra.compressed import opened_plain
from simulacra.variations import variable_names, variation_variable

MOST_WEIGHTS: Final = 20
"""Largest number of weights of a file that are kept without being named."""

#: strategies (IDWTUP) in which Pythia does not unweight: every event of a file becomes one event
_EVENT_BY_EVENT: Final = (3, -3, 4, -4)
#: those in which the weight of an event is that of the file, XWGTUP
_WEIGHTED: Final = (4, -4)

_ATTRIBUTE: Final = r"""\b{}\s*=\s*(?:"([^"]*)"|'([^']*)')"""
_INIT: Final = re.compile(rb"^\s*<init(?:\s[^>]*)?>", re.MULTILINE)
_ID: Final = re.compile(_ATTRIBUTE.format("id").encode())
_DECLARED: Final = re.compile(rb"<weight\b([^>]*)>(.*?)</weight\s*>", re.DOTALL)
_WEIGHT: Final = re.compile(rb"<wgt\b([^>]*)>([^<]*)</wgt\s*>")
_BLOCK: Final = 2**20


@dataclass(frozen=True)
class LheFile:
    """The properties of a file before its events are read.

    Attributes
    ----------
    n_events:
        the number of its events.
    sha256:
        the hash of its bytes, unpacked.
    strategy:
        the meaning of its weights for Pythia, IDWTUP; None if not given.
    weights:
        the names of the further weights of each event, and their descriptions in the header.
    compressed_weights:
        whether events hold ``<weights>``, a list without names, which is not read.
    """

    path: Path
    n_events: int
    sha256: str
    strategy: int | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    compressed_weights: bool = False

    @classmethod
    def of(cls, path: str | PathLike[str]) -> Self:
        """Check a file, plain or compressed by gzip, bzip2 or xz.

        Raises
        ------
        ValueError
            if there is none, it is truncated, damaged or of another kind, or the weight of an event (XWGTUP) is not
            finite.
        """
        path = Path(path)
        if not path.is_file():
            raise ValueError(f"there is no LHE file '{path}'")
        digest, n_begun, n_ended, whole, headed = hashlib.sha256(), 0, 0, False, False
        header: list[bytes] = []
        event: list[bytes] = []
        found: list[str] = []
        unnamed = opening = False
        with opened_plain(path) as file:
            for line in file:
                digest.update(line)
                stripped = line.strip()
                if opening and stripped:
                    _require_weight(stripped, f"event {n_begun - 1} of '{path}'")
                    opening = False
                if not n_begun:
                    headed |= stripped.startswith(b"<LesHouchesEvents")
                    header.append(line)
                elif not found:
                    event.append(line)
                if stripped.startswith((b"<event>", b"<event ")):
                    n_begun += 1
                    event, opening = [], True
                elif stripped.startswith(b"</event>"):
                    n_ended += 1
                    if not found:
                        found = [name for name, _ in _weights_in(b"".join(event))]
                unnamed |= stripped.startswith((b"<weights>", b"<weights "))
                whole |= stripped.startswith(b"</LesHouchesEvents>")
        if not headed:
            raise ValueError(f"'{path}' is not an LHE file: it has no <LesHouchesEvents>")
        if not whole or n_begun != n_ended:
            raise ValueError(
                f"'{path}' is truncated: {n_begun} events begin and {n_ended} end, and </LesHouchesEvents> is "
                f"{'there' if whole else 'missing'}; get it again"
            )
        head = b"".join(header)
        declared = _declared(head)
        weights = {name: declared.get(name, "") for name in found}
        return cls(path, n_begun, digest.hexdigest(), _strategy(head), weights, unnamed)

    def require_event_by_event(self) -> None:
        """Raise :class:`ValueError` if Pythia would leave out events, because positions of events would then differ."""
        if self.strategy is not None and self.strategy not in _EVENT_BY_EVENT:
            raise ValueError(
                f"'{self.path}' tells Pythia to unweight its events (IDWTUP = {self.strategy}), which drops some and "
                "repeats others: unweight them first (IDWTUP = 3), or keep their weights (IDWTUP = -4)"
            )

    def chosen(self, patterns: Sequence[str] | None) -> tuple[str, ...]:
        """Return the names of the weights to keep.

        Parameters
        ----------
        patterns:
            names, or patterns such as ``MUR*``; None keeps all, up to ``MOST_WEIGHTS``. A warning names the dropped
            ones.

        Raises
        ------
        ValueError
            if a pattern fits no weight.
        """
        if self.compressed_weights:
            warnings.warn(
                f"'{self.path}' holds weights without names (<weights>), which are not read; only those of <rwgt> are",
                stacklevel=3,
            )
        names = list(self.weights)
        if patterns is None:
            kept = names if len(names) <= MOST_WEIGHTS else []
        else:
            for pattern in patterns:
                if not any(_fits(name, pattern) for name in names):
                    raise ValueError(f"'{self.path}' has no weight '{pattern}'; it has {self._some(names) or 'none'}")
            kept = [name for name in names if any(_fits(name, pattern) for pattern in patterns)]
        dropped = [name for name in names if name not in kept]
        if dropped and len(names) > MOST_WEIGHTS:
            warnings.warn(
                f"'{self.path}' has {len(names)} weights besides each event's own; more than {MOST_WEIGHTS} are kept "
                f"only if named (--lhe-weight NAME, lhe_weights in settings): {len(kept)} are kept, {len(dropped)} are "
                f"dropped: {self._some(dropped)}",
                stacklevel=3,
            )
        return tuple(kept)

    def _some(self, names: Sequence[str]) -> str:
        told = [f"'{name}'" + (f" ({self.weights[name]})" if self.weights[name] else "") for name in names[:6]]
        return ", ".join(told) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _require_weight(line: bytes, where: str) -> None:
    """Refuse an event whose weight (XWGTUP) Pythia cannot read: Pythia would stop reading there."""
    words = line.split()
    try:
        fine = math.isfinite(float(words[2]))
    except (IndexError, ValueError):
        fine = False
    if not fine:
        word = words[2].decode(errors="replace") if len(words) > 2 else "missing"
        raise ValueError(f"the weight (XWGTUP) of {where} is '{word}', not a finite number: leave the event out")


def lhe_variations(
    path: Path, names: Sequence[str], weight: np.ndarray, start: int, variations: Sequence[str]
) -> dict[str, xr.Variable]:
    """Return the weights of a file as variations of the events that Pythia made from it.

    An event's weight in Pythia, w, comes from XWGTUP in the file; that of a variation is w times the file's weight over
    XWGTUP.

    Parameters
    ----------
    path:
        the file.
    names:
        of the weights.
    weight:
        Pythia's weights of the events from ``start`` on, (N,).
    variations:
        names of other variations of the events.

    Raises
    ------
    ValueError
        if an event lacks a weight, or it is not finite; the message names the event.
    """
    with opened_plain(path) as file:
        head, events = _split(file, start, start + len(weight))
        strategy, declared = _strategy(head), _declared(head)
        read = [_event_weights(event, names, f"event {start + i} of '{path}'") for i, event in enumerate(events)]
    if len(read) != len(weight):
        raise ValueError(f"'{path}' ends before event {start + len(weight)}")
    own, values = np.array([row[0] for row in read]), np.array([row[1] for row in read]).reshape(len(read), len(names))
    lost = (own == 0) & (values != 0).any(axis=1)
    if lost.any() and strategy not in _WEIGHTED:
        raise ValueError(
            f"event {start + int(np.flatnonzero(lost)[0])} of '{path}' has the weight 0 (XWGTUP) and others that are "
            f"not, but Pythia gives all its events the same weight (IDWTUP = {strategy}): leave it out"
        )
    # where the file's own weight is 0, Pythia's is it too, on the same scale, so that nothing is to be multiplied
    factor = np.divide(weight, own, out=np.ones(len(own)), where=own != 0)
    found = {}
    for i, variable_name in enumerate(variable_names([*variations, *names])[len(variations) :]):
        said = f" ({declared[names[i]]})" if declared.get(names[i]) else ""
        found[variable_name] = variation_variable(values[:, i] * factor, f"{names[i]}{said} of the LHE file")
    return found


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatch.fnmatchcase(name, pattern)


def _strategy(header: bytes) -> int | None:
    """Return IDWTUP, the ninth number of the first line of ``<init>``."""
    _, *rest = _INIT.split(header, maxsplit=1)
    try:
        return int(rest[0].split()[8])
    except (IndexError, ValueError):
        return None


def _declared(header: bytes) -> dict[str, str]:
    """Return the weights in ``<initrwgt>`` and their descriptions."""
    found = {}
    block = header.partition(b"<initrwgt")[2].partition(b"</initrwgt")[0]
    for attributes, content in _DECLARED.findall(block):
        name = _name(attributes)
        if name is not None:
            rest = _ID.sub(b"", attributes).decode(errors="replace").replace('"', "").replace("'", "")
            said = html.unescape(content.decode(errors="replace")) or rest
            found[name] = " ".join(said.split() or rest.split())
    return found


def _name(attributes: bytes) -> str | None:
    match = _ID.search(attributes)
    if match is None:
        return None
    return html.unescape((match[1] if match[1] is not None else match[2]).decode(errors="replace")).strip()


def _weights_in(event: bytes) -> list[tuple[str, bytes]]:
    """Return the names and texts of the weights in an event's ``<rwgt>``."""
    block = event.partition(b"<rwgt")[2].partition(b"</rwgt")[0]
    found = [(_name(attributes), word.strip()) for attributes, word in _WEIGHT.findall(block)]
    return [(name, word) for name, word in found if name is not None]


def _event_weights(event: bytes, names: Sequence[str], where: str) -> tuple[float, list[float]]:
    """Return an event's own weight, XWGTUP, and those of these names."""
    words = event.split(maxsplit=3)
    if len(words) < 3:
        raise ValueError(f"{where} is damaged: it has no weight (XWGTUP)")
    given = _weights_in(event)
    there = dict(given)
    for name in names:
        if name not in there:
            raise ValueError(f"{where} lacks the weight '{name}', which others have; it has {[n for n, _ in given]}")
        if sum(n == name for n, _ in given) > 1:
            raise ValueError(f"{where} has the weight '{name}' twice")
    return _number(words[2], f"{where}: its weight (XWGTUP)"), [
        _number(there[name], f"{where}: the weight '{name}'") for name in names
    ]


def _number(word: bytes, what: str) -> float:
    try:
        # Fortran writes exponents with a D
        value = float(word.upper().replace(b"D", b"E"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{what} is '{word.decode(errors='replace')}', not a finite number")
    return value


def _split(file: IO[bytes], start: int, stop: int) -> tuple[bytes, Iterator[bytes]]:
    """Return the header of a file and the text of its events from ``start`` to ``stop - 1``."""
    held = b""
    marks = re.compile(rb"^\s*<event[ >]", re.MULTILINE)
    while not (match := marks.search(held)):
        block = file.read(_BLOCK)
        if not block:
            return held, iter(())
        held += block
    return held[: match.start()], _events(file, held[match.start() :], start, stop)


def _events(file: IO[bytes], held: bytes, start: int, stop: int) -> Iterator[bytes]:
    n = 0
    while n < stop:
        *events, held = held.split(b"</event>")
        for event in events:
            if start <= n < stop:
                yield event.partition(b"<event")[2].partition(b">")[2]
            n += 1
        block = file.read(_BLOCK)
        if not block:
            return
        held += block
