"""Variations: the weight of an event with other settings of Pythia, from Pythia's own exact weights.

The shower's weights are those of Mrenna and Skands (arXiv:1605.08352), the fragmentation's those of Bierlich et al.
(arXiv:2308.13459).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

FRAGMENTATION: Final[Mapping[str, str]] = {
    "frag:aLund": "StringZ:aLund",
    "frag:bLund": "StringZ:bLund",
    "frag:rFactC": "StringZ:rFactC",
    "frag:rFactB": "StringZ:rFactB",
    "frag:ptSigma": "StringPT:sigma",
    "frag:xi": "StringFlav:probQQtoQ",
    "frag:rho": "StringFlav:probStoUD",
    "frag:x": "StringFlav:probSQtoQQ",
    "frag:y": "StringFlav:probQQ1toQQ0",
}
"""The fragmentation's keywords and their settings; the value is that of the setting."""

_BRANCHINGS: Final = {"fsr": ("G2GG", "Q2QG", "G2QQ", "X2XG"), "isr": ("G2GG", "Q2QG", "G2QQ", "Q2GQ", "X2XG")}
SHOWER: Final = (
    *(f"{radiation}:{what}" for radiation in _BRANCHINGS for what in ("muRfac", "cNS")),
    *(f"{radiation}:{b}:{what}" for radiation, bs in _BRANCHINGS.items() for b in bs for what in ("muRfac", "cNS")),
    "isr:PDF:plus",
    "isr:PDF:minus",
    "isr:PDF:member",
)
"""The shower's keywords: factors of the renormalisation scale, non-singular terms, members of the PDF's family."""

_KEYWORDS: Final = {keyword.lower(): keyword for keyword in (*SHOWER, *FRAGMENTATION)}
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Variation:
    """A name and the values of its keywords; all are of the shower or all of the fragmentation."""

    name: str
    values: tuple[tuple[str, float], ...]

    @property
    def of_shower(self) -> bool:
        """Whether it varies the shower and not the fragmentation."""
        return self.values[0][0] not in FRAGMENTATION

    @classmethod
    def parse(cls, text: str) -> Variation:
        """Read ``alphaS_up fsr:muRfac=0.5`` or ``soft frag:aLund=0.8 frag:bLund=1.1``.

        Raises
        ------
        ValueError
            if a keyword or value is invalid, with the known keywords.
        """
        name, *parts = text.split() or [""]
        if not _NAME.fullmatch(name) or not parts:
            raise ValueError(
                f"a variation is a name and keywords with values, such as 'alphaS_up fsr:muRfac=0.5', not '{text}'"
            )
        values: dict[str, float] = {}
        for part in parts:
            keyword, _, number = part.partition("=")
            known = _KEYWORDS.get(keyword.lower())
            if known is None:
                raise ValueError(
                    f"variation '{name}': no keyword '{keyword}'; there are {', '.join((*SHOWER[:4], *FRAGMENTATION))}"
                    f", and the shower's for one branching, such as {SHOWER[4]}"
                )
            if known in values:
                raise ValueError(f"variation '{name}': {known} is given twice")
            try:
                values[known] = float(number)
            except ValueError:
                raise ValueError(f"variation '{name}': {known} needs a number, not '{number}'") from None
            if not math.isfinite(values[known]) or (known.endswith("muRfac") and values[known] <= 0):
                raise ValueError(
                    f"variation '{name}': {known} must be {'above 0' if 'muRfac' in known else 'finite'}, not {number}"
                )
        if len({keyword in FRAGMENTATION for keyword in values}) > 1:
            raise ValueError(
                f"variation '{name}' mixes shower and fragmentation: give two variations and multiply their weights"
            )
        return cls(name, tuple(values.items()))

    def __str__(self) -> str:
        return " ".join((self.name, *(f"{keyword}={value!r}" for keyword, value in self.values)))


def variation_lines(variations: Iterable[Variation]) -> list[str]:
    """Return the lines of settings that make Pythia compute the weights."""
    by_part: dict[bool, list[str]] = {True: [], False: []}
    for variation in variations:
        by_part[variation.of_shower].append(str(variation))
    lines = []
    if by_part[True]:
        lines += ["UncertaintyBands:doVariations = on", f"UncertaintyBands:List = {{{', '.join(by_part[True])}}}"]
    if by_part[False]:
        lines += [f"VariationFrag:List = {{{', '.join(by_part[False])}}}"]
    return lines
