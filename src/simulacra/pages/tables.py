"""Which cells of a page's tables hold numbers, that stand at the right, and which words, that may wrap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: cells that hold nothing stand with the numbers of their column
NOTHING: Final = ("", "–")
#: more letters than a head of a row may have in one line
LONGEST_HEAD: Final = 44
_NUMBER: Final = re.compile(r"[(<>≤≥≈ ]*[-+\N{MINUS SIGN}±]?\s*\d")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")


def is_number(cell: str) -> bool:
    """Return whether a cell begins with a number and has no more than a unit behind it."""
    return bool(_NUMBER.match(cell)) and len(_WORD.findall(cell)) <= 1


def columns_of_numbers(rows: Sequence[Sequence[str]]) -> list[bool]:
    """Return for each column whether most of its cells that are not empty hold numbers; the first never does."""
    found = [False]
    for column in range(1, max(map(len, rows), default=0)):
        cells = [row[column] for row in rows if len(row) > column and row[column] not in NOTHING]
        found.append(2 * sum(map(is_number, cells)) > len(cells))
    return found


def class_of(cell: str, in_numbers: bool) -> str:
    """Return the style of a cell in a column of numbers or of words."""
    if in_numbers and (cell in NOTHING or is_number(cell)):
        return "number"
    return "words" if len(cell) > LONGEST_HEAD else ""
