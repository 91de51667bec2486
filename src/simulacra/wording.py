"""Numbers in sentences and tables: no more digits than their uncertainty justifies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

MOST_DECIMALS: Final = 6
LONGEST_LABEL: Final = 28
MINUS: Final = "\N{MINUS SIGN}"


def with_error(value: float, error: float, units: str = "1") -> str:
    """Return "0.123 ± 0.004", with two digits of the error if it begins with a 1; units of "%" scale by 100."""
    if units == "%":
        value, error = 100 * value, 100 * error
    unit = "" if units == "1" else f" {units}"
    if error == 0:
        number = f"{value:,.4g} ± 0"
    else:
        digits = decimals(error)
        value = round(value, digits) + 0.0  # No minus sign stands before a value that is rounded to 0.
        number = f"{value:,.{digits}f} ± {error:,.{digits}f}"
    return f"{number.replace('-', MINUS)}{unit}"


def decimals(error: float) -> int:
    """Return the number of decimals for a number with this error, above 0."""
    exponent = math.floor(math.log10(error))
    leading = error / 10**exponent
    return min(MOST_DECIMALS, max(0, -exponent + (1 if leading < 2 else 0)))


def shorten(label: str) -> str:
    """Return a label that fits the legend of a figure."""
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def listed(names: Sequence[str], most: int | None = None) -> str:
    """Return "a, b and c"; of more than one beyond ``most`` names "a, b, c and 4 others"."""
    shown = list(names)
    if most is not None and len(names) > most + 1:
        shown = [*names[:most], f"{len(names) - most} others"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
