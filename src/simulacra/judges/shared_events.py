"""Events that are in both samples, or several times in one: the comparison is then less significant than it looks.

If generated events equal truth events bit for bit, the samples are not independent. Distances and AUCs are then better
than those of truth against truth, and a pass means nothing; a failure still counts. Conditions and weights are not
compared, so a copy at another energy is also found.

Equal events are evidence only if they are not due to chance. Events without content (all values 0, no particle) are
left out. For others, such as rows of integers, chance is estimated from the truth: of m new events, 2 n_2 / n m equal
an event that the truth holds once, where n_2 is the number of different events that it holds twice (I. J. Good,
Biometrika 40 (1953) 237).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.judges.samples import Sample
from simulacra.statistics.outliers import single_precision
from simulacra.wording import listed

#: this many non-zero float32 numbers never agree by chance in a sample that fits into memory
VALUES_ENOUGH: Final = 4
#: standard deviations beyond chance, if fewer numbers agree
SIGMAS: Final = 5.0
MOST_NAMED: Final = 5
#: share of events beyond which repeats give a warning
MOST_REPEATED: Final = 0.001


@dataclass(frozen=True)
class Shared:
    """Shared events.

    Attributes
    ----------
    rows:
        equal generated and truth events, one pair per row, (K, 2).
    warning:
        the warning in words; "" if nothing is shared.
    """

    rows: np.ndarray
    warning: str


@dataclass(frozen=True)
class Digests:
    """A digest of each event of a sample, None without content, and the number of its non-zero values, (N,)."""

    sample: Sample
    keys: list[bytes | None]
    filled: np.ndarray


def digests_of(sample: Sample) -> Digests:
    """Return digests of the results of each event; equal events have the same digest."""
    if sample.cloud is not None:
        # Padding has no meaning: two files of the same events may differ in it.
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
    """Return which generated events (the second sample) are truth events."""
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
        f"equal bit for bit: {listed(named)}. The samples are not independent and look more alike than "
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
        f"{before} again): they are counted as independent events but are not, so errors are too small."
    )


def _digest(values: np.ndarray) -> bytes:
    # A negative zero is a zero.
    return hashlib.blake2b(np.ascontiguousarray(values + np.float32(0)).tobytes(), digest_size=16).digest()


def _of_truth(held: Digests) -> tuple[dict[bytes, int], int, int]:
    """Return the rows of the truth's unique events, the number of events with content, and of events held twice."""
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
