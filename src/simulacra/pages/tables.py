"""Which cells of a page's tables hold numbers, which are aligned right, and which hold words, which may wrap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: empty cells are aligned like the numbers of their column
NOTHING: Final = ("", "–")
#: longest head of a row in one line, in letters
LONGEST_HEAD: Final = 44
_NUMBER: Final = re.compile(r"[(<>≤≥≈ ]*[-+\N{MINUS SIGN}±]?\s*\d")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")


def is_number(cell: str) -> bool:
    """Return whether a cell begins with a number followed by at most a unit."""
    return bool(_NUMBER.match(cell)) and len(_WORD.findall(cell)) <= 1


def columns_of_numbers(rows: Sequence[Sequence[str]]) -> list[bool]:
    """Return for each column whether most of its non-empty cells hold numbers; the first column never counts."""
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
