"""Events that stand in both samples, or several times in one: such a comparison shows less than it seems to.

A generator's events are its own. Where some of them equal truth events to the last bit, the samples are no independent
ones: distances and AUCs come out better than those of truth against truth, and a pass means nothing. What fails all the
same, fails. Conditions and weights are not compared, so that a copy at another energy is found too.

Equal events prove something only where chance does not make them. Events without content (all values 0, no particle)
are left out. What chance makes of the others, such as of rows of whole numbers, is estimated from the truth alone: of m
new events, 2 n_2 / n m equal one of those that the truth holds once, with n_2 different events that it holds twice
(I. J. Good, Biometrika 40 (1953) 237).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.judges.samples import Sample
from simulacra.statistics.outliers import single_precision
from simulacra.wording import listed

#: of float32 numbers, so many that differ from 0 agree by chance in no sample that fits in a memory
VALUES_ENOUGH: Final = 4
#: standard deviations beyond chance, where fewer numbers may agree
SIGMAS: Final = 5.0
MOST_NAMED: Final = 5
#: share of events, beyond which repeats are worth a word
MOST_REPEATED: Final = 0.001


@dataclass(frozen=True)
class Shared:
    """What is shared.

    Attributes
    ----------
    rows:
        generated and truth events that are equal, a pair a row, (K, 2).
    warning:
        that in words; "" if nothing is shared.
    """

    rows: np.ndarray
    warning: str


@dataclass(frozen=True)
class Digests:
    """A digest of each event of a sample, None without content, and how many of its values differ from 0, (N,)."""

    sample: Sample
    keys: list[bytes | None]
    filled: np.ndarray


def digests_of(sample: Sample) -> Digests:
    """Return digests of what came out in each event; two events have the same one if they are equal."""
    if sample.cloud is not None:
        # Padding says nothing: two files of the same events may differ in it.
        present, features = sample.cloud.present, sample.cloud.features
        tables = [features[row][there] for row, there in enumerate(present)]
        filled = np.array([np.count_nonzero(table) for table in tables])
    else:
        columns = list(sample.observables.values()) if sample.cells is None else [sample.cells]
        table = np.column_stack(columns) if len(columns) > 1 else np.asarray(columns[0])
        table = single_precision(table).reshape(len(sample), -1)
        tables = list(table)
        filled = np.count_nonzero(table, axis=1)
    keys = [_digest(values) if full else None for values, full in zip(tables, filled, strict=True)]
    return Digests(sample, keys, filled)


def shared_events(theirs: Digests, ours: Digests) -> Shared:
    """Return which generated events, the second ones, are truth events."""
    truth, generated = theirs.sample, ours.sample
    once, numbers, twice = _of_truth(theirs)
    found = [(row, once[key]) for row, key in enumerate(ours.keys) if key is not None and key in once]
    nothing = Shared(np.empty((0, 2), dtype=int), "")
    if not found:
        return nothing
    pairs = np.array(found)
    counted = np.flatnonzero(ours.filled[pairs[:, 0]] >= VALUES_ENOUGH)
    certain = twice == 0 and len(counted)
    if certain:
        pairs = pairs[counted]
    else:
        # Of the number held twice, two of its own standard deviations more.
        by_chance = 2 * (twice + 2 * np.sqrt(twice + 1) + 1) * len(generated) / max(numbers, 1)
        if len(pairs) <= by_chance + SIGMAS * np.sqrt(by_chance):
            return nothing
    named = [f"event {_index(generated, a)} is {truth.label}'s event {_index(truth, b)}" for a, b in pairs[:MOST_NAMED]]
    if len(pairs) > MOST_NAMED:
        named.append(f"{len(pairs) - MOST_NAMED:,} more")
    number = "One" if len(pairs) == 1 else f"{len(pairs):,}"
    return Shared(
        pairs,
        f"{number} of {len(generated):,} generated events {'is' if len(pairs) == 1 else 'are'} also in the truth, "
        f"equal to the last bit: {listed(named)}. The samples are not independent, so that they look more alike than "
        "they are: nothing can pass.",
    )


def repeated_events(held: Digests) -> str:
    """Return a warning about events that a sample holds several times, as after a draw with replacement, or ""."""
    sample = held.sample
    first: dict[bytes, int] = {}
    pairs = []
    for row, (key, filled) in enumerate(zip(held.keys, held.filled, strict=True)):
        if key is None or filled < VALUES_ENOUGH:
            continue
        if key in first:
            pairs.append((row, first[key]))
        else:
            first[key] = row
    if len(pairs) <= MOST_REPEATED * len(sample):
        return ""
    again, before = (_index(sample, row) for row in pairs[0])
    return (
        f"{len(pairs):,} of {len(sample):,} events of {sample.label} repeat others of it (event {again} is event "
        f"{before} again): they count as independent events and are not, so that errors come out too small."
    )


def _digest(values: np.ndarray) -> bytes:
    # A negative zero is a zero.
    return hashlib.blake2b(np.ascontiguousarray(values + np.float32(0)).tobytes(), digest_size=16).digest()


def _of_truth(held: Digests) -> tuple[dict[bytes, int], int, int]:
    """Return the row of each event that the truth holds once, its events with content, and how many it holds twice."""
    counts: dict[bytes, int] = {}
    rows: dict[bytes, int] = {}
    for row, key in enumerate(held.keys):
        if key is not None:
            counts[key] = counts.get(key, 0) + 1
            rows[key] = row
    once = {key: rows[key] for key, count in counts.items() if count == 1}
    return once, sum(counts.values()), sum(count == 2 for count in counts.values())


def _index(sample: Sample, row: int) -> int:
    return int(sample.index[row]) if len(sample.index) else int(row)
