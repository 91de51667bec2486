"""Which of the weights of a HepMC event is its own, which are variations, and which only keep the books.

HepMC gives weights an order and names, and no meaning. The rules here are those of Rivet (arXiv:1912.05451,
``AnalysisHandler::setWeightNames``): an empty name is the nominal weight's, else ``Weight``, ``0``, ``Default`` or
``Nominal`` in any case of letters; where several fit, the first; where none fits, the first weight. Names that begin
with ``IRREG`` or ``EXTRA`` are no variations, by the conventions that Rivet keeps too (its merge request 400), and nor
are the entries by which Sherpa keeps its books: they count trials or hold a factor of the weight.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_NOMINAL: Final = ("weight", "0", "default", "nominal")
_BOOKKEEPING: Final = re.compile(r"(IRREG|EXTRA).*|(ME_?Weight|Weight_?Normali[sz]ation|N_?Trials?)", re.IGNORECASE)


@dataclass(frozen=True)
class WeightRoles:
    """The index of the nominal weight, those of the variations, and what there is to say about the choice."""

    nominal: int
    variations: tuple[int, ...]
    remark: str | None = None


def is_bookkeeping(name: str) -> bool:
    """Tell whether a weight of this name is an entry of a program's books rather than a weight of the event."""
    return _BOOKKEEPING.fullmatch(name.strip()) is not None


def roles_of(names: Sequence[str]) -> WeightRoles:
    """Return which weight is which, from the names of at least one weight."""
    books = {i for i, name in enumerate(names) if is_bookkeeping(name)}
    fitting = [i for i, name in enumerate(names) if name == ""]
    fitting = fitting or [i for i, name in enumerate(names) if name.strip().lower() in _NOMINAL]
    remark = None
    if len(fitting) > 1:
        named = ", ".join(f"'{names[i]}'" for i in fitting)
        remark = f"{named} could each be the nominal weight; '{names[fitting[0]]}' is taken, the first"
    elif not fitting:
        fitting = [i for i in range(len(names)) if i not in books] or [0]
        if len(fitting) > 1:
            remark = (
                f"none of its {len(names)} weights is called Weight, Default, Nominal or 0; "
                f"'{names[fitting[0]]}' is taken for the nominal one, the first"
            )
    nominal = fitting[0]
    return WeightRoles(nominal, tuple(i for i in range(len(names)) if i != nominal and i not in books), remark)
