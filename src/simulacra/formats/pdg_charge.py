"""The charge of a particle from its number in the PDG scheme (Review of Particle Physics, sect. 45)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

_FUNDAMENTAL: Final[Mapping[int, int]] = {
    **dict.fromkeys((1, 3, 5, 7), -1),
    **dict.fromkeys((2, 4, 6, 8), 2),
    **dict.fromkeys((11, 13, 15, 17), -3),
    **dict.fromkeys((24, 34, 37), 3),
}
"""Charges of quarks, charged leptons and bosons, in thirds; all others below 100 are neutral."""


@cache
def charge_of(number: int) -> int:
    """Return the charge [e] of a particle; antiparticles have a negative ``number``; 0 if the charge is not an integer.

    Hadrons have the digits of their quarks (nq1, nq2, nq3 before the last one), nuclei are 10LZZZAAAI.
    """
    code, sign = abs(number), 1 if number > 0 else -1
    if code > 1_000_000_000:
        return sign * (code // 10_000 % 1000)
    code %= 10_000_000
    if code // 1_000_000 % 10 or code < 100:
        # supersymmetric and excited partners have the charge of what they are partners of
        thirds = _FUNDAMENTAL.get(code % 1_000_000, 0) if code % 1_000_000 < 100 else 0
        return sign * (thirds // 3) if thirds % 3 == 0 else 0
    first, second, third = code // 1000 % 10, code // 100 % 10, code // 10 % 10
    quark = _FUNDAMENTAL
    if first:
        thirds = quark.get(first, 0) + quark.get(second, 0) + quark.get(third, 0)
    else:
        # a meson is named by its heavier quark; it is the quark if that is of the up kind, or else the antiquark
        thirds = quark.get(second, 0) - quark.get(third, 0)
        thirds = thirds if second % 2 == 0 else -thirds
    return sign * (thirds // 3) if thirds % 3 == 0 else 0
